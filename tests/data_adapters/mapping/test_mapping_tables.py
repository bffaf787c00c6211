"""Each form of a table in a mapping: lookups, filters, parts, first days of courses, keys."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from one_column import START, read, values, warnings

from data_adapters.base import open_adapter


def test_a_lookup_takes_a_value_from_another_table(tmp_path: Path) -> None:
    (tmp_path / "courses.csv").write_text("code,starts\na,01/09/2024\nb,02/09/2024\nb,\n")
    origin = {
        "column": "x",
        "lookup": {
            "from": "courses.csv",
            "match": "code",
            "take": {"column": "starts", "format": "%d/%m/%Y"},
        },
    }
    how = {"column": "n", "format": "epoch", "origin": origin}
    records = read(tmp_path, "events.time", how, ["a", "b", "c", ""])
    first, second, *unknown = values(records, "events.time")
    assert second - first == pytest.approx(-1 + 1 / 86400)
    assert unknown == [None, None]
    start = read(tmp_path, "enrolments.course_start", origin, ["b", "z"])
    assert values(start, "enrolments.course_start") == [dt.datetime(2024, 9, 2), None]
    assert warnings(start) == [("enrolments", "course_start", "not found in the other table", 1)]


def test_course_start_for_each_course(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(
        "who,module,at\n7,A,2024-09-03\n7,B,2024-09-03\n7,C,2024-09-03\n"
    )
    course = {"columns": ["module"], "prefix": "m-"}
    adapter = {
        "name": "mooc",
        "source": {"kind": "files"},
        "course_start": {"m-A": "2024-09-01", "m-B": "2024-09-02"},
        "tables": {
            "events": {
                "from": "v.csv",
                "columns": {
                    "learner_id": "who",
                    "course_id": course,
                    "time": {"column": "at", "format": "iso"},
                },
            },
            "enrolments": {
                "from": "v.csv",
                "columns": {"learner_id": "who", "course_id": course},
            },
        },
    }
    records = open_adapter(adapter, tmp_path).read()
    times = records.connection.execute("SELECT course_id, time FROM events ORDER BY 1").fetchall()
    assert times == [("m-A", 2.0), ("m-B", 1.0), ("m-C", None)]
    starts = records.connection.execute(
        "SELECT course_start FROM enrolments ORDER BY course_id"
    ).fetchall()
    assert starts == [(dt.datetime(2024, 9, 1),), (dt.datetime(2024, 9, 2),), (None,)]


WHERE: list[tuple[Any, list[str]]] = [
    ("a", ["a"]),
    (["a", "b"], ["a", "b"]),
    ({"not": "a"}, ["", "3", "b"]),
    ({"not": ["a", 3]}, ["", "b"]),
    ({"is": [3]}, ["3"]),
    ({"at_least": 3}, ["3"]),
    ({"below": 3}, []),
    ({"present": True}, ["3", "a", "b"]),
    ({"present": False}, [""]),
    ({"present": True, "not": "b"}, ["3", "a"]),
]


@pytest.mark.parametrize(("condition", "kept"), WHERE, ids=str)
def test_filters(condition: Any, kept: list[str], tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text('who,"odd ""name"""\n1,a\n2,b\n3,3\n4,\n')
    odd = 'odd "name"'
    columns = {
        "learner_id": {"row_number": ""},
        "course_id": {"constant": "c"},
        "time": {"constant": 0},
        "verb": odd,
    }
    table = {"from": "v.csv", "columns": columns, "where": {odd: condition}}
    adapter = {"name": "mooc", "source": {"kind": "files"}, "tables": {"events": table}}
    records = open_adapter(adapter, tmp_path).read()
    found = records.connection.execute(
        "SELECT learner_id, coalesce(verb, '') FROM events"
    ).fetchall()
    assert sorted(verb for _, verb in found) == sorted(kept)
    # Rows are numbered before they are filtered.
    assert all(("a", "b", "3", "")[int(number) - 1] == verb for number, verb in found)


def test_parts_are_put_one_under_the_other_by_name(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("who,g1,g2\n7,10,20\n8,5,\n")
    parts = [
        {
            "from": "g.csv",
            "columns": {
                "learner_id": "who",
                "course_id": {"constant": "c"},
                "kind": {"constant": "assessment"},
                "score": {"column": "g1", "points_of": 20},
                "time": {"constant": 95},
            },
        },
        {
            "from": "g.csv",
            "where": {"g2": {"present": True}},
            "columns": {
                "passed": {"column": "g2", "at_least": 10},
                "kind": {"constant": "final"},
                "course_id": {"constant": "c"},
                "learner_id": "who",
            },
        },
    ]
    adapter = {"name": "basic", "source": {"kind": "files"}, "tables": {"outcomes": parts}}
    adapter["tables"]["enrolments"] = {
        "from": "g.csv",
        "columns": {"learner_id": "who", "course_id": {"constant": "c"}},
    }
    opened = open_adapter(adapter, tmp_path)
    found = (
        opened.read()
        .connection.execute(
            "SELECT learner_id, kind, score, passed, time, level FROM outcomes ORDER BY ALL"
        )
        .fetchall()
    )
    assert found == [
        ("7", "assessment", 0.5, None, 95.0, 2),
        ("7", "final", None, True, None, 2),
        ("8", "assessment", 0.25, None, 95.0, 2),
    ]
    assert opened.supplies()["outcomes"] == (
        *("learner_id", "course_id", "kind", "time", "score", "passed", "level"),
    )


def test_one_per_key(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("who,at,sex\n7,3,\n7,1,F\n8,2,M\n8,9,M\n")
    events = {"learner_id": "who", "course_id": {"constant": "c"}, "time": "at"}
    adapter = {
        "name": "mooc",
        "source": {"kind": "files"},
        "tables": {
            "events": {"from": "v.csv", "columns": events},
            "learners": {
                "from": "v.csv",
                "one_per_key": True,
                "columns": {
                    "learner_id": "who",
                    "gender": {"column": "sex", "values": {"F": "female", "M": "male"}},
                },
            },
            "enrolments": {
                "from": "v.csv",
                "one_per_key": True,
                "columns": {"learner_id": "who", "course_id": {"constant": "c"}, "start": "at"},
                "dated": "at",
            },
        },
    }
    opened = open_adapter(adapter, tmp_path)
    records = opened.read()
    learners = records.connection.execute("FROM learners ORDER BY 1").fetchall()
    assert learners == [("7", "female"), ("8", "male")]
    starts = "SELECT learner_id, start FROM enrolments ORDER BY 1"
    assert records.connection.execute(starts).fetchall() == [("7", 1.0), ("8", 2.0)]
    assert opened.read(1.5).connection.execute(starts).fetchall() == [("7", 1.0)]


def test_a_course_may_be_a_number(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("who,course,at\n7,171,2024-09-03\n")
    columns = {
        "learner_id": "who",
        "course_id": "course",
        "time": {"column": "at", "format": "iso"},
    }
    adapter = {
        "name": "mooc",
        "source": {"kind": "files"},
        "course_start": {171: START},
        "tables": {"events": {"from": "v.csv", "columns": columns}},
    }
    records = open_adapter(adapter, tmp_path).read()
    assert records.connection.execute("SELECT time FROM events").fetchall() == [(2.0,)]
