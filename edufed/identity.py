"""Who is who in a federation: keys, and the roster that pins them.

Three kinds of key, each for one purpose:

- the federation's CA signs the coordinator's server certificate; sites trust that CA alone (TLS);
- a site's *node key* (ECDSA, P-384, OpenSSH format as Flower 1.41 wants it) proves to the
  SuperLink which site is calling;
- a site's *signing key* (Ed25519) signs what other sites must be able to trust without trusting
  the coordinator, such as the public keys of secure aggregation.

The roster lists the sites with both public keys. Every site pins it in its own YAML, so a
coordinator cannot invent a participant. Private files are 0600 in folders of 0700, and a site can
make its keys itself (`new_site`) and hand over only its card.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, ValidationError, model_validator

from edufed.certificates import issue_server_certificate, make_ca
from edufed.config.errors import Settings, one_line
from edufed.private_files import (
    IdentityError,
    private_folder,
    read_file,
    read_private,
    write_private,
)

#: Names of a site's two private keys in its key folder.
NODE_KEY, SIGNING_KEY = "node.key", "signing.key"

SiteName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_Model = TypeVar("_Model", bound=Settings)


class SiteCard(Settings):
    """The public half of one site: what it hands over to be enrolled.

    `signing_key` is the raw Ed25519 public key in base64; `node_key` is the OpenSSH public key.
    """

    name: SiteName
    signing_key: str
    node_key: str

    @model_validator(mode="after")
    def _readable_keys(self) -> SiteCard:
        _ed25519_public(self.signing_key)
        _node_public(self.node_key)
        return self


class RosterEntry(Settings):
    """One site of a roster; `node_key` is the fingerprint that `ssh-keygen -l` prints."""

    name: SiteName
    signing_key: str
    node_key: Annotated[str, Field(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]


class Roster(Settings):
    """The sites of a federation and their public keys, pinned in every site's YAML."""

    federation: SiteName
    sites: list[RosterEntry]

    @model_validator(mode="after")
    def _each_once(self) -> Roster:
        for entry in self.sites:
            _ed25519_public(entry.signing_key)
        for what in ("name", "signing_key", "node_key"):
            values = [getattr(entry, what) for entry in self.sites]
            if len(set(values)) < len(values):
                raise ValueError(f"two sites of the roster have the same {what}")
        return self

    def signing_keys(self) -> dict[str, bytes]:
        """Return the sites' public signing keys (Ed25519), 32 raw bytes each, by name."""
        return {
            entry.name: base64.b64decode(entry.signing_key, validate=True) for entry in self.sites
        }

    def digest(self) -> str:
        """Return the SHA-256 of the roster in hex: equal for equal rosters, in any order."""
        sites = sorted((site.model_dump() for site in self.sites), key=lambda site: site["name"])
        canonical = json.dumps([self.federation, sites], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def init_federation(folder: Path, federation: str, hosts: Sequence[str]) -> Roster:
    """Make a federation's CA, server certificate, operator token and empty roster.

    Parameters
    ----------
    folder : Path
        The coordinator's key folder; made with mode 0700, and must not hold a CA yet.
    federation : str
        The federation's name.
    hosts : sequence of str
        Host names and IP addresses under which sites reach the coordinator; those of this
        machine's loopback are added.

    Raises
    ------
    IdentityError
        The folder holds a CA already, or a host is neither a name nor an address.
    """
    roster = _checked(Roster, {"federation": federation, "sites": []}, "roster")
    make_ca(folder, federation)
    issue_server_certificate(folder, hosts)
    write_private(folder / "operator.token", secrets.token_hex(32).encode())
    _write_roster(folder, roster)
    return roster


def new_site(folder: Path, name: str) -> SiteCard:
    """Make a site's node key and signing key in `folder`, and return its card.

    Run at the site, private keys never leave it: `card.yaml` is all that the coordinator needs.

    Raises
    ------
    IdentityError
        The folder holds keys already, or the name is not one a site may have.
    """
    if (folder / NODE_KEY).exists() or (folder / SIGNING_KEY).exists():
        raise IdentityError(f"{folder} holds a site's keys already; choose another folder")
    node = ec.generate_private_key(ec.SECP384R1())
    signing = Ed25519PrivateKey.generate()
    card = _checked(
        SiteCard,
        {
            "name": name,
            "signing_key": base64.b64encode(signing.public_key().public_bytes_raw()).decode(),
            "node_key": node.public_key()
            .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
            .decode(),
        },
        "site",
    )
    private_folder(folder)
    openssh = node.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    write_private(folder / NODE_KEY, openssh)
    write_private(folder / SIGNING_KEY, _pem(signing))
    write_private(folder / "card.yaml", _yaml(card.model_dump()))
    return card


def enrol(folder: Path, card: SiteCard) -> Roster:
    """Add a site to the federation whose keys are in `folder`, and return the new roster.

    Raises
    ------
    IdentityError
        There is no federation, or the site's name or one of its keys is taken.
    """
    roster = load_roster(folder / "roster.yaml")
    entry = {
        "name": card.name,
        "signing_key": card.signing_key,
        "node_key": fingerprint(card.node_key),
    }
    if any(site.name == card.name for site in roster.sites):
        raise IdentityError(f"site {card.name!r} is enrolled already; remove it first")
    raw = roster.model_dump()
    raw["sites"].append(entry)
    grown = _checked(Roster, raw, "roster")
    private_folder(folder / "nodes")
    write_private(folder / "nodes" / f"{card.name}.pub", f"{card.node_key}\n".encode())
    _write_roster(folder, grown)
    return grown


def expel(folder: Path, site: str) -> Roster:
    """Take a site out of the federation whose keys are in `folder`; return the new roster.

    Raises
    ------
    IdentityError
        The site is not enrolled.
    """
    roster = load_roster(folder / "roster.yaml")
    left = [entry for entry in roster.sites if entry.name != site]
    if len(left) == len(roster.sites):
        raise IdentityError(f"site {site!r} is not in the roster of {roster.federation!r}")
    shrunk = roster.model_copy(update={"sites": left})
    _write_roster(folder, shrunk)
    (folder / "nodes" / f"{site}.pub").unlink(missing_ok=True)
    return shrunk


def load_card(file: Path) -> SiteCard:
    """Read a site's card; `IdentityError` in one line where it is missing or broken."""
    return _checked(SiteCard, _load_yaml(file), str(file))


def load_roster(file: Path) -> Roster:
    """Read a roster; `IdentityError` in one line where it is missing or broken."""
    return _checked(Roster, _load_yaml(file), str(file))


def load_signing_key(file: Path) -> Ed25519PrivateKey:
    """Read a site's signing key; `IdentityError` where it is missing, open to others or broken."""
    try:
        key = serialization.load_pem_private_key(read_private(file), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise IdentityError(f"{file} is not a private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityError(f"{file} is not an Ed25519 key")
    return key


def node_key_fingerprint(file: Path) -> str:
    """Return the fingerprint of the node key in `file`, as the roster has it.

    Raises
    ------
    IdentityError
        The file is missing, open to others, or not an OpenSSH private key on P-384.
    """
    try:
        key = serialization.load_ssh_private_key(read_private(file), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise IdentityError(f"{file} is not an OpenSSH private key") from None
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    _node_public(public.decode())
    return fingerprint(public.decode())


def fingerprint(openssh_public_key: str) -> str:
    """Return ``SHA256:...`` of an OpenSSH public key, as ``ssh-keygen -l`` prints it."""
    blob = base64.b64decode(openssh_public_key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _load_yaml(file: Path) -> Any:
    try:
        return yaml.safe_load(read_file(file))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise IdentityError(f"{file}: not valid YAML") from None


def _checked(model: type[_Model], raw: Any, where: str) -> _Model:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise IdentityError(one_line(error, model, where)) from None


def _write_roster(folder: Path, roster: Roster) -> None:
    write_private(folder / "roster.yaml", _yaml(roster.model_dump()))


def _yaml(content: dict[str, Any]) -> bytes:
    return yaml.safe_dump(content, sort_keys=False, width=120).encode()


def _ed25519_public(text: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError:
        raise ValueError("a signing_key is not 32 bytes of Ed25519 in base64") from None


def _node_public(text: str) -> None:
    try:
        key = serialization.load_ssh_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("a node_key is not an OpenSSH public key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp384r1":
        raise ValueError("a node_key is not on the curve P-384")


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
