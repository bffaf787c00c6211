"""How much of a learner's activity falls into the night, where events have a time of day."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.features.matrix import FeatureMatrix
from edufed.records import LearningRecords

#: The night, in hours of the day: it begins at the first and ends at the second.
NIGHT = (22, 5)


def night_share(
    records: LearningRecords, matrix: FeatureMatrix, cutoff: float, utc_offset_hours: float
) -> npt.NDArray[np.float64]:
    """Return the share of each learner's log entries by the cutoff that are of the night.

    Parameters
    ----------
    records : LearningRecords
        What `matrix` was built from.
    matrix : FeatureMatrix
    cutoff : float
        Days after the course's first day.
    utc_offset_hours : float
        Local time less UTC: a day offset counts from midnight, UTC.

    Returns
    -------
    float64 array, shape (rows,)
        NaN for who has no entry, and throughout where all times are whole days: a platform that
        records days has no hours to tell of.
    """
    share = np.full(len(matrix), np.nan)
    if not has_hours(records, cutoff):
        return share
    begins, ends = NIGHT
    rows = records.connection.execute(
        f"""
        SELECT learner_id, course_id, avg((hour >= {begins} OR hour < {ends})::INTEGER)
        FROM (
            SELECT learner_id, course_id, round(24 * (day - floor(day)), 6) AS hour
            FROM (
                SELECT learner_id, course_id, "time" + $2 AS day FROM events WHERE "time" <= $1
            )
        ) GROUP BY ALL
        """,
        [float(cutoff), utc_offset_hours / 24],
    ).fetchall()
    found = {(learner, course): value for learner, course, value in rows}
    keys = zip(matrix.learner_id, matrix.course_id, strict=True)
    return np.array([found.get(key, np.nan) for key in keys], dtype=np.float64)


def has_hours(records: LearningRecords, cutoff: float) -> bool:
    """Whether some event by the cutoff has a time of day: a platform may record whole days."""
    if "events" not in records.present():
        return False
    timed = 'SELECT 1 FROM events WHERE "time" <= $1 AND "time" <> floor("time") LIMIT 1'
    return bool(records.connection.execute(timed, [float(cutoff)]).fetchall())
