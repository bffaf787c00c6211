"""A site's own columns that no canonical table has, for models that stay at the site."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.features.matrix import FeatureMatrix
from edufed.records import PRIVATE, LearningRecords

_KEYS = ("learner_id", "course_id")


def own_columns(
    records: LearningRecords, matrix: FeatureMatrix
) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """Read the columns of the adapter's `private` view, row by row as in the feature matrix.

    Returns
    -------
    names : tuple of str
    values : float64 array, shape (rows, names)
        NaN where unknown. Where a learner has several rows, the largest value counts.
    """
    rows = records.connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_name = $1 ORDER BY column_name",
        [PRIVATE],
    ).fetchall()
    names = tuple(name for (name,) in rows if name not in _KEYS)
    values = np.full((len(matrix), len(names)), np.nan)
    if not names:
        return names, values
    columns = ", ".join(f'max("{name}")' for name in names)
    found = {
        (learner, course): known
        for learner, course, *known in records.connection.execute(
            f'SELECT learner_id, course_id, {columns} FROM "{PRIVATE}" GROUP BY ALL'
        ).fetchall()
    }
    for row, key in enumerate(zip(matrix.learner_id, matrix.course_id, strict=True)):
        if key in found:
            values[row] = [np.nan if value is None else value for value in found[key]]
    return names, values
