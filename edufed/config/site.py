"""What a site says of itself: its data, its state folder, its policy. This never travels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from edufed.config.data import DomainSettings
from edufed.config.errors import Settings, SettingsError, one_line
from edufed.config.federation import SimulationSettings
from edufed.config.job import Job
from edufed.config.lists import ListsSettings
from edufed.config.policy import Policy
from edufed.config.scenario import TransferSettings, VerticalSettings

#: Sites that come with EduFed, as examples and for simulated domains.
CONF_SITES = Path(__file__).resolve().parents[2] / "conf" / "site"


class SiteSettings(Settings):
    """One site's YAML."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    adapter: dict[str, Any]
    state: Path
    policy: Policy = Policy()
    lists: ListsSettings | None = None  # a database of the platform, for lists of its learners
    node: dict[str, Any] = Field(default={})  # of its processes: see edufed.deployment
    file: Path | None = None  # this YAML, once loaded; none for a site that a simulation made up
    simulated: bool = False  # set by a simulation: its keys are then no secrets

    @property
    def folder(self) -> Path:
        """Where relative paths in the YAML start."""
        return self.file.parent if self.file is not None else Path()


def load_site(file: Path) -> SiteSettings:
    """Read a site's YAML.

    Raises
    ------
    SettingsError
        The file is missing, is not YAML, or says something unknown or of a wrong type.
    """
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"site file {file}: {error.strerror}; see conf/site for examples"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"site file {file}: not valid YAML ({_first_line(error)})") from None
    if not isinstance(raw, dict):
        raise SettingsError(f"site file {file}: expected keys name, adapter, state and policy")
    try:
        site = SiteSettings.model_validate({**raw, "file": file.resolve(), "simulated": False})
    except ValidationError as error:
        raise SettingsError(one_line(error, SiteSettings, f"site file {file}")) from None
    return site.model_copy(update={"state": site.folder / site.state})


def simulated_sites(job: Job) -> list[SiteSettings]:
    """Sites of a simulation, in a fixed order, from the job's data group.

    In a simulation there is one machine and no boundary, so the data group may say where the
    tables are. A deployed site never calls this.
    """
    data = job.data
    federation = job.federation
    assert isinstance(federation, SimulationSettings)
    state = Path(federation.state or Path(job.out) / "sites")
    if isinstance(job.scenario, TransferSettings):
        return [
            SiteSettings(
                name=site.name,
                adapter=_placed({**_template(domain), **data.adapter, **site.adapter}, data.path),
                state=state / site.name,
                simulated=True,
            )
            for domain in data.domains
            for site in domain.sites
        ]
    if data.files:
        sites = [load_site(Path(file)) for file in data.files]
        names = [site.name for site in sites]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SettingsError(f"data.files: two sites call themselves {twice[0]!r}")
        return [
            site.model_copy(update={"state": state / site.name, "simulated": True})
            for site in sites
        ]
    if data.platforms and isinstance(job.scenario, VerticalSettings):
        extra: list[tuple[str, dict[str, Any]]] = [
            (platform.replace("_", "-"), {"platform": platform, "region": data.region})
            for platform in data.platforms
        ]
    elif data.regions is not None:
        width = max(2, len(str(data.regions - 1)))
        extra = [
            (f"region-{number:0{width}d}", {"region": number}) for number in range(data.regions)
        ]
    else:
        extra = [(site.name, site.adapter) for site in data.sites]
    if not extra:
        raise SettingsError(
            f"data={data.name} lists no sites; simulation needs data.files=[SITE.yaml,...]"
        )
    path = {"path": data.path} if data.path else {}
    return [
        SiteSettings(
            name=name,
            adapter={**data.adapter, **path, **own},
            state=state / name,
            simulated=True,
        )
        for name, own in extra
    ]


def _template(domain: DomainSettings) -> dict[str, Any]:
    """Return the adapter of the site in conf/site that a domain's sites start from."""
    if domain.site is None:
        return {}
    return load_site(CONF_SITES / f"{domain.site}.yaml").adapter


def _placed(adapter: dict[str, Any], path: str | None) -> dict[str, Any]:
    """Put an adapter's folder into `data.path`: of a site in conf/site, the last part of it."""
    if path is None:
        return adapter
    source = adapter.get("source")
    if isinstance(source, dict):
        return {
            **adapter,
            "source": {**source, "path": str(Path(path) / Path(source["path"]).name)},
        }
    return {**adapter, "path": str(Path(path) / adapter.get("path", ""))}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
