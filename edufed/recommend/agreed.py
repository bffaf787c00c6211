"""What the sites agreed on before they train: courses, their catalogues, their counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edufed.narrow import narrowed
from edufed.recommend.counts import Arrays, Counts, courses, flat
from edufed.recommend.usage import Catalogue


@dataclass(frozen=True)
class Course:
    """One course: its catalogue, what it is for, and the counts of all sites' learners.

    Attributes
    ----------
    catalogue : Catalogue
    trains, tests : bool
        Whether learners of it are learned from, or tested on.
    counts : Counts
    """

    catalogue: Catalogue
    trains: bool
    tests: bool
    counts: Counts


def describe(catalogue: Catalogue, trains: bool, tests: bool) -> dict[str, Any]:
    """Say of a course, as JSON can, what does not fit into arrays."""
    return {
        "course": catalogue.course,
        "resources": list(catalogue.resources),
        "kinds": catalogue.kinds.tolist(),
        "trains": trains,
        "tests": tests,
    }


def catalogue_of(said: Mapping[str, Any]) -> Catalogue:
    """Read a catalogue from what `describe` said."""
    kinds = np.array(said["kinds"], dtype=np.int64)
    return Catalogue(str(said["course"]), tuple(said["resources"]), kinds)


def to_message(agreed: Sequence[Course]) -> tuple[list[dict[str, Any]], Arrays]:
    """Write agreed courses as JSON and arrays; `from_message` reads them again."""
    said = [describe(course.catalogue, course.trains, course.tests) for course in agreed]
    arrays = flat([course.counts for course in agreed])
    return said, {name: narrowed(array) for name, array in arrays.items()}


def from_message(said: Sequence[Mapping[str, Any]], arrays: Arrays) -> list[Course]:
    """Read what `to_message` wrote."""
    catalogues = [catalogue_of(course) for course in said]
    counts = courses(arrays, [len(catalogue) for catalogue in catalogues])
    return [
        Course(catalogue, bool(course["trains"]), bool(course["tests"]), count)
        for catalogue, course, count in zip(catalogues, said, counts, strict=True)
    ]
