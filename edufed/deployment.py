"""Settings of the processes of a federation: the coordinator's and each site's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import Field, PositiveInt, ValidationError

from edufed.config.errors import Settings, SettingsError, one_line
from edufed.identity import Roster, SiteName

#: ``HOST:PORT``, with an IPv6 host in brackets.
Address = Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")]
_Model = TypeVar("_Model", bound=Settings)
CodeHash = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class CoordinatorSettings(Settings):
    """How the coordinator runs: the YAML of `edufed server`.

    Sites reach `listen` and find nothing there but Flower's Fleet API. Jobs are submitted,
    listed and stopped on `admin`, on this machine's loopback, by whoever may read the
    operator token in `keys`.
    """

    listen: Address = "0.0.0.0:9092"
    admin_port: PositiveInt = 9093
    keys: Path = Path("keys")  # made by edufed keys init
    state: Path = Path("state/coordinator")  # database, Flower's files, jobs
    insecure: bool = False  # neither TLS nor node authentication: for a try on one machine only
    log: Literal["text", "json"] = "text"

    @property
    def admin(self) -> str:
        """Address of the Control and Runtime APIs."""
        return f"127.0.0.1:{self.admin_port}"

    @property
    def jobs(self) -> Path:
        """Folder in which each job has its own."""
        return self.state / "jobs"


class NodeSettings(Settings):
    """How a site's SuperNode and worker run: the `node` part of a site's YAML."""

    superlink: Address  # where the coordinator listens
    keys: Path  # of this site, made by edufed keys request: ca.pem, node.key, signing.key
    roster: Roster | None = None  # the sites that this site takes for participants
    # resident: one process answers all messages; subprocess: a fresh process for each.
    worker: Literal["resident", "subprocess"] = "resident"
    approved_bundles: list[CodeHash] = Field(
        default=[]
    )  # beside the hash of the code installed here
    insecure: bool = False
    log: Literal["text", "json"] = "text"


class SiteNode(Settings):
    """One site as its processes see it."""

    name: SiteName
    file: Path  # the site's YAML
    state: Path
    node: NodeSettings


def load_coordinator(
    file: Path | None = None, changes: Mapping[str, str] | None = None
) -> CoordinatorSettings:
    """Read the YAML of `edufed server`, if any, and settings given beside it.

    Relative paths start at the file's folder, or where there is no file at the working directory;
    those in `changes` always at the working directory.

    Raises
    ------
    SettingsError
        One line: the key, what is wrong, what to do.
    """
    raw = _load(file) if file is not None else {}
    folder = file.resolve().parent if file is not None else Path.cwd()
    given = {key: yaml.safe_load(value) for key, value in (changes or {}).items()}
    for key in ("keys", "state"):
        if key in given:
            given[key] = Path.cwd() / str(given[key])
    settings = _checked(CoordinatorSettings, {**raw, **given}, file)
    return settings.model_copy(
        update={"keys": folder / settings.keys, "state": folder / settings.state}
    )


def load_site_node(file: Path) -> SiteNode:
    """Read what `edufed client` needs from a site's YAML: `name`, `state` and `node`.

    Raises
    ------
    SettingsError
        One line: the key, what is wrong, what to do.
    """
    raw = _load(file)
    if "node" not in raw:
        raise SettingsError(f"{file}: no 'node' part; see docs/deployment.md for one")
    wanted: dict[str, Any] = {key: raw[key] for key in ("name", "state", "node") if key in raw}
    site = _checked(SiteNode, {**wanted, "file": file.resolve()}, file)
    folder = site.file.parent
    node = site.node.model_copy(update={"keys": folder / site.node.keys})
    if node.roster is not None and site.name not in [entry.name for entry in node.roster.sites]:
        raise SettingsError(f"{file}: node.roster does not list {site.name!r} itself")
    return site.model_copy(update={"state": folder / site.state, "node": node})


def host_and_port(address: str) -> tuple[str, int]:
    """Split ``HOST:PORT``; brackets around an IPv6 host are dropped."""
    host, _, port = address.rpartition(":")
    return re.sub(r"^\[|\]$", "", host), int(port)


def _load(file: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise SettingsError(f"{file}: not valid YAML") from None
    if not isinstance(raw, dict):
        raise SettingsError(f"{file}: expected keys and values")
    return raw


def _checked(model: type[_Model], raw: dict[str, Any], file: Path | None) -> _Model:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        where = str(file) if file is not None else ""
        raise SettingsError(one_line(error, model, where)) from None
