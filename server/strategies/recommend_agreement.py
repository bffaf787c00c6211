"""What the sites of a recommendation job agree on before they train: catalogues, then counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from edufed.arrays import Arrays, digest
from edufed.fairness.groups import GROUPS
from edufed.fairness.told import told_groups
from edufed.recommend.agreed import Course, describe, to_message
from edufed.recommend.counts import courses, flat_like
from edufed.recommend.usage import Catalogue
from edufed.records import RESOURCE_KINDS
from edufed.share import Share
from server.answers import fault
from server.federation import Federation, JobError
from server.rounds import Round
from server.summation import Summation


class Catalogues(BaseModel):
    """What a site says of its courses beside the common part of its hello."""

    catalogues: dict[str, dict[str, str]]
    trains: list[str]
    tests: list[str]


@dataclass(frozen=True)
class AgreedCounts:
    """The agreed courses and their counts as they travel, under a name of their own.

    The name keeps a site from taking older counts for these.
    """

    said: list[dict[str, Any]]
    arrays: Arrays
    digest: str

    @classmethod
    def of(cls, agreed: list[Course]) -> AgreedCounts:
        """Write them for a message."""
        said, arrays = to_message(agreed)
        hashed = hashlib.sha256(repr(said).encode() + digest(arrays))
        return cls(said, arrays, hashed.hexdigest()[:16])

    def meta(self, whole: bool) -> dict[str, Any]:
        """What goes beside the arrays; all of it where some site does not have the counts yet."""
        return {"digest": self.digest, **({"agreed": self.said} if whole else {})}


def agree(
    federation: Federation, hello: dict[str, dict[str, Any]]
) -> list[tuple[Catalogue, bool, bool]]:
    """Join the sites' catalogues: each course's resources, whether it trains, whether it tests.

    A site whose catalogues are of another form is left out of them.
    """
    trains: set[str] = set()
    tests: set[str] = set()
    catalogues = []
    for site, meta in hello.items():
        problem = fault(Catalogues, meta)
        if problem is not None:
            federation.leave_out(site, problem)
            continue
        said = Catalogues.model_validate(meta)
        trains |= set(said.trains)
        tests |= set(said.tests)
        catalogues.append(said.catalogues)
    return [
        (catalogue, catalogue.course in trains, catalogue.course in tests)
        for catalogue in join(catalogues, federation.job.recommend.max_resources)
    ]


def join(said: Iterable[Mapping[str, Mapping[str, str]]], most: int) -> list[Catalogue]:
    """Join the sites' catalogues.

    Parameters
    ----------
    said : iterable of mapping
        By site in alphabetical order: by course, kinds of resources. Of two kinds of one resource
        the first holds.
    most : int
        Resources that a course may have.

    Raises
    ------
    JobError
        A course has more; or no site has any course.
    """
    kinds: dict[str, dict[str, str]] = {}
    for catalogues in said:
        for course, resources in catalogues.items():
            known = {r: kind for r, kind in resources.items() if kind in RESOURCE_KINDS}
            kinds[course] = known | kinds.get(course, {})
    for course, known in kinds.items():
        if len(known) > most:
            raise JobError(
                f"course {course} has {len(known)} resources and task.max_resources is"
                f" {most}; raise it, and what sites send grows with its square"
            )
    if not kinds:
        raise JobError("no site has a resource of any course; events and resources must name them")
    return [Catalogue.of(course, resources) for course, resources in sorted(kinds.items())]


def count(
    federation: Federation, summation: Summation, catalogues: list[tuple[Catalogue, bool, bool]]
) -> tuple[Round, list[Course], list[str], list[int]]:
    """Collect the counts of all courses; leave out courses and groups of too few learners."""
    said = [describe(*entry) for entry in catalogues]
    nothing: Arrays = {}
    sizes = [len(catalogue) for catalogue, *_ in catalogues]
    combined = federation.patiently(
        lambda: summation.collect(
            "query.counts",
            {"agreed": said},
            lambda _: nothing,
            Share(sums={**flat_like(sizes), "group_counts": np.zeros((len(GROUPS) + 1, 1))}),
        )
    )
    counts = courses(combined.total.sums, sizes)
    least = federation.job.recommend.min_cohort
    agreed = [
        Course(catalogue, trains, tests, count)
        for (catalogue, trains, tests), count in zip(catalogues, counts, strict=True)
        if count.learners >= least
    ]
    kept = {course.catalogue.course for course in agreed}
    small = [entry["course"] for entry in said if entry["course"] not in kept]
    if not agreed:
        raise JobError(f"no course has task.min_cohort={least} learners over all sites")
    told = told_groups(combined.total.sums["group_counts"], least)
    return Round.of(0, combined.cost), agreed, small, told
