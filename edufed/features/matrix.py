"""One site's learners as rows of numbers: what `build` makes and everything later reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FeatureMatrix:
    """Features of one site's enrolments at a cutoff, in their own units, nothing scaled.

    Attributes
    ----------
    values : float32 array, shape (enrolments, features)
        NaN where the site cannot know the feature (missing table or column, or nothing yet
        to measure, such as a score before the first assessment).
    names : tuple of str, length features
        In the order of `edufed.features.catalogue.FEATURES`, the same at every site.
    learner_id, course_id : object arrays, shape (enrolments,)
        Rows are sorted by course and learner. Learner ids never leave the site.
    course_start : datetime64[D] array, shape (enrolments,)
        NaT where unknown.
    target : float32 array, shape (enrolments,)
        1: the outcome to warn of; 0: not; NaN: not known (yet).
    """

    values: FloatArray
    names: tuple[str, ...]
    learner_id: npt.NDArray[np.object_]
    course_id: npt.NDArray[np.object_]
    course_start: npt.NDArray[np.datetime64]
    target: FloatArray

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> list[str]:
        """Names of the features that the site knows of no learner."""
        columns = zip(self.names, self.values.T, strict=True)
        return [name for name, column in columns if np.isnan(column).all()]
