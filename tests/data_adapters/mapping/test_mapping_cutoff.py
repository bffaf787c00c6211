"""What is dated after the cutoff cannot be seen, whatever becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_adapters.base import open_adapter
from edufed.records import LearningRecords

START = "2024-09-01"
GRADES = """who,kind,at,points
7,test,10,15
7,test,90,5
7,test,,11
7,exam,300,12
7,exam,,12
"""
VISITS = "who,at\n7,3\n7,61\n7,60\n8,60.5\n8,soon\n"


def read(folder: Path, cutoff: float | None, visits: str = VISITS) -> LearningRecords:
    (folder / "grades.csv").write_text(GRADES)
    (folder / "visits.csv").write_text(visits)
    learner = {"learner_id": "who", "course_id": {"constant": "c"}}
    once = {"from": "visits.csv", "one_per_key": True}
    kind = {"column": "kind", "values": {"test": "assessment", "exam": "final"}}
    adapter = {
        "name": "higher",
        "source": {"kind": "files"},
        "course_start": START,
        "tables": {
            "learners": {**once, "columns": {"learner_id": "who"}},
            "enrolments": {**once, "columns": learner},
            "events": {"from": "visits.csv", "columns": {**learner, "time": "at"}},
            "outcomes": {
                "from": "grades.csv",
                "columns": {
                    **learner,
                    "kind": kind,
                    "time": "at",
                    "score": {"column": "points", "points_of": 20},
                },
            },
        },
    }
    return open_adapter(adapter, folder).read(cutoff)


def rows(records: LearningRecords, sql: str) -> list[tuple]:
    return records.connection.execute(sql).fetchall()


def test_later_rows_are_left_out_and_final_outcomes_stay(tmp_path: Path) -> None:
    records = read(tmp_path, 60)
    # An event that has no day stays to be rejected and counted by the checks.
    events = rows(records, "SELECT time FROM events ORDER BY time")
    assert events == [(3.0,), (60.0,), (None,)]
    outcomes = rows(records, "SELECT kind, time FROM outcomes ORDER BY kind, time")
    assert outcomes == [("assessment", 10.0), ("final", 300.0), ("final", None)]


def test_without_a_cutoff_everything_is_there(tmp_path: Path) -> None:
    records = read(tmp_path, None)
    assert records.count("events") == 5
    assert records.count("outcomes") == 5


@pytest.mark.parametrize("cutoff", [-1, 0, 59.99, 60, 61])
def test_the_cutoff_s_own_day_counts(cutoff: float, tmp_path: Path) -> None:
    records = read(tmp_path, cutoff)
    expected = sum(day <= cutoff for day in (3, 60, 60.5, 61))
    assert rows(records, "SELECT count(time) FROM events") == [(expected,)]


def test_assessments_without_a_day_of_their_own_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("who,points\n7,3\n")
    columns = {"learner_id": "who", "course_id": {"constant": "c"}}
    outcomes = {**columns, "kind": {"constant": "assessment"}}
    adapter = {
        "name": "basic",
        "source": {"kind": "files"},
        "tables": {
            "enrolments": {"from": "g.csv", "columns": columns},
            "outcomes": {"from": "g.csv", "columns": outcomes},
        },
    }
    opened = open_adapter(adapter, tmp_path)
    assert opened.read(100).count("outcomes") == 0
    assert opened.read().count("outcomes") == 1


@given(st.lists(st.tuples(st.sampled_from("78"), st.floats(30.01, 300)), max_size=8))
@settings(max_examples=10, deadline=None)
def test_later_rows_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, later: list[tuple[str, float]]
) -> None:
    early = "who,at\n7,3\n8,30\n"
    folder = tmp_path_factory.mktemp("cutoff")
    events = "SELECT * FROM events ORDER BY ALL"
    before = rows(read(folder, 30, early), events)
    more = early + "".join(f"{who},{day!r}\n" for who, day in later)
    assert rows(read(folder, 30, more), events) == before


def test_rows_without_a_day_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("who,at\n7,3\n8,61\n9,soon\n10,\n")
    enrolled = {"learner_id": "who", "course_id": {"constant": "c"}}
    adapter = {
        "name": "mooc",
        "source": {"kind": "files"},
        "tables": {
            "enrolments": {"from": "visits.csv", "dated": "at", "columns": enrolled},
            "events": {"from": "visits.csv", "columns": {**enrolled, "time": "at"}},
        },
    }
    records = open_adapter(adapter, tmp_path).read(60)
    assert rows(records, "SELECT learner_id FROM enrolments") == [("7",)]
    said = "SELECT column_name, rows FROM source_warnings WHERE table_name = 'enrolments'"
    assert rows(records, said) == [("dated", 2)]
