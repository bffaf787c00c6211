"""From what a platform knows of its learners to columns that mean the same in every course."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
#: Farthest that a standardised value may lie from 0: what products in fixed point can hold.
CLIP = 8.0
_VARIES = 1e-9


def within_course(values: FloatArray, course_id: npt.NDArray[np.object_]) -> FloatArray:
    """Take each course's mean off, so that what is learnt in one course holds in another.

    How much a course asks for differs from course to course, and a model would learn the courses
    that it was trained on by it. Means are over all of the platform's learners of the course.

    Parameters
    ----------
    values : float64 array, shape (rows, columns)
        NaN where unknown.
    course_id : object array, shape (rows,)

    Returns
    -------
    float64 array, shape (rows, columns)
        Unknown values are 0, the mean.
    """
    _, course = np.unique(course_id.astype(str), return_inverse=True)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    sums = np.zeros((int(course.max(initial=-1)) + 1, values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, course, filled)
    np.add.at(counts, course, known)
    means = sums / np.maximum(counts, 1)
    return np.where(known, filled - means[course], 0.0)


def varying(values: FloatArray) -> npt.NDArray[np.bool_]:
    """Which columns differ from row to row; shape (columns,)."""
    if not len(values):
        return np.zeros(values.shape[1], dtype=bool)
    return np.asarray(values.std(axis=0) > _VARIES)


def standardised(values: FloatArray, rows: npt.NDArray[np.intp]) -> FloatArray:
    """Scale columns by the mean and deviation of some rows, and hold them within ±`CLIP`.

    Parameters
    ----------
    values : float64 array, shape (rows, columns)
    rows : int array
        Those to train on. Without any, all.
    """
    among = values[rows] if len(rows) else values
    deviation = among.std(axis=0)
    deviation[deviation <= _VARIES] = 1.0
    scaled: FloatArray = (values - among.mean(axis=0)) / deviation
    return scaled.clip(-CLIP, CLIP)
