"""Learning records -> the feature matrix of one site at a cutoff, in two scans of events."""

from __future__ import annotations

import math

import duckdb
import numpy as np

from edufed.features.activity import activity_sql, events_sql, resources_sql
from edufed.features.assessment import assessment_sql, marks_sql
from edufed.features.background import background_sql
from edufed.features.catalogue import FEATURES, NAMES, available
from edufed.features.matrix import FeatureMatrix, FloatArray
from edufed.features.relations import whole_tables
from edufed.features.rhythm import days_sql, rhythm_sql, sessions_sql
from edufed.records import DataError, LearningRecords
from edufed.tasks.early_warning import TARGET_SQL, population_sql

#: Rows that are copied out of DuckDB at once.
BATCH_ROWS = 65_536


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
    supplied = set(available(records))
    connection = records.connection
    with whole_tables(records):
        connection.execute(f"""
            CREATE TEMP TABLE at_cutoff_population AS
            SELECT (row_number() OVER (ORDER BY course_id, learner_id) - 1)::INTEGER AS row, *
            FROM ({population_sql(cutoff, "enrolments" in records.present())})
        """)
        connection.execute(events_sql(cutoff))
        connection.execute(resources_sql(cutoff))
        connection.execute(days_sql())
        connection.execute(
            sessions_sql(cutoff, _any(connection, "at_cutoff_cells WHERE within_day"))
        )
        connection.execute(marks_sql(cutoff))
        # Nothing by the cutoff is nothing known, not nothing done.
        empty = {
            table
            for table, rows in (("events", "at_cutoff_cells"), ("outcomes", "at_cutoff_marks"))
            if not _any(connection, rows)
        }
        known = tuple(
            feature.name
            for feature in FEATURES
            if feature.name in supplied
            and empty.isdisjoint(need.partition(".")[0] for need in feature.needs)
        )
        return _fetch(connection, cutoff, known)


def _any(connection: duckdb.DuckDBPyConnection, rows: str) -> bool:
    return bool(connection.execute(f"SELECT 1 FROM {rows} LIMIT 1").fetchall())


def _fetch(
    connection: duckdb.DuckDBPyConnection, cutoff: float, known: tuple[str, ...]
) -> FeatureMatrix:
    """Join the families' queries and copy them out, batch by batch."""
    columns = "".join(f', "{name}"::FLOAT AS "{name}"' for name in known)
    [(rows,)] = connection.execute("SELECT count(*) FROM at_cutoff_population").fetchall()
    values: FloatArray = np.full((rows, len(NAMES)), np.nan, dtype=np.float32)
    target: FloatArray = np.full(rows, np.nan, dtype=np.float32)
    learner_id = np.empty(rows, dtype=object)
    course_id = np.empty(rows, dtype=object)
    course_start = np.full(rows, "NaT", dtype="datetime64[D]")
    reader = connection.sql(f"""
        SELECT learner_id, course_id, course_start, target::FLOAT AS target{columns}
        FROM (
            SELECT row, learner_id, course_id, course_start::DATE AS course_start
            FROM at_cutoff_population
        )
        LEFT JOIN ({TARGET_SQL}) USING (learner_id, course_id)
        LEFT JOIN ({activity_sql()}) USING (row)
        LEFT JOIN ({rhythm_sql(cutoff)}) USING (row)
        LEFT JOIN ({assessment_sql(cutoff)}) USING (row)
        LEFT JOIN ({background_sql()}) USING (row)
        ORDER BY row
    """).to_arrow_reader(BATCH_ROWS)
    done = 0
    for batch in reader:
        upto = done + batch.num_rows
        if upto > rows:
            raise DataError(
                "learners or resources: ids are not unique; run `edufed check-site` on the site"
            )
        part = slice(done, upto)
        learner_id[part] = batch.column("learner_id").to_numpy(zero_copy_only=False)
        course_id[part] = batch.column("course_id").to_numpy(zero_copy_only=False)
        course_start[part] = batch.column("course_start").to_numpy(zero_copy_only=False)
        target[part] = batch.column("target").to_numpy(zero_copy_only=False)
        for name in known:
            values[part, NAMES.index(name)] = batch.column(name).to_numpy(zero_copy_only=False)
        done = upto
    return FeatureMatrix(values, NAMES, learner_id, course_id, course_start, target)
