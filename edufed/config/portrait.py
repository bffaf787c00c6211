"""Learner portraits: which tags there are, which clusterings are tried, when one is accepted."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from edufed.config.errors import Settings

#: A feature that no other task has: the share of a learner's activity that falls into the night.
NIGHT_SHARE = "night_share"
Kind = Literal["kmeans", "gaussian"]


def _known(feature: str) -> str:
    # Imported here: settings are read by commands that need no features.
    from edufed.features.catalogue import NAMES

    if feature not in (*NAMES, NIGHT_SHARE):
        raise ValueError(f"no feature is called {feature!r}; docs/portraits.md lists them")
    return feature


FeatureName = Annotated[str, AfterValidator(_known)]
Agreement = Annotated[float, Field(ge=0, le=1)]


class Condition(Settings):
    """One bound, or two, on one feature of a learner; a feature that is not known is outside."""

    feature: FeatureName
    of: Literal["value", "rank"] = "value"  # rank: within the learner's course, 0..1
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"a condition on {self.feature} needs at_least or at_most")
        if self.feature == NIGHT_SHARE and self.of == "rank":
            raise ValueError(f"{NIGHT_SHARE} has no rank; leave `of` out")
        return self


class TagRule(Settings):
    """A tag: all of some conditions hold, and any of some others."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    en: str  # what people read
    zh: str
    all: list[Condition] = Field(default=[])
    any: list[Condition] = Field(default=[])

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.all or self.any):
            raise ValueError(f"tag {self.name} needs conditions, under `all` or `any`")
        return self

    @property
    def conditions(self) -> list[Condition]:
        """All that the tag depends on."""
        return [*self.all, *self.any]


class ClusterSettings(Settings):
    """Clusterings that are tried, side by side."""

    features: Annotated[list[FeatureName], Field(min_length=2)]  # their ranks within the course
    kinds: Annotated[list[Kind], Field(min_length=1)]
    sizes: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]  # numbers of clusters
    starts: PositiveInt  # of each fit; the best after trial_rounds goes on
    trial_rounds: PositiveInt
    rounds: PositiveInt  # at most; fits that have not ended by then are used as they are
    tolerance: PositiveFloat  # a fit ends when its loss for each learner falls by less
    bootstraps: Annotated[int, Field(ge=2)]  # resamples of all learners, for stability
    partitions: PositiveInt  # of the sites into halves, for replication

    @model_validator(mode="after")
    def _ranked(self) -> Self:
        if NIGHT_SHARE in self.features:
            raise ValueError(f"clusters are of ranks, and {NIGHT_SHARE} has none; leave it out")
        for name in ("features", "kinds", "sizes"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names something twice")
        return self


class AcceptSettings(Settings):
    """What a clustering must reach to be used."""

    stability: Agreement  # mean adjusted Rand index of bootstrap fits with the fit of all learners
    replication: Agreement  # mean adjusted Rand index of fits of different sites
    # Lower end of the interval of eta squared on test learners, which may fall below 0.
    separation: Annotated[float, Field(ge=-1, le=1)]


class PortraitSettings(Settings):
    """Portray learners: tags by rules, and clusters that hold outside the data they are from."""

    name: Literal["portrait"]
    cutoff_day: float
    min_cohort: Annotated[int, Field(ge=2)]  # fewer learners: no ranks, and no figure in the report
    utc_offset_hours: Annotated[float, Field(ge=-14, le=14)]  # local time less UTC, for the night
    replicates: PositiveInt  # of the bootstrap behind the interval of separation
    tags: list[TagRule]
    clusters: ClusterSettings
    accept: AcceptSettings

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        names = [tag.name for tag in self.tags]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"tag {twice[0]!r} is there twice; each tag needs its own name")
        return self

    @property
    def ranked(self) -> list[str]:
        """Features whose ranks are needed, in alphabetical order."""
        by_rank = {c.feature for tag in self.tags for c in tag.conditions if c.of == "rank"}
        return sorted(by_rank | set(self.clusters.features))

    @property
    def needs_hours(self) -> bool:
        """Whether some tag asks for the time of day."""
        return any(c.feature == NIGHT_SHARE for tag in self.tags for c in tag.conditions)
