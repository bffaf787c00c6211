"""What a platform brings to a vertical job: columns of its own, scaled by its own learners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.site import Learners
from clients.split import Split, split
from edufed.config.job import Job
from edufed.features import (
    FeatureMatrix,
    Scaling,
    cohort_counts,
    cohort_ranks,
    design,
    design_names,
    moments,
    transformed,
)
from edufed.privacy.products import Scale
from edufed.privacy.psi import normalise
from edufed.records import DataError

Array = npt.NDArray[np.float64]
#: Farthest that a standardised value may lie from 0: what products in fixed point can hold.
CLIP = 8.0
#: Parts of the shared rows.
TRAIN, VALID, TEST = 0, 1, 2
_VARIES = 1e-9


@dataclass(frozen=True)
class Columns:
    """How a platform turns its features into columns.

    Attributes
    ----------
    names : tuple of str
        Of `design_names()`: those that vary at this platform.
    moments : float64 array, shape (3, features)
        Behind means and deviations.
    """

    names: tuple[str, ...]
    moments: Array

    @classmethod
    def of(cls, matrix: FeatureMatrix, rows: npt.NDArray[np.intp], job: Job) -> Columns:
        """Scale by some rows; choose columns by all, so that their number is known beforehand."""
        everything = _design(matrix, moments(transformed(matrix.values)), job)
        varies = everything.std(axis=0) > _VARIES
        names = tuple(np.array(design_names())[varies].tolist())
        return cls(names, moments(transformed(matrix.values[rows])))

    def values(self, matrix: FeatureMatrix, job: Job) -> Array:
        """Return the columns of all rows of a matrix, shape (rows, columns).

        Ranks are among the platform's own learners of a course.
        """
        where = [design_names().index(name) for name in self.names]
        return _design(matrix, self.moments, job)[:, where].clip(-CLIP, CLIP)


def _design(matrix: FeatureMatrix, sums: Array, job: Job) -> Array:
    task = job.early_warning
    cohorts = sorted(set(matrix.course_id.tolist())) if task.relative else []
    counts = cohort_counts(matrix, cohorts)
    ranks = cohort_ranks(matrix, cohorts, counts, min_cohort=task.min_cohort)
    return design(matrix, ranks, Scaling.from_moments(sums)).astype(np.float64)


def identifiers(learners: Learners) -> list[str]:
    """Name each row by learner and course, as every platform of the region does.

    Empty where the platform has no `link_id` of the learner.

    Raises
    ------
    DataError
        It has none of anybody.
    """
    return identify(learners.links.tolist(), learners.matrix.course_id.tolist())


def identify(link_ids: Sequence[str], course_ids: Sequence[str]) -> list[str]:
    """Name each row by its learner's `link_id` and its course; see `identifiers`."""
    links = [normalise(link) for link in link_ids]
    if not any(links):
        raise DataError("learners.link_id: no learner has one, and platforms are aligned by it")
    courses = [normalise(course) for course in course_ids]
    # The length keeps two different pairs from being spelt alike.
    return [
        f"{len(link)}:{link}:{course}" if link else ""
        for link, course in zip(links, courses, strict=True)
    ]


def scale_for(rows: int) -> Scale:
    """Choose the fixed point of products over `rows` rows: columns of mean size 4 fit."""
    return Scale(feature_bits=int(min(10, np.floor(29 - np.log2(4 * max(rows, 1))))))


@dataclass(frozen=True)
class Rows:
    """The label party's rows of a job: those with a known result.

    Attributes
    ----------
    at : int array, shape (rows,)
        Where they stand in its matrix.
    part : uint8 array, shape (rows,)
        `TRAIN`, `VALID` or `TEST`.
    """

    at: npt.NDArray[np.intp]
    part: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, matrix: FeatureMatrix, job: Job) -> Rows:
        """Divide a matrix's rows as the job says."""
        parts: Split = split(matrix, job)
        part = np.full(len(matrix), 255, np.uint8)
        for number, mask in ((TRAIN, parts.train), (VALID, parts.valid), (TEST, parts.test)):
            part[mask] = number
        at = np.flatnonzero(part != 255)
        return cls(at, part[at])
