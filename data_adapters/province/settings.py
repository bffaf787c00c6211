"""What may be set about the province, what is fixed, and how random streams are keyed."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

Education = Literal["community", "vocational", "higher", "basic"]
Platform = Literal["mooc", "digital_library", "live_class"]

EDUCATION: tuple[Education, ...] = get_args(Education)
PLATFORMS: tuple[Platform, ...] = get_args(Platform)
SUBJECTS = (
    "mathematics",
    "language",
    "science",
    "history",
    "computing",
    "health",
    "business",
    "arts",
    "engineering",
    "agriculture",
    "care",
    "law",
)
#: First days of the terms. Those before `TEST_FROM` are for training, those after it for testing.
TERMS = (date(2024, 2, 1), date(2024, 9, 1), date(2025, 2, 1), date(2025, 9, 1))
TEST_FROM = date(2025, 1, 1)
WEEKS = 20
#: Events and learners drawn at once, at most. They alone set the memory needed.
CHUNK_EVENTS, CHUNK_LEARNERS = 500_000, 4096
#: Part of a region's key: raise it when the same settings no longer give the same files.
VERSION = 2

Stream = Literal["learners", "results", "dirt", "mooc", "digital_library", "live_class", "places"]
_STREAMS: tuple[Stream, ...] = get_args(Stream)


class ProvinceSettings(BaseModel):
    """Size, strangeness and seed of a province.

    Parameters
    ----------
    seed : int
        All else being equal, another seed is another province.
    learners : int
        In the whole province, shared out evenly over the regions.
    regions : int
        How many regions there are.
    events_per_learner : float
        Mean event rows a learner leaves over all platforms and a whole course, about.
    courses_per_education : int
        Courses that each education type offers in each term.
    relatedness : float
        Correlation of the risk of one learner under the coefficients of higher education with
        the risk under those of another education type: 1 shares coefficients, 0 makes them
        unrelated, -1 turns every sign.
    preference_correlation : float
        Correlation of a learner's subject preferences on one platform with those they have in
        common on all: 1 is the same on all platforms, 0 has nothing to do with one another.
    region_drift, term_drift : float
        Deviation of base risk (log-odds) between regions and between terms; what learners are
        like and how much they do drifts by half as much. 0 turns drift off.
    dirt : float
        Bad rows added to each table, as a share of its good rows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Annotated[int, Field(ge=0)] = 1
    learners: Annotated[int, Field(ge=1, le=100_000_000)] = 5_000
    regions: PositiveInt = 5
    events_per_learner: PositiveFloat = 120.0
    courses_per_education: Annotated[int, Field(ge=1, le=len(SUBJECTS))] = 3
    relatedness: Annotated[float, Field(ge=-1, le=1)] = 1.0
    preference_correlation: Annotated[float, Field(ge=0, le=1)] = 0.8
    region_drift: Annotated[float, Field(ge=0)] = 0.3
    term_drift: Annotated[float, Field(ge=0)] = 0.2
    dirt: Annotated[float, Field(ge=0, le=0.2)] = 0.002

    @model_validator(mode="after")
    def _a_learner_for_every_region(self) -> ProvinceSettings:
        if self.learners < self.regions:
            raise ValueError("learners: fewer than regions; every region needs a learner")
        return self

    @property
    def chunk(self) -> int:
        """Learners drawn at once."""
        fitting = int(CHUNK_EVENTS / self.events_per_learner)
        return max(min(fitting, CHUNK_LEARNERS), 1)

    def region_learners(self, region: int) -> int:
        """Learners of `region` on all its platforms together."""
        return self.learners // self.regions + (region < self.learners % self.regions)

    def region_key(self, region: int) -> str:
        """Name what a region's files depend on: not on how many other regions there are."""
        parts = self.model_dump(mode="json", exclude={"learners", "regions"})
        parts |= {"region": region, "learners": self.region_learners(region), "version": VERSION}
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return f"region-{region:02d}-{digest[:12]}"


def province_rng(seed: int) -> np.random.Generator:
    """Generate what all regions share."""
    return _generator(seed, (0,))


def platform_rng(seed: int, platform: Platform) -> np.random.Generator:
    """Generate what all regions share of one platform."""
    return _generator(seed, (3, PLATFORMS.index(platform)))


def region_rng(seed: int, region: int) -> np.random.Generator:
    """Generate what all chunks of a region share."""
    return _generator(seed, (1, region))


def chunk_rng(seed: int, region: int, chunk: int, stream: Stream) -> np.random.Generator:
    """Generate one stream of one chunk of learners, independent of every other stream."""
    return _generator(seed, (2, region, chunk, _STREAMS.index(stream)))


def _generator(seed: int, key: tuple[int, ...]) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))
