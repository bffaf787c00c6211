"""Bad rows go to quarantine with a reason, good rows go on, and counts alone travel."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import duckdb
import pytest

from data_adapters.governance import Example, clean, with_warnings
from edufed.records import DataError, LearningRecords

#: An identifier, and a value, that must not be seen outside the quarantine.
SECRET, VALUE = "pupil-of-mine", "17.25"


def dirty(connection: duckdb.DuckDBPyConnection) -> LearningRecords:
    """Four tables in which every rejected row has a known fault."""
    connection.execute(f"""
        CREATE VIEW learners AS SELECT * FROM (VALUES
            ('a', 'female', 0.1), ('b', 'male', NULL), ('c', 'woman', 0.5),
            ('a', 'other', 0.9), (NULL, 'male', 0.2), ('{SECRET}', 'male', {VALUE}),
            ('', 'male', 0.2)
        ) AS t (learner_id, gender, means);
        CREATE VIEW enrolments AS SELECT * FROM (VALUES
            ('a', 'x', '2024-02-01', -3), ('b', 'x', '2024-02-01', 1), ('b', 'x', '2024-02-01', 2),
            ('{SECRET}', 'x', '2024-02-01', 0), ('a', 'y', 'last spring', 0)
        ) AS t (learner_id, course_id, course_start, start);
        CREATE VIEW events AS SELECT * FROM (VALUES
            ('a', 'x', 1.5, 3, 'kept'), ('a', 'x', 1.5, 3, 'kept'), ('b', 'x', 40.0, NULL, 'kept'),
            ('a', 'x', NULL, 1, 'kept'), ('a', 'x', 99999.0, 1, 'kept'),
            ('b', NULL, 1.0, 1, 'kept'), ('b', 'x', 2.0, -1, 'kept'),
            ('{SECRET}', 'x', 2.0, 1, 'kept')
        ) AS t (learner_id, course_id, "time", count, note);
        CREATE VIEW outcomes AS SELECT * FROM (VALUES
            ('a', 'x', 'final', true, NULL), ('b', 'x', 'final', false, '0.3'),
            ('b', 'x', 'assessment', NULL, 'ungraded'), ('b', 'x', 'exam', NULL, '0.3')
        ) AS t (learner_id, course_id, kind, passed, score)
    """)
    return LearningRecords(connection, "as read")


@pytest.fixture(params=[100, 0], ids=["held", "streamed"])
def hold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many rows of a table are held; the outcome is the same."""
    monkeypatch.setattr("data_adapters.governance.table.HOLD_ROWS", request.param)
    return int(request.param)


@pytest.mark.usefixtures("hold")
def test_every_fault_is_found_counted_and_placed() -> None:
    checked, report = clean(dirty(duckdb.connect()))

    assert {name: table.reasons for name, table in report.tables.items()} == {
        "learners": {
            "learner_id: missing": 1,
            "learner_id: empty": 1,
            "gender: not one of female, male, other": 1,
            "means: outside 0 to 1": 1,
            "learner_id: given before": 1,
        },
        "enrolments": {
            "course_start: not a date": 1,
            "learner_id: not among the learners": 1,
            "learner_id + course_id: given before": 1,
        },
        "events": {
            "course_id: missing": 1,
            "time: missing": 1,
            "time: outside -3650 to 3650": 1,
            "count: below 0": 1,
            "learner_id: not among the learners": 1,
        },
        "outcomes": {"kind: not one of assessment, final": 1, "score: not a number": 1},
    }
    assert report.tables["learners"].examples["learner_id: given before"] == (
        Example(4, "learner_id"),
    )
    assert report.tables["events"].examples["count: below 0"] == (Example(7, "count"),)
    assert report.tables["enrolments"].duplicates == 1
    assert (report.rows, report.rejected) == (24, 15)
    assert report.missing_tables == ("resources",)
    assert report.tables["events"].missing_columns[:2] == ("resource_id", "verb")
    assert report.time_range == (1.5, 40.0)
    assert report.outcomes == {"passed": 1, "not_passed": 1, "unknown": 0}
    assert (report.learners, report.courses) == (2, 1)

    rows = checked.connection.execute("SELECT * FROM learners").fetchall()
    assert rows == [("a", "female", 0.1), ("b", "male", None)]
    assert checked.columns("events") == ("learner_id", "course_id", "time", "count")
    assert checked.count("events") == 3
    assert checked.connection.execute("SELECT start FROM enrolments").fetchall() == [
        (-3.0,),
        (1.0,),
    ]
    assert checked.fingerprint != "as read"


@pytest.mark.usefixtures("hold")
def test_quarantine_holds_every_rejected_row_as_read_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "quarantine"
    _, report = clean(dirty(duckdb.connect()), folder)

    kept = {
        file.stem: duckdb.execute(f"SELECT * FROM '{file}' ORDER BY \"row\"").fetchall()
        for file in folder.iterdir()
    }
    assert {name: len(rows) for name, rows in kept.items()} == {
        name: table.rejected for name, table in report.tables.items()
    }
    assert kept["outcomes"] == [
        ("b", "x", "assessment", "ungraded", None, 3, "score: not a number"),
        ("b", "x", "exam", "0.3", None, 4, "kind: not one of assessment, final"),
    ]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_quarantine_of_a_table_that_was_mended_is_emptied(tmp_path: Path) -> None:
    clean(dirty(duckdb.connect()), tmp_path)
    connection = duckdb.connect()
    connection.execute("CREATE TABLE learners AS SELECT 'a' AS learner_id")
    clean(LearningRecords(connection, "mended"), tmp_path)
    assert sorted(file.stem for file in tmp_path.iterdir()) == ["enrolments", "events", "outcomes"]


def test_what_travels_has_counts_and_no_identifier_or_value() -> None:
    _, report = clean(dirty(duckdb.connect()))
    compact = report.compact("north")
    assert list(compact) == ["site", "rows", "rejected", "reasons"]
    assert compact["rejected"] == sum(compact["reasons"].values()) == 15
    assert compact["reasons"]["events.count: below 0"] == 1
    for text in (json.dumps(compact), json.dumps(report.to_dict(examples=True))):
        assert SECRET not in text
        assert VALUE not in text
    assert "examples" not in json.dumps(report.to_dict())
    assert "examples" in json.dumps(report.to_dict(examples=True))


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_held_and_streamed_tables_hold_the_same_rows(kind: str, hold: int) -> None:
    connection = duckdb.connect()
    connection.execute(f"""
        CREATE TABLE log AS SELECT * FROM range(6) AS t (day);
        CREATE {kind} events AS
        SELECT 'a' AS learner_id, 'x' AS course_id, day AS "time", 2 - day AS count FROM log
    """)
    checked, _ = clean(LearningRecords(connection, "x"))
    assert connection.execute("FROM events").fetchall() == [
        ("a", "x", float(day), float(2 - day)) for day in range(3)
    ]
    assert checked.count("events") == 3
    # What is held does not need its source any more.
    connection.execute("DROP TABLE log")
    if hold or kind == "TABLE":
        assert checked.count("events") == 3
    else:
        with pytest.raises(duckdb.CatalogException):
            checked.count("events")


def test_a_view_over_another_canonical_table_keeps_its_meaning() -> None:
    connection = duckdb.connect()
    connection.execute("""
        CREATE VIEW learners AS SELECT * FROM (VALUES ('a', 'male'), ('b', '?'))
            AS t (learner_id, gender);
        CREATE VIEW people AS SELECT learner_id FROM learners;
        CREATE VIEW events AS SELECT learner_id, 'x' AS course_id, 1 AS "time" FROM people
    """)
    checked, report = clean(LearningRecords(connection, "x"))
    assert report.tables["events"].reasons == {"learner_id: not among the learners": 1}
    assert checked.count("events") == 1


def test_a_site_without_learners_has_nobody_to_miss() -> None:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE events AS SELECT 'a' AS learner_id, 'x' AS course_id, 1 AS \"time\""
    )
    checked, report = clean(LearningRecords(connection, "x"))
    assert checked.count("events") == report.rows == report.learners == 1
    assert report.rejected == 0


def test_what_the_source_layer_counted_is_part_of_the_report() -> None:
    connection = duckdb.connect()
    connection.execute("""
        CREATE TABLE learners AS SELECT unnest(['a', '']) AS learner_id;
        CREATE TABLE source_rejects AS SELECT * FROM (VALUES
            ('learners', 'line with too few columns', 2), ('pupils.csv', 'not UTF-8', 3)
        ) AS t (table_name, reason, rows);
        CREATE TABLE source_warnings AS SELECT * FROM (VALUES
            ('learners', 'gender', 'unknown answer', 4)
        ) AS t (table_name, column_name, reason, rows)
    """)
    records, report = clean(LearningRecords(connection, "x"))
    assert (report.rows, report.rejected) == (7, 6)
    assert report.tables["learners"].warnings == {}
    assert with_warnings(records, report).tables["learners"].warnings == {
        "gender: unknown answer": 4
    }
    assert report.compact("s")["reasons"] == {
        "learners.learner_id: empty": 1,
        "learners.line with too few columns": 2,
        "pupils.csv.not UTF-8": 3,
    }


def test_nan_is_missing_and_infinity_is_out_of_range() -> None:
    connection = duckdb.connect()
    connection.execute("""
        CREATE TABLE events AS SELECT 'a' AS learner_id, 'x' AS course_id, "time", score
        FROM (VALUES (1.0, 'nan'::DOUBLE), ('nan'::DOUBLE, 1.0), ('inf'::DOUBLE, 1.0))
            AS t ("time", score)
    """)
    _, report = clean(LearningRecords(connection, "x"))
    assert connection.execute("SELECT score FROM events").fetchall() == [(None,)]
    assert report.tables["events"].reasons == {"time: missing": 1, "time: outside -3650 to 3650": 1}


def test_no_table_at_all() -> None:
    with pytest.raises(DataError, match="none of the tables learners"):
        clean(LearningRecords(duckdb.connect(), "x"))


def test_a_column_that_every_row_must_have() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE events AS SELECT 'a' AS learner_id, 'x' AS course_id")
    with pytest.raises(DataError, match=r"^events: no column time; every row must have it"):
        clean(LearningRecords(connection, "x"))


def test_a_damaged_file_is_one_line_without_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("learner_id,gender\n" + "a,male\n" * 30_000 + f'"{SECRET}\n')
    connection = duckdb.connect()
    connection.execute(
        f"CREATE VIEW learners AS FROM read_csv('{file}', header = true, quote = '\"', "
        "delim = ',', columns = {'learner_id': 'VARCHAR', 'gender': 'VARCHAR'})"
    )
    with pytest.raises(DataError) as raised:
        clean(LearningRecords(connection, "x"))
    assert str(raised.value).startswith("learners: the rows cannot be read")
    assert "line 30002" in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is None
