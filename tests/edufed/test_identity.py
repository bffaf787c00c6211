from __future__ import annotations

import base64
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from edufed.cli import keys
from edufed.config.errors import SettingsError
from edufed.deployment import load_coordinator, load_site_node
from edufed.identity import (
    Roster,
    enrol,
    expel,
    fingerprint,
    init_federation,
    load_card,
    load_roster,
    load_signing_key,
    new_site,
    node_key_fingerprint,
)
from edufed.private_files import IdentityError, read_private, write_private


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    init_federation(tmp_path / "keys", "province", ["coordinator.example.org", "192.0.2.7"])
    return tmp_path / "keys"


def test_everything_made_is_private(folder: Path) -> None:
    keys.add(folder, "north")
    for file in [folder, *folder.rglob("*")]:
        assert file.stat().st_mode & 0o777 == (0o700 if file.is_dir() else 0o600), file


def test_server_certificate_names_its_hosts_and_is_trusted_through_the_ca(folder: Path) -> None:
    certificate = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "coordinator.example.org" in names.get_values_for_type(x509.DNSName)
    addresses = [str(a) for a in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["192.0.2.7", "127.0.0.1", "::1"]
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    certificate.verify_directly_issued_by(ca)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")


def test_renewed_certificate_is_new_and_under_the_same_ca(folder: Path) -> None:
    before = (folder / "server.pem").read_bytes()
    keys.renew(folder, ["other.example.org"])
    certificate = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    assert before != (folder / "server.pem").read_bytes()
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    )


def test_a_ca_is_not_overwritten(folder: Path) -> None:
    with pytest.raises(IdentityError, match="holds a CA already"):
        init_federation(folder, "again", [])


def test_enrolling_by_card_pins_both_keys_and_moves_no_secret(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "at-the-site"
    card = new_site(own, "north")
    keys.add(folder, "north", own / "card.yaml")
    roster = load_roster(folder / "roster.yaml")
    assert roster.federation == "province"
    assert roster.sites[0].node_key == node_key_fingerprint(own / "node.key")
    signing = load_signing_key(own / "signing.key")
    public = Ed25519PublicKey.from_public_bytes(roster.signing_keys()["north"])
    public.verify(signing.sign(b"text"), b"text")
    assert base64.b64decode(card.signing_key) == signing.public_key().public_bytes_raw()
    everything = b"".join(f.read_bytes() for f in folder.rglob("*") if f.is_file())
    for secret in ("node.key", "signing.key"):
        lines = (own / secret).read_bytes().splitlines()[1:-1]
        assert not any(line in everything for line in lines)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    card = new_site(tmp_path / "site", "north")
    file = tmp_path / "node.pub"
    file.write_text(card.node_key)
    shown = subprocess.run(["ssh-keygen", "-lf", file], capture_output=True, text=True, check=True)
    assert fingerprint(card.node_key) in shown.stdout


def test_no_second_site_of_a_name_or_key(folder: Path, tmp_path: Path) -> None:
    card = new_site(tmp_path / "site", "north")
    enrol(folder, card)
    with pytest.raises(IdentityError, match="enrolled already"):
        enrol(folder, card)
    with pytest.raises(IdentityError, match="same signing_key"):
        enrol(folder, card.model_copy(update={"name": "south"}))
    assert [site.name for site in load_roster(folder / "roster.yaml").sites] == ["north"]


def test_expelled_site_is_gone(folder: Path) -> None:
    keys.add(folder, "north")
    keys.add(folder, "south")
    assert [site.name for site in expel(folder, "north").sites] == ["south"]
    assert not (folder / "nodes" / "north.pub").exists()
    with pytest.raises(IdentityError, match="not in the roster"):
        expel(folder, "north")


def test_roster_digest_does_not_depend_on_the_order(folder: Path) -> None:
    for site in ("north", "south"):
        keys.add(folder, site)
    roster = load_roster(folder / "roster.yaml")
    turned = roster.model_copy(update={"sites": roster.sites[::-1]})
    assert roster.digest() == turned.digest()
    fewer = roster.model_copy(update={"sites": roster.sites[:1]})
    assert roster.digest() != fewer.digest()
    assert Roster.model_validate(roster.model_dump()) == roster


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "../evil"}, "name"),
        ({"signing_key": "AAAA"}, "not 32 bytes"),
        ({"node_key": "ssh-ed25519 AAAA"}, "not an OpenSSH public key"),
        ({"more": 1}, "unknown setting 'more'"),
    ],
)
def test_broken_card_is_one_clear_line(tmp_path: Path, change: dict[str, str], said: str) -> None:
    new_site(tmp_path / "site", "north")
    file = tmp_path / "site" / "card.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **change}))
    with pytest.raises(IdentityError, match=said) as caught:
        load_card(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    new_site(tmp_path, "north")
    (tmp_path / "node.key").chmod(0o640)
    with pytest.raises(IdentityError, match=r"read by others \(mode 0640\); chmod 600"):
        node_key_fingerprint(tmp_path / "node.key")


def test_wrong_kind_of_key_is_named(tmp_path: Path) -> None:
    new_site(tmp_path, "north")
    with pytest.raises(IdentityError, match="not an OpenSSH private key"):
        node_key_fingerprint(tmp_path / "signing.key")
    with pytest.raises(IdentityError, match="not a private key"):
        load_signing_key(tmp_path / "card.yaml")


def test_missing_key_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="No such file"):
        read_private(tmp_path / "node.key")


@given(host=st.sampled_from(["", "a b..c", "host:1", "münchen.example", "x..y"]))
def test_host_that_is_none_is_refused(tmp_path_factory: pytest.TempPathFactory, host: str) -> None:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    with pytest.raises(IdentityError, match="neither a host name nor an IP address"):
        init_federation(folder, "province", [host])


def test_half_written_file_is_never_seen(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_private(file, b"old")
    with pytest.raises(TypeError):
        write_private(file, "not bytes")  # type: ignore[arg-type]
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_settings_of_both_sides_load_and_start_at_their_folder(folder: Path) -> None:
    keys.add(folder, "north")
    coordinator = folder.parent / "coordinator.yaml"
    coordinator.write_text("keys: keys\nstate: state\n")
    assert load_coordinator(coordinator).keys == folder
    assert load_coordinator(coordinator).admin == "127.0.0.1:9093"
    site = folder.parent / "north.yaml"
    roster = yaml.safe_load((folder / "roster.yaml").read_text())
    node = {"superlink": "localhost:9092", "keys": "keys/sites/north", "roster": roster}
    content = {"name": "north", "state": "state/north", "adapter": {"name": "any"}, "node": node}
    site.write_text(yaml.safe_dump(content))
    loaded = load_site_node(site)
    assert loaded.state == folder.parent / "state" / "north"
    assert loaded.node.worker == "resident"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name: north\nstate: s\n", "no 'node' part"),
        ("name: north\nstate: s\nnode: {superlink: h, keys: k}\n", "node.superlink"),
        ("name: north\nstate: s\nnode: {superlink: 'h:1', keys: k, tls: false}\n", "node.tls"),
        ("name: [", "not valid YAML"),
        (
            "name: a\nstate: s\n"
            "node: {superlink: 'h:1', keys: k, roster: {federation: f, sites: []}}\n",
            "does not list 'a' itself",
        ),
    ],
)
def test_wrong_site_file_is_one_clear_line(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "north.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError, match=said) as caught:
        load_site_node(file)
    assert "\n" not in str(caught.value)
