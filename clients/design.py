"""From features and the federation's sums to what a model reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.split import Split, split
from edufed.arrays import Arrays
from edufed.config.job import Job
from edufed.config.privacy import PrivateLearners
from edufed.features import (
    FeatureMatrix,
    Scaling,
    cohort_counts,
    cohort_ranks,
    design,
    moments,
    transformed,
)
from edufed.privacy.dp.statistics import private_design

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Design:
    """A site's rows as a model reads them, and which of them train, validate and test."""

    x: FloatArray
    y: FloatArray
    split: Split

    def part(self, mask: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Return the rows of one part: x of shape (rows, columns), y of shape (rows,)."""
        return self.x[mask], self.y[mask]


def statistics(matrix: FeatureMatrix, job: Job, cohorts: list[str]) -> Arrays:
    """Return the sums from which cohort ranks and scaling come; they add up over sites.

    Returns
    -------
    dict
        ``counts``: int64, shape (cohorts, features, bins), all enrolled learners.
        ``moments``: float64, shape (3, features), the training rows alone.
    """
    rows = split(matrix, job).train
    counts = cohort_counts(matrix, cohorts if job.early_warning.relative else [])
    return {"counts": counts, "moments": moments(transformed(matrix.values[rows]))}


def build_design(matrix: FeatureMatrix, job: Job, cohorts: list[str], sums: Arrays) -> Design:
    """Standardise features and add their cohort ranks, by the federation's sums.

    Under differential privacy: features in fixed units, and their distance from noisy course means.

    Parameters
    ----------
    matrix : FeatureMatrix
    job : Job
    cohorts : list of str
        The courses that the sums were taken over, in their order.
    sums : dict of arrays
        `statistics`, added up; under differential privacy ``means``, shape (cohorts, features).
    """
    if isinstance(job.privacy, PrivateLearners):
        x = private_design(matrix, cohorts, sums["means"])
        return Design(x=x, y=matrix.target, split=split(matrix, job))
    ranks = cohort_ranks(
        matrix,
        cohorts if job.early_warning.relative else [],
        sums["counts"],
        min_cohort=job.early_warning.min_cohort,
    )
    x = design(matrix, ranks, Scaling.from_moments(sums["moments"]))
    return Design(x=x, y=matrix.target, split=split(matrix, job))
