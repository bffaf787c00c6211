"""Learning records -> the feature matrix of one site at a cutoff."""

from __future__ import annotations

import math

import duckdb
import numpy as np

from edufed.features.activity import MEASURED_SQL, activity_sql, events_sql
from edufed.features.assessment import assessment_sql, outcomes_sql
from edufed.features.background import background_sql
from edufed.features.catalogue import FEATURES, NAMES, available
from edufed.features.matrix import FeatureMatrix
from edufed.features.relations import whole_tables
from edufed.features.rhythm import days_sql, rhythm_sql
from edufed.records import DataError, LearningRecords
from edufed.tasks.early_warning import TARGET_SQL, population_sql

#: Rows that are worked on at once: what bounds memory, at one scan of events each.
PART_ROWS = 50_000


def build(records: LearningRecords, cutoff: float) -> FeatureMatrix:
    """Build the features of every learner to warn of, from what was known at the cutoff.

    Rows after the cutoff are dropped before anything is joined or counted, also when the
    adapter dropped them already.

    Parameters
    ----------
    records : LearningRecords
        Any subset of the tables; what they cannot tell is NaN.
    cutoff : float
        Days after the course's first day.

    Returns
    -------
    FeatureMatrix
        `values` has shape (enrolments, len(FEATURES)).

    Raises
    ------
    DataError
        The cutoff is no number, or a key is not unique.
    """
    cutoff = float(cutoff)
    if not math.isfinite(cutoff):
        raise DataError(f"cutoff: {cutoff} is not a number of days")
    names = available(records)
    enrolments = "enrolments" in records.present()
    connection = records.connection
    with whole_tables(records):
        connection.execute(f"""
            CREATE TEMP TABLE at_cutoff_population AS
            SELECT (row_number() OVER (ORDER BY course_id, learner_id) - 1)::INTEGER AS row, *
            FROM ({population_sql(cutoff, enrolments)})
        """)
        [(rows,)] = connection.execute("SELECT count(*) FROM at_cutoff_population").fetchall()
        matrix = FeatureMatrix(
            values=np.full((rows, len(NAMES)), np.nan, dtype=np.float32),
            names=NAMES,
            learner_id=np.empty(rows, dtype=object),
            course_id=np.empty(rows, dtype=object),
            course_start=np.full(rows, "NaT", dtype="datetime64[D]"),
            target=np.full(rows, np.nan, dtype=np.float32),
        )
        dated = {"events": False, "outcomes": False}
        for first in range(0, rows, PART_ROWS):
            part = slice(first, min(first + PART_ROWS, rows))
            _prepare(connection, cutoff, part, records.columns("events"))
            for table in dated:
                dated[table] |= _any(connection, f"SELECT 1 FROM at_cutoff_{table}")
            _fill(connection, cutoff, part, names, matrix)
    # Nothing by the cutoff is nothing known, not nothing done.
    for number, feature in enumerate(FEATURES):
        if not all(dated.get(need.partition(".")[0], True) for need in feature.needs):
            matrix.values[:, number] = np.nan
    return matrix


def _prepare(
    connection: duckdb.DuckDBPyConnection, cutoff: float, part: slice, columns: tuple[str, ...]
) -> None:
    """Make the tables that the families' queries read, for one part of the population."""
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE at_cutoff_part AS
        SELECT * FROM at_cutoff_population WHERE row >= {part.start} AND row < {part.stop}
    """)
    for sql in (events_sql(cutoff, columns), days_sql(cutoff), outcomes_sql(cutoff)):
        connection.execute(sql)


def _any(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    return bool(connection.execute(f"{sql} LIMIT 1").fetchall())


def _fill(
    connection: duckdb.DuckDBPyConnection,
    cutoff: float,
    part: slice,
    names: tuple[str, ...],
    matrix: FeatureMatrix,
) -> None:
    """Join the families' queries and copy one part of the population into the matrix."""
    within_days = _any(connection, "SELECT 1 FROM at_cutoff_events WHERE second <> 86400 * day")
    families = [
        activity_sql(),
        *(sql for name, sql in MEASURED_SQL.items() if name in names),
        rhythm_sql(cutoff, within_days),
        assessment_sql(cutoff),
        background_sql(),
    ]
    columns = "".join(f', "{name}"::FLOAT AS "{name}"' for name in names)
    found = connection.sql(f"""
        SELECT learner_id, course_id, course_start, target::FLOAT AS target{columns}
        FROM (
            SELECT row, learner_id, course_id, course_start::DATE AS course_start
            FROM at_cutoff_part
        )
        LEFT JOIN ({TARGET_SQL}) USING (learner_id, course_id)
        {" ".join(f"LEFT JOIN ({sql}) USING (row)" for sql in families)}
        ORDER BY row
    """).to_arrow_table()
    if found.num_rows != part.stop - part.start:
        raise DataError(
            f"learners: {found.num_rows - (part.stop - part.start)} rows too many, because "
            "learner_id is not unique; run `edufed check-site`, which sets doubles aside"
        )
    matrix.learner_id[part] = found.column("learner_id").to_numpy()
    matrix.course_id[part] = found.column("course_id").to_numpy()
    matrix.course_start[part] = found.column("course_start").to_numpy()
    matrix.target[part] = found.column("target").to_numpy()
    for name in names:
        matrix.values[part, NAMES.index(name)] = found.column(name).to_numpy()
