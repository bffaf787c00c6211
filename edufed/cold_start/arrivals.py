"""Learning records -> who comes to a platform, and what they use once they have come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edufed.cold_start.categories import Resources
from edufed.features.background import FEATURES, background_sql
from edufed.features.relations import whole_tables
from edufed.records import DataError, LearningRecords
from edufed.tasks.early_warning import population_sql

#: Changes with what is read, so that no cache outlives it.
ARRIVALS_VERSION = "1"
#: What is known of a learner who has done nothing yet.
ATTRIBUTES = tuple(feature.name for feature in FEATURES)

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Text = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Uses:
    """Pairs of an enrolment and a resource that it used; each pair stands once.

    Attributes
    ----------
    row, resource : int64 arrays, shape (pairs,)
        Places in `Arrivals` and in its resources.
    day : float64 array, shape (pairs,)
        Of the last use by the cutoff, or of the first use after it.
    """

    row: IntArray
    resource: IntArray
    day: FloatArray


@dataclass(frozen=True)
class Arrivals:
    """A platform's enrolments as if all of them came to it on the cutoff day.

    Attributes
    ----------
    learner_id, course_id, link : object arrays, shape (rows,)
        Sorted by course and learner; they never leave the platform, but `link` through PSI.
    course_start : datetime64[D] array, shape (rows,)
        NaT where unknown.
    new : bool array, shape (rows,)
        The learner had used nothing of the platform by then, in no course: nothing is set aside.
    attributes : float64 array, shape (rows, len(ATTRIBUTES))
        NaN where unknown.
    resources : Resources
    before : Uses
        By the cutoff. What a learner's own tell of them is set aside; all learners' tell what is
        popular.
    after : Uses
        Within the horizon after the cutoff: what is to be foretold.
    """

    learner_id: Text
    course_id: Text
    link: Text
    course_start: npt.NDArray[np.datetime64]
    new: npt.NDArray[np.bool_]
    attributes: FloatArray
    resources: Resources
    before: Uses
    after: Uses

    def __len__(self) -> int:
        return len(self.learner_id)


def read_arrivals(records: LearningRecords, cutoff: float, horizon: float) -> Arrivals:
    """Read who is enrolled on day `cutoff` of a course, and what they used before and after it.

    A platform that records no day of enrolment knows those whom it has seen by ``cutoff +
    horizon``.

    Parameters
    ----------
    records : LearningRecords
        With all days: use in an earlier course makes a learner known.
    cutoff, horizon : float
        Days; a use on day `cutoff` is known, one up to day ``cutoff + horizon`` is to be foretold.

    Raises
    ------
    DataError
        The platform has no events that name resources, or no enrolments.
    """
    if "resource_id" not in records.columns("events") or not records.columns("resources"):
        raise DataError(
            "events.resource_id and resources are needed: what newcomers will use can only be told"
            " of a platform whose events name resources; choose another data.newcomers_at"
        )
    if "course_start" not in records.columns("enrolments"):
        raise DataError("enrolments.course_start is missing: newcomers come to a course of a date")
    connection = records.connection
    end = float(cutoff + horizon)
    seen = "true"
    if "start" not in records.columns("enrolments"):
        seen = f"""(learner_id, course_id) IN (
            SELECT (learner_id, course_id) FROM all_events WHERE "time" <= {end!r})"""
    with whole_tables(records):
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE at_cutoff_part AS
            SELECT (row_number() OVER (ORDER BY course_id, learner_id) - 1)::BIGINT AS row, *
            FROM ({population_sql(cutoff, True)}) WHERE {seen}
        """)
        connection.execute("""
            CREATE OR REPLACE TEMP TABLE at_cutoff_resources AS
            SELECT (row_number() OVER (ORDER BY resource_id) - 1)::BIGINT AS resource, *
            FROM all_resources WHERE kind <> 'assessment'
        """)
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE at_cutoff_uses AS
            SELECT row, resource, "time" <= {float(cutoff)!r} AS known,
                min("time") AS first, max("time") AS last
            FROM all_events AS e JOIN at_cutoff_part USING (learner_id, course_id)
            JOIN at_cutoff_resources AS r USING (resource_id)
            WHERE "time" <= {end!r} AND (r.course_id IS NULL OR r.course_id = e.course_id)
            GROUP BY ALL
        """)
        # A day of another course counts by the calendar; of a course without a date, as it is.
        known = connection.sql(f"""
            SELECT DISTINCT row FROM at_cutoff_part AS p JOIN all_events AS e USING (learner_id)
            LEFT JOIN (SELECT course_id, any_value(course_start) AS began FROM all_enrolments
                GROUP BY ALL) AS c ON c.course_id = e.course_id
            WHERE e."time" + coalesce(date_diff('day', p.course_start, c.began), 0)
                <= {float(cutoff)!r}
        """).to_arrow_table()
        people = connection.sql(f"""
            SELECT p.learner_id, p.course_id, link_id, p.course_start::DATE AS course_start,
                {", ".join(f"b.{name}::DOUBLE AS {name}" for name in ATTRIBUTES)}
            FROM at_cutoff_part AS p JOIN ({background_sql()}) AS b USING (row)
            LEFT JOIN all_learners AS l ON l.learner_id = p.learner_id ORDER BY row
        """).to_arrow_table()
        listed = connection.sql("""
            SELECT resource_id, kind, subject, course_id FROM at_cutoff_resources ORDER BY resource
        """).fetchall()
        before, after = (
            _uses(
                connection.sql(f"""
                SELECT row, resource, {day}::DOUBLE AS day FROM at_cutoff_uses WHERE {which}
                ORDER BY row, resource
            """).to_arrow_table()
            )
            for which, day in (("known", "last"), ("NOT known", "first"))
        )
    rows = len(people)
    new = np.ones(rows, dtype=bool)
    new[known.column("row").to_numpy()] = False
    attributes = [people.column(name).to_numpy(zero_copy_only=False) for name in ATTRIBUTES]
    return Arrivals(
        learner_id=people.column("learner_id").to_numpy().astype(object),
        course_id=people.column("course_id").to_numpy().astype(object),
        link=np.array([link or "" for link in people.column("link_id").to_pylist()], dtype=object),
        course_start=people.column("course_start").to_numpy().astype("datetime64[D]"),
        new=new,
        attributes=np.stack(attributes, axis=1).astype(np.float64).reshape(rows, -1),
        resources=Resources.of(listed),
        before=before,
        after=after,
    )


def _uses(found: pa.Table) -> Uses:
    return Uses(
        row=found.column("row").to_numpy().astype(np.int64),
        resource=found.column("resource").to_numpy().astype(np.int64),
        day=found.column("day").to_numpy().astype(np.float64),
    )
