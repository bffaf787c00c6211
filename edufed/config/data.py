"""Which data a job learns from, and how it splits: conf/data."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from edufed.config.errors import Settings
from edufed.config.numbers import NotNegativeInt, Share


class SplitSettings(Settings):
    """Which learners test: those of later courses, or a fixed share of all."""

    by: Literal["time", "learner"]
    test_from: date | None  # by time: courses that start on this day or later test
    test_share: Share | None  # by learner: for data without course dates
    test_learners: PositiveInt | None = None  # by learner: so many instead of a share

    @model_validator(mode="after")
    def _complete(self) -> SplitSettings:
        if self.by == "time" and self.test_from is None:
            raise ValueError("by=time needs test_from, the first day of the first test course")
        if self.by == "learner" and (self.test_share is None) == (self.test_learners is None):
            raise ValueError("by=learner needs test_share, such as 0.25, or else test_learners")
        return self


class SimulatedSite(Settings):
    """One site of a simulation: what it adds to the data group's adapter settings."""

    name: str
    adapter: dict[str, Any] = Field(default={})


class DomainSettings(Settings):
    """scenario=transfer: one education type, and the sites that have its learners."""

    name: str
    cutoff_day: float | None = None  # default: the task's
    split: SplitSettings | None = None  # default: that of the data
    site: str | None = None  # in conf/site: what the sites' adapters start from
    sites: Annotated[list[SimulatedSite], Field(min_length=1)]


class MapSettings(Settings):
    """How a page draws the regions of the data."""

    tiles: dict[str, tuple[NotNegativeInt, NotNegativeInt]] = Field(default={})  # column and row
    geojson: str | None = None  # a file of their shapes, drawn instead of tiles
    property: str = "name"  # of a feature in that file: the region's name


class DataSettings(Settings):
    """Which data, how it splits, and (for simulation only) where the sites' tables are.

    In a deployment each site's own YAML says where its data is: `path`, `adapter` and
    `sites` here are then left out of what travels.
    """

    name: str
    split: SplitSettings
    path: str | None = None
    adapter: dict[str, Any] = Field(default={})
    sites: list[SimulatedSite] = Field(default=[])
    regions: PositiveInt | None = None  # makes sites region-00, region-01, ... by number
    platforms: list[str] = Field(default=[])  # vertical: the sites are one region's platforms
    region: NotNegativeInt = 0  # vertical: that region
    label_party: str | None = None  # vertical: the site with the targets
    newcomers_at: str | None = None  # cold start: the site they come to; default: label_party
    files: list[str] = Field(default=[])  # YAML files of sites, as `edufed client` takes them
    map: MapSettings = MapSettings()
    # Course ids from a catalogue: public, not found in learners' records. For differential privacy.
    courses: list[str] = Field(default=[])
    domains: list[DomainSettings] = Field(default=[])  # transfer: education types and their sites
    target: str | None = None  # transfer: the domain that needs labels; the others have them
    every_direction: bool = False  # transfer: also from each single domain to each other one

    @model_validator(mode="after")
    def _one_list_of_sites(self) -> DataSettings:
        if sum(map(bool, (self.sites, self.regions, self.files))) > 1:
            raise ValueError("give one of sites, regions (their number) and files (sites' YAML)")
        listed = [site.name for domain in self.domains for site in domain.sites]
        if len(set(listed)) < len(listed) or len({d.name for d in self.domains}) < len(
            self.domains
        ):
            raise ValueError("domains: each domain and each site in them needs its own name")
        if self.platforms and (self.regions is None or self.region >= self.regions):
            raise ValueError("region must be one of regions, counted from 0")
        names = [site.name for site in self.sites]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"site {twice[0]!r} is listed twice; each site needs its own name")
        return self
