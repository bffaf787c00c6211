"""The five canonical tables of learning records, and what each column may hold.

A platform's own tables become these five, and everything after the adapter speaks only of
them. The pandera schemas below are the one definition: `data_adapters.governance` runs them
as SQL over large tables, pandera itself checks frames, and a test holds the two to the same
verdicts.

Units: every score and progress is 0..1, every duration is in seconds, and every `time`,
`start`, `end` and `due` is in days after the course's first day (fractions are hours; before
the first day is negative). `course_start` is that first day as a UTC date, so a day offset is
also a point in time. A column that a platform lacks is absent, never invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import duckdb
import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema

GENDERS = ("female", "male", "other")
STATUSES = ("active", "completed", "withdrawn")
OUTCOME_KINDS = ("assessment", "final")
#: Kinds of resource that features tell apart; an adapter maps its own kinds to these.
RESOURCE_KINDS = (
    "home",
    "content",
    "page",
    "link",
    "video",
    "live",
    "forum",
    "wiki",
    "quiz",
    "exercise",
    "glossary",
    "assessment",
    "other",
)
#: A day offset outside this range is taken for a mistake (about ten years either way).
DAYS = Check.in_range(-3650.0, 3650.0)
UNIT = Check.in_range(0.0, 1.0)
NOT_NEGATIVE = Check.ge(0.0)


class DataError(Exception):
    """Data that cannot be used; the message is one line: what, where, how many, what to do.

    It may travel to the coordinator, so it never holds a learner's identifier or value.
    """


def _key() -> Column:
    return Column(str, Check.str_length(min_value=1), nullable=False, coerce=True)


def _optional(kind: type | str, check: Check | None = None) -> Column:
    return Column(kind, check, nullable=True, required=False, coerce=True)


LEARNERS = DataFrameSchema(
    {
        "learner_id": _key(),
        "link_id": _optional(str),
        "gender": _optional(str, Check.isin(GENDERS)),
        # "18-24", or "55-" for the open top band; the first number is the lower bound in years.
        "age_band": _optional(str, Check.str_matches(r"^\d{1,3}-\d{0,3}$")),
        "education_level": _optional("Int64", Check.in_range(0, 8)),  # ISCED 2011
        "region": _optional(str),
        "district": _optional(str),
        "school": _optional(str),
        "class": _optional(str),
        "support_need": _optional("boolean"),
        # Rank of the learner's area or household from most (0) to least (1) deprived.
        "means": _optional(float, UNIT),
    },
    name="learners",
    unique=["learner_id"],
)

RESOURCES = DataFrameSchema(
    {
        "resource_id": _key(),
        "kind": Column(str, Check.isin(RESOURCE_KINDS), nullable=False, coerce=True),
        "subject": _optional(str),
        "length_s": _optional(float, NOT_NEGATIVE),
        "course_id": _optional(str),
        "due": _optional(float, DAYS),  # assessments: the day by which it is to be handed in
        "weight": _optional(float, UNIT),  # assessments: share of the course's final score
    },
    name="resources",
    unique=["resource_id"],
)

ENROLMENTS = DataFrameSchema(
    {
        "learner_id": _key(),
        "course_id": _key(),
        "course_start": _optional("datetime64[ns]"),
        "start": _optional(float, DAYS),  # the day the learner registered
        "end": _optional(float, DAYS),  # the day the learner left; missing: did not leave
        "status": _optional(str, Check.isin(STATUSES)),
        "attempts": _optional(float, NOT_NEGATIVE),  # earlier attempts at this course
        "credits": _optional(float, NOT_NEGATIVE),  # load taken on in this term
    },
    name="enrolments",
    unique=["learner_id", "course_id"],
)

EVENTS = DataFrameSchema(
    {
        "learner_id": _key(),
        "resource_id": _optional(str),
        "course_id": _key(),
        "verb": _optional(str),  # ADL or xAPI short name
        "time": Column(float, DAYS, nullable=False, coerce=True),
        "count": _optional(float, NOT_NEGATIVE),
        "duration_s": _optional(float, NOT_NEGATIVE),
        "progress": _optional(float, UNIT),
        "score": _optional(float, UNIT),
    },
    name="events",
)

OUTCOMES = DataFrameSchema(
    {
        "learner_id": _key(),
        "course_id": _key(),
        "kind": Column(str, Check.isin(OUTCOME_KINDS), nullable=False, coerce=True),
        "resource_id": _optional(str),  # the assessment
        "time": _optional(float, DAYS),  # when handed in; a final result may have no day
        "score": _optional(float, UNIT),
        "passed": _optional("boolean"),
        "credits": _optional(float, NOT_NEGATIVE),
        "level": _optional("Int64", Check.in_range(0, 8)),  # ISCED 2011
    },
    name="outcomes",
    # All that tells two results apart: a resit, on another day or otherwise scored, is no mistake.
    unique=["learner_id", "course_id", "kind", "resource_id", "time", "score", "passed"],
)

TABLES: dict[str, DataFrameSchema] = {
    "learners": LEARNERS,
    "resources": RESOURCES,
    "enrolments": ENROLMENTS,
    "events": EVENTS,
    "outcomes": OUTCOMES,
}

#: Learner features that any education type can supply in part, and that mean the same in each;
#: `edufed.features.canonical` defines them.
CANONICAL = (
    "achievement",
    "completion",
    "load",
    "activity",
    "regularity",
    "recency",
    "lateness",
    "prior_level",
    "age_band",
    "support_need",
    "means",
    "attempts",
)
#: A site's view of columns of its own that no canonical table has: numbers, beside `learner_id` and
#: `course_id`. No job can ask for them; a model fitted at the site may read them there.
PRIVATE = "private"


@dataclass(frozen=True)
class CanonicalStatement:
    """What an adapter states of its learners' canonical features.

    Attributes
    ----------
    supplies : tuple of str
        Those of `CANONICAL` that mean here what their definition says. One for which the columns
        are missing all the same is missing.
    cohort : {"course", "intake"}
        Among whom a learner is ranked: those of the same course, or, where courses are marked
        and counted alike, all learners of the site who started in the same term.
    """

    supplies: tuple[str, ...] = CANONICAL
    cohort: Literal["course", "intake"] = "course"


class LearningRecords:
    """One site's learning records: up to five tables, held or streamed by DuckDB.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        A connection in which each present table is a table or view of its canonical name.
        Views let ten million events be read from a file and never held in memory.
    fingerprint : str
        Changes whenever the platform's data or its mapping changes; keys the feature cache.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, fingerprint: str) -> None:
        self.connection = connection
        self.fingerprint = fingerprint

    def present(self) -> tuple[str, ...]:
        """Names of the canonical tables that this site has, in canonical order."""
        found = {
            row[0]
            for row in self.connection.execute(
                "SELECT table_name FROM information_schema.tables"
            ).fetchall()
        }
        return tuple(name for name in TABLES if name in found)

    def columns(self, table: str) -> tuple[str, ...]:
        """Canonical columns that `table` has here; empty where the table is absent."""
        if table not in self.present():
            return ()
        have = set(self.connection.table(table).columns)
        return tuple(column for column in TABLES[table].columns if column in have)

    def count(self, table: str) -> int:
        """Rows in `table`; 0 where it is absent."""
        if table not in self.present():
            return 0
        # fetchall, not fetchone: DuckDB holds a result open until its last row was taken.
        [(rows,)] = self.connection.execute(f'SELECT count(*) FROM "{table}"').fetchall()
        return int(rows)

    def frame(self, table: str) -> pd.DataFrame:
        """`table` as a pandas frame. For small tables and tests: events can be large."""
        return self.connection.table(table).df()
