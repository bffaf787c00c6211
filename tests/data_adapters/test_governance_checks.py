"""The SQL checks and pandera reach the same verdicts, but for words that the SQL reads."""

from __future__ import annotations

import string
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera import dtypes
from pandera.errors import SchemaErrors

from data_adapters.governance import clean
from data_adapters.governance.checks import compile_column
from edufed.records import TABLES, LearningRecords

WORDS = st.text(string.ascii_letters + string.digits + " -_.", max_size=4)
NUMBERS = st.one_of(
    st.sampled_from([0.0, 1.0, -0.0, 0.5, -1.0, 8.0, 9.0, 3650.0, -3650.5, 1e300, np.inf, np.nan]),
    st.floats(-4000, 4000),
)
NUMBER_WORDS = st.sampled_from(["0", "1", "0.5", "-3", "2.0", "2.5", "1e3", " 7 ", "inf", "nan"])


def values(name: str, column: pa.Column) -> st.SearchStrategy[list[Any]]:
    """Lists of one column's values, of one source type each, many of them wrong."""
    kind = column.dtype
    if dtypes.is_datetime(kind):
        good = st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2030-01-01"))
        kinds = [good.map(lambda day: day.strftime("%Y-%m-%d")) | st.just("not a day")]
    elif dtypes.is_bool(kind):
        # As floats: from its own nullable integers pandas takes any but 0 for true.
        # It takes no words at all; the SQL does, see below.
        kinds = [st.booleans(), st.integers(-1, 2).map(float)]
    elif dtypes.is_float(kind):
        kinds = [NUMBERS, st.integers(-5000, 5000), NUMBER_WORDS | WORDS.map(lambda w: "x" + w)]
    elif dtypes.is_int(kind):
        # Of words it takes none such as 2.0; the SQL does, see below.
        kinds = [st.integers(-2, 10), st.sampled_from(["0", "8", "9", "-1", "2.5", "x"])]
    else:
        allowed = [
            str(value)
            for check in column.checks
            for value in check.statistics.get("allowed_values", ())
        ]
        kinds = [WORDS | st.sampled_from([*allowed, "18-24", "55-", "", "a", "b"])]
        if not allowed:
            kinds.append(st.integers(0, 99))
    return st.sampled_from(kinds).flatmap(
        lambda kind: st.lists(st.none() | kind | kind | kind, min_size=6, max_size=6)
    )


@st.composite
def frames(draw: st.DrawFn, table: str) -> pd.DataFrame:
    """One dirty frame of `table`, some of its optional columns missing."""
    data = {
        name: draw(values(name, column))
        for name, column in TABLES[table].columns.items()
        if column.required or draw(st.integers(0, 2))
    }
    return pd.DataFrame({name: _series(column) for name, column in data.items()})


def _series(column: list[Any]) -> pd.Series:
    known = [value for value in column if value is not None]
    if known and all(isinstance(value, bool) for value in known):
        return pd.Series(column, dtype="boolean")
    if known and all(isinstance(value, int) for value in known):
        return pd.Series(column, dtype="Int64")
    return pd.Series(column, dtype="float64" if _all(known, float) else "str")


def _all(known: list[Any], kind: type) -> bool:
    return bool(known) and all(isinstance(value, kind) for value in known)


def pandera_rejects(table: str, frame: pd.DataFrame) -> tuple[set[int], pd.DataFrame]:
    """Rows that pandera finds at fault in themselves, and the checked rest.

    A value that cannot be coerced keeps pandera from checking its column, so the check is
    repeated without the rows found until nothing is found.
    """
    schema = TABLES[table]
    alone = pa.DataFrameSchema(schema.columns, name=schema.name)
    rejected: set[int] = set()
    while True:
        try:
            return rejected, alone.validate(frame.drop(index=sorted(rejected)), lazy=True)
        except SchemaErrors as errors:
            found = set(errors.failure_cases["index"].dropna().astype(int)) - rejected
            if not found:
                raise
            rejected |= found


@pytest.mark.parametrize("table", TABLES)
def test_sql_and_pandera_agree_on_every_row(table: str) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(frames(table))
    def agree(frame: pd.DataFrame) -> None:
        rejected, rest = pandera_rejects(table, frame)
        connection = duckdb.connect()
        connection.register("given", frame)
        connection.execute(f"CREATE TABLE {table} AS SELECT * FROM given")
        checked, report = clean(LearningRecords(connection, "x"))

        repeated = 0
        if key := [name for name in TABLES[table].unique or () if name in rest]:
            repeated = int(rest.duplicated(key).sum())
            rest = rest.drop_duplicates(key)
        quality = report.tables[table]
        assert quality.rejected - quality.duplicates == len(rejected)
        assert quality.duplicates == repeated
        assert quality.rejected == sum(quality.reasons.values())
        # The very rows, in their types: pandera accepts ours and finds them equal to its own.
        ours = TABLES[table].validate(checked.frame(table))
        pd.testing.assert_frame_equal(
            ours[list(rest.columns)], rest.reset_index(drop=True), check_dtype=False
        )

    agree()


def test_a_check_without_its_sql_is_refused() -> None:
    column = pa.Column(float, pa.Check.ne(3.0))
    with pytest.raises(KeyError, match="not_equal_to"):
        compile_column("x", column, "DOUBLE")


@pytest.mark.parametrize("table", TABLES)
def test_every_schema_compiles(table: str) -> None:
    for name, column in TABLES[table].columns.items():
        assert compile_column(name, column, "VARCHAR").value


def test_words_for_whole_numbers_are_read() -> None:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE learners AS SELECT education_level, 'a' || education_level AS learner_id "
        "FROM (VALUES ('2.0'), ('3'), ('2.5'), ('x')) AS t (education_level)"
    )
    _, report = clean(LearningRecords(connection, "x"))
    assert connection.execute("SELECT education_level FROM learners").fetchall() == [(2,), (3,)]
    assert report.tables["learners"].reasons == {"education_level: not a whole number": 2}


def test_words_for_true_and_false_are_read() -> None:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE outcomes AS SELECT coalesce(passed, 'a') AS learner_id, 'c' AS course_id, "
        "'final' AS kind, passed "
        "FROM (VALUES ('true'), ('False'), ('1'), (NULL), ('yes'), ('2')) AS t (passed)"
    )
    checked, report = clean(LearningRecords(connection, "x"))
    assert [row[0] for row in connection.execute("SELECT passed FROM outcomes").fetchall()] == [
        True,
        False,
        True,
        None,
    ]
    assert report.tables["outcomes"].reasons == {"passed: not true or false": 2}
    assert checked.count("outcomes") == 4


def test_a_result_given_twice_is_reported_and_a_resit_is_not() -> None:
    connection = duckdb.connect()
    connection.execute("""
        CREATE TABLE outcomes AS SELECT * FROM (VALUES
            ('a', 'c', 'final', NULL, NULL, false), ('a', 'c', 'final', NULL, NULL, false),
            ('a', 'c', 'final', NULL, NULL, true), ('b', 'c', 'final', NULL, NULL, false),
            ('a', 'c', 'assessment', 'essay', 12.0, NULL),
            ('a', 'c', 'assessment', 'essay', 12.0, NULL),
            ('a', 'c', 'assessment', 'essay', 15.0, NULL)
        ) AS t (learner_id, course_id, kind, resource_id, "time", passed)
    """)
    checked, report = clean(LearningRecords(connection, "x"))
    quality = report.tables["outcomes"]
    assert (quality.rows, quality.rejected, quality.duplicates) == (7, 2, 2)
    assert quality.reasons == {
        "learner_id + course_id + kind + resource_id + time + passed: given before": 2
    }
    assert checked.count("outcomes") == 5
