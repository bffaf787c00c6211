"""Learning records -> one row for each learner in a course: unit, term, groups and measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.features.relations import whole_tables
from edufed.quality.frame import GROUPS, LEVELS, UNKNOWN
from edufed.quality.measures import NAMES
from edufed.records import DataError, LearningRecords

#: Shares of learners whose area or household is taken for the poorest and the richest.
POOREST, RICHEST = 0.2, 0.8
#: ISCED 2011 level of a course -> stage of compulsory education.
STAGES = {1: "primary", 2: "junior_secondary"}


@dataclass(frozen=True)
class Rows:
    """One site's learners in courses, each array of shape (rows,).

    Attributes
    ----------
    places : dict of str to str array
        Level -> name of the learner's unit there, `UNKNOWN` where it is not stated.
    learner : int array
        Whose row it is: the learners of a site by number.
    course : str array
    term : str array
        Year and month of the course's first day, `UNKNOWN` where that is not known.
    groups : dict of str to int array
        Group (`stage` aside) -> place in `GROUPS`.
    measures : dict of str to float array
        NaN where a learner has none.
    stages : dict of str to int
        Course -> the highest ISCED 2011 level towards which a result in it counts here.
    """

    places: dict[str, npt.NDArray[np.str_]]
    learner: npt.NDArray[np.int64]
    course: npt.NDArray[np.str_]
    term: npt.NDArray[np.str_]
    groups: dict[str, npt.NDArray[np.int64]]
    measures: dict[str, npt.NDArray[np.float64]]
    stages: dict[str, int]

    def __len__(self) -> int:
        return len(self.course)

    def stage(self, stages: Mapping[str, int]) -> npt.NDArray[np.int64]:
        """Place in `GROUPS["stage"]` of each row, by the level of each course."""
        names = GROUPS["stage"]
        known = {course: STAGES.get(level, "other") for course, level in stages.items()}
        return np.array([names.index(known.get(name, UNKNOWN)) for name in self.course], np.int64)


def read_rows(records: LearningRecords, site: str, older_from: int) -> Rows:
    """Read a site's checked records.

    Parameters
    ----------
    records : LearningRecords
        Any subset of the tables; what they cannot tell is missing.
    site : str
        Its name stands for the region of learners whose region the data do not state.
    older_from : int
        Age bands that begin at this age or above are the older ones.

    Raises
    ------
    DataError
        Nothing says who takes part in which course.
    """
    columns = {table: set(records.columns(table)) for table in records.present()}
    if not columns.keys() & {"enrolments", "events", "outcomes"}:
        raise DataError("the quality map needs enrolments, events or outcomes; map one of them")
    with whole_tables(records):
        found = records.connection.execute(_sql(columns, older_from)).df()
        levels = records.connection.execute(
            "SELECT course_id, max(level)::INTEGER AS level FROM all_outcomes"
            " WHERE level IS NOT NULL GROUP BY ALL"
        ).fetchall()
    found["region"] = found["region"].replace(UNKNOWN, None).fillna(site)
    text = {name: found[name].fillna(UNKNOWN).to_numpy(dtype=str) for name in (*LEVELS, "term")}
    return Rows(
        places={level: text[level] for level in LEVELS},
        learner=found["learner"].to_numpy(dtype=np.int64),
        course=found["course_id"].to_numpy(dtype=str),
        term=text["term"],
        groups={
            name: _places(found[name].fillna(UNKNOWN).to_numpy(dtype=str), GROUPS[name])
            for name in GROUPS
            if name != "stage"
        },
        measures={name: found[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in NAMES},
        stages={str(course): int(level) for course, level in levels},
    )


def _places(answers: npt.NDArray[np.str_], names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Place of each answer among `names`; one that is none of them is in the last."""
    place = {name: number for number, name in enumerate(names)}
    return np.array([place.get(answer, len(names) - 1) for answer in answers], np.int64)


def _sql(columns: Mapping[str, set[str]], older_from: int) -> str:
    """SQL of the rows. A measure for which the site lacks the columns is NULL for everybody."""
    enrolled = (
        "SELECT learner_id, course_id, course_start, status FROM all_enrolments"
        if "enrolments" in columns
        else """
            SELECT DISTINCT learner_id, course_id, NULL::TIMESTAMP AS course_start,
                NULL::VARCHAR AS status
            FROM (SELECT learner_id, course_id FROM all_events
                UNION SELECT learner_id, course_id FROM all_outcomes)"""
    )
    events = "events" in columns
    took_part = "coalesce(used.use > 0, false) OR coalesce(scored.handed_in, false)"
    return f"""
        WITH used AS (
            SELECT learner_id, course_id, sum(coalesce("count", 1)) AS use
            FROM all_events GROUP BY ALL
        ), ordered AS (
            SELECT learner_id, course_id, score,
                row_number() OVER learner AS place, count(*) OVER (
                    PARTITION BY learner_id, course_id) AS results
            FROM all_outcomes
            WHERE kind = 'assessment' AND score IS NOT NULL AND "time" IS NOT NULL
            WINDOW learner AS (
                PARTITION BY learner_id, course_id ORDER BY "time", resource_id, score)
        ), grown AS (
            SELECT learner_id, course_id,
                avg(score) FILTER (place > results - results // 2)
                    - avg(score) FILTER (place <= results // 2) AS growth
            FROM ordered WHERE results >= 2 GROUP BY ALL
        ), scored AS (
            SELECT learner_id, course_id, bool_or(kind = 'assessment') AS handed_in,
                max(passed::INTEGER) FILTER (kind = 'final') AS passed,
                coalesce(avg(score) FILTER (kind = 'final'),
                    avg(score) FILTER (kind = 'assessment')) AS score
            FROM all_outcomes GROUP BY ALL
        )
        SELECT enrolled.course_id, dense_rank() OVER (ORDER BY learner_id) AS learner,
            strftime(course_start, '%Y-%m') AS term,
            region, district, school, "class",
            gender,
            CASE WHEN regexp_extract(age_band, '^\\d+')::INTEGER >= {older_from} THEN 'older'
                WHEN age_band IS NOT NULL THEN 'younger' END AS age,
            CASE WHEN support_need THEN 'need' WHEN NOT support_need THEN 'no_need' END AS need,
            CASE WHEN means < {POOREST} THEN 'poorest' WHEN means >= {RICHEST} THEN 'richest'
                WHEN means IS NOT NULL THEN 'middle' END AS means,
            {f"({took_part})::INTEGER" if events else "NULL"} AS participation,
            CASE status WHEN 'completed' THEN 1 WHEN 'withdrawn' THEN 0 END AS completion,
            scored.passed AS pass_rate, scored.score, grown.growth,
            {"coalesce(used.use, 0)" if events else "NULL"} AS use
        FROM ({enrolled}) AS enrolled
        LEFT JOIN all_learners USING (learner_id)
        LEFT JOIN used USING (learner_id, course_id)
        LEFT JOIN scored USING (learner_id, course_id)
        LEFT JOIN grown USING (learner_id, course_id)
        ORDER BY enrolled.course_id, learner_id
    """
