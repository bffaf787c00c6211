"""What a platform knows of its learners' taste: how often they used each category."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edufed.cold_start.categories import category
from edufed.features.relations import whole_tables
from edufed.records import LearningRecords

FloatArray = npt.NDArray[np.float64]
#: Changes with what is read, so that no cache outlives it.
PROFILE_VERSION = "1"


def read_profile(
    records: LearningRecords,
    learner_id: Sequence[str],
    course_id: Sequence[str],
    cutoff: float,
) -> tuple[tuple[str, ...], FloatArray]:
    """Count what each enrolment used of each category of the platform's own resources.

    Parameters
    ----------
    records : LearningRecords
    learner_id, course_id : sequences of str, length rows
    cutoff : float
        Events of later days of the course are left out. Events of the learner's other courses count
        by the calendar, where both courses have a first day; else not at all.

    Returns
    -------
    categories : tuple of str
        Sorted; those in use.
    profile : float64 array, shape (rows, categories)
        log(1 + uses).
    """
    if "resource_id" not in records.columns("events") or not records.columns("resources"):
        return (), np.zeros((len(learner_id), 0))
    connection = records.connection
    with whole_tables(records):
        found = connection.execute(f"""
            WITH begun AS (
                SELECT course_id, any_value(course_start) AS began FROM all_enrolments GROUP BY ALL
            ), dated AS (
                SELECT learner_id, course_id, kind, subject, owner, began, "time", sum(uses) AS uses
                FROM (
                    SELECT learner_id, e.course_id, kind, subject, r.course_id AS owner,
                        floor("time") AS "time", count(*) AS uses
                    FROM all_events AS e JOIN all_resources AS r USING (resource_id)
                    WHERE kind <> 'assessment' AND "time" <= {float(cutoff)!r}
                    GROUP BY ALL
                ) LEFT JOIN begun USING (course_id) GROUP BY ALL
            )
            SELECT learner_id, r.course_id, kind, subject, owner, sum(uses)
            FROM (SELECT DISTINCT learner_id, course_id FROM dated) AS r
            LEFT JOIN begun USING (course_id)
            JOIN dated AS d USING (learner_id)
            WHERE d.course_id = r.course_id
                OR d."time" + date_diff('day', begun.began, d.began) <= {float(cutoff)!r}
            GROUP BY ALL
        """).fetchall()
    words = [category(kind, subject, owner) for _, _, kind, subject, owner, _ in found]
    names = tuple(sorted(set(words)))
    place = {name: at for at, name in enumerate(names)}
    row = {key: at for at, key in enumerate(zip(learner_id, course_id, strict=True))}
    counts = np.zeros((len(row), len(names)))
    for word, (learner, course, *_, uses) in zip(words, found, strict=True):
        at = row.get((learner, course))
        if at is not None:
            counts[at, place[word]] += uses
    return names, np.log1p(counts)
