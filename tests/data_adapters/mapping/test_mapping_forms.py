"""Each form of a column in a mapping, by what becomes of raw values."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_column import START, read, values, warnings

FORMS: list[tuple[str, Any, list, list]] = [
    ("learners.region", "x", [" Nord ", "", None, "01"], ["Nord", None, None, "01"]),
    ("learners.region", {"column": "x"}, ["a"], ["a"]),
    ("learners.region", {"constant": "here"}, ["a", ""], ["here", "here"]),
    ("learners.education_level", {"constant": 3}, ["a"], [3]),
    ("learners.education_level", "x", ["3", "4.0", "", "2.5"], [3, 4, None, None]),
    ("learners.link_id", {"row_number": "s-"}, ["a", "b"], ["s-1", "s-2"]),
    ("learners.link_id", {"columns": ["x", "n"], "join": "/"}, ["a", ""], ["a/0", None]),
    ("learners.link_id", {"columns": ["x"], "prefix": "p'"}, ["a"], ["p'a"]),
    (
        "learners.gender",
        {"column": "x", "values": {"F": "female", "X": None}},
        ["F", " F", "X", "?", ""],
        ["female", "female", None, None, None],
    ),
    (
        "learners.gender",
        {"column": "x", "values": {1: "female", 2.0: "male"}},
        ["1", "2", "02"],
        ["female", "male", None],
    ),
    (
        "learners.gender",
        {"column": "x", "values": {"w": "female"}, "default": "other"},
        ["w", "d", ""],
        ["female", "other", None],
    ),
    (
        "learners.region",
        {"column": "x", "values": {"N": "north"}, "unmapped": "keep"},
        ["N", "south", ""],
        ["north", "south", None],
    ),
    (
        "learners.education_level",
        {"column": "x", "values": {"school": 3}, "unmapped": "keep"},
        ["school", "5", "?"],
        [3, 5, None],
    ),
    (
        "learners.age_band",
        {"column": "x", "bands": ["15-17", "18-24", "30-"]},
        ["15", "17.9", "18", "24", "25", "31", "200", "x", ""],
        ["15-17", "15-17", "18-24", "18-24", None, "30-", "30-", None, None],
    ),
    ("learners.support_need", "x", ["1", "no", "TRUE", "oui", ""], [True, False, True, None, None]),
    (
        "learners.support_need",
        {"column": "x", "values": {"oui": True, "non": False}},
        ["oui", "non"],
        [True, False],
    ),
    ("outcomes.passed", {"column": "x", "at_least": 10}, ["10", "9.99", ""], [True, False, None]),
    ("outcomes.score", {"column": "x", "points_of": 20}, ["20", "7", "x"], [1.0, 0.35, None]),
    ("outcomes.score", {"column": "x", "unit": "percent"}, ["57", "0.5"], [0.57, 0.005]),
    ("outcomes.score", {"column": "x", "scale": 2}, ["0.25", "nan", "inf"], [0.5, None, None]),
    (
        "outcomes.score",
        {"column": "x", "decimal": ",", "points_of": 10},
        ["7,5", "0", "1.000,0"],
        [0.75, 0.0, 100.0],
    ),
    ("events.duration_s", {"column": "x", "unit": "minutes"}, ["2", "0.5"], [120.0, 30.0]),
    ("events.duration_s", {"column": "x", "unit": "milliseconds"}, ["250"], [0.25]),
    ("events.time", "x", ["-3", "4.5", "x"], [-3.0, 4.5, None]),
    (
        "events.time",
        {"column": "x", "format": "%d/%m/%Y", "origin": "2024-09-01"},
        ["03/09/2024", "01/09/2024", "31/02/2024", "2024-09-03", ""],
        [2.0, 0.0, None, None, None],
    ),
    (
        "events.time",
        {"column": "x", "format": "iso", "origin": dt.date(2024, 9, 1)},
        ["2024-09-02T12:00:00Z", "2024-09-02 14:00:00+02:00", "2024-09-02", "2024-09-01 06:00"],
        [1.5, 1.5, 1.0, 0.25],
    ),
    (
        "events.time",
        {"column": "x", "timezone": "Europe/Lisbon", "origin": START},
        ["2024-09-02 13:00:00", "2024-09-02T12:00:00Z", "2024-09-02", "2024-12-02 12:00"],
        [1.5, 1.5, 1.0, 92.5],
    ),
    (
        "events.time",
        {"column": "x", "format": "%d.%m.%Y %H:%M", "timezone": "Asia/Shanghai", "origin": START},
        ["02.09.2024 20:00"],
        [1.5],
    ),
    (
        "events.time",
        {"column": "x", "format": "%d.%m.%Y %H:%M %z", "origin": START},
        ["02.09.2024 20:00 +0800", "x"],
        [1.5, None],
    ),
    (
        "events.time",
        {"column": "x", "format": "epoch", "origin": "1970-01-02"},
        ["86400", "129600.0", "1e300", "x"],
        [0.0, 0.5, None, None],
    ),
    (
        "events.time",
        {"column": "x", "format": "epoch_ms", "origin": "1970-01-01"},
        ["43200000"],
        [0.5],
    ),
    (
        "events.time",
        {
            "column": "x",
            "origin": {"column": "n", "values": {"0": "2024-09-01", "1": "2024-09-02"}},
        },
        ["2024-09-03", "2024-09-03", "2024-09-03"],
        [2.0, 1.0, None],
    ),
    ("enrolments.course_start", {"constant": START}, ["a"], [dt.datetime(2024, 9, 1)]),
    (
        "enrolments.course_start",
        {"column": "x", "format": "%Y%m%d"},
        ["20240901", ""],
        [dt.datetime(2024, 9, 1), None],
    ),
    ("enrolments.course_start", "x", ["2024-09-01"], [dt.datetime(2024, 9, 1)]),
]


@pytest.mark.parametrize(("column", "how", "raw", "expected"), FORMS, ids=str)
def test_forms(column: str, how: Any, raw: list, expected: list, tmp_path: Path) -> None:
    assert values(read(tmp_path, column, how, raw), column) == expected


PARQUET: list[tuple[str, Any, str, list, list]] = [
    ("learners.region", "x", "DOUBLE", ["7", "7.5", "NULL"], ["7", "7.5", None]),
    # As polars and others write a missing id among numbers.
    (
        "learners.link_id",
        "x",
        "DOUBLE",
        ["'NaN'", "1234567890123456"],
        [None, "1234567890123456"],
    ),
    ("learners.region", "x", "INTEGER", ["7", "NULL"], ["7", None]),
    ("learners.region", "x", "DECIMAL(9, 2)", ["7.00"], ["7"]),
    ("learners.support_need", "x", "BOOLEAN", ["true", "NULL"], [True, None]),
    ("learners.support_need", "x", "INTEGER", ["1", "0"], [True, False]),
    ("learners.gender", {"column": "x", "values": {1: "male"}}, "DOUBLE", ["1"], ["male"]),
    ("outcomes.score", "x", "FLOAT", ["0.5", "'nan'"], [0.5, None]),
    ("outcomes.score", {"column": "x", "points_of": 20}, "INTEGER", ["10"], [0.5]),
    ("learners.education_level", "x", "DOUBLE", ["3.0"], [3]),
    ("events.time", "x", "INTEGER", ["-3"], [-3.0]),
    ("events.time", "x", "DATE", ["'2024-09-03'"], [2.0]),
    ("events.time", "x", "TIMESTAMP", ["'2024-09-03 12:00:00'"], [2.5]),
    ("events.time", "x", "TIMESTAMP_NS", ["'2024-09-03 12:00:00'"], [2.5]),
    ("events.time", "x", "TIMESTAMPTZ", ["'2024-09-03 14:00:00+02'"], [2.5]),
    (
        "events.time",
        {"column": "x", "timezone": "Asia/Shanghai"},
        "TIMESTAMP",
        ["'2024-09-03 20:00:00'"],
        [2.5],
    ),
    ("events.time", {"column": "x", "format": "%Y%m%d"}, "INTEGER", ["20240903"], [2.0]),
    ("events.time", {"column": "x", "format": "epoch"}, "BIGINT", ["1725364800"], [2.5]),
    ("enrolments.course_start", "x", "DATE", ["'2024-09-01'"], [dt.datetime(2024, 9, 1)]),
]


@pytest.mark.parametrize(("column", "how", "kind", "raw", "expected"), PARQUET, ids=str)
def test_forms_over_typed_columns(
    column: str, how: Any, kind: str, raw: list, expected: list, tmp_path: Path
) -> None:
    records = read(tmp_path, column, how, raw, parquet=kind, course_start=START)
    assert values(records, column) == expected


def test_lost_values_are_counted_and_known_ones_are_not(tmp_path: Path) -> None:
    gender = {"column": "x", "values": {"F": "female", "n/a": None}}
    records = read(tmp_path, "learners.gender", gender, ["F", "n/a", "?", "?", ""])
    assert warnings(records) == [("learners", "gender", "not among the mapped values", 2)]
    records = read(tmp_path, "outcomes.score", {"column": "x", "scale": 1}, ["1", "?", ""])
    assert warnings(records) == [("outcomes", "score", "not a number", 1)]
    date = {"column": "x", "format": "%d/%m/%Y", "origin": START}
    records = read(tmp_path, "events.time", date, ["01/09/2024", "1 Sep"])
    reason = "not a date (%d/%m/%Y), or no first day to count from"
    assert warnings(records) == [("events", "time", reason, 1)]
    records = read(tmp_path, "learners.region", "x", ["a", ""])
    assert warnings(records) == []


TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), max_size=8
).map(str.strip)


@given(st.dictionaries(TEXT.filter(bool), TEXT.filter(bool), min_size=1, max_size=8), st.data())
@settings(max_examples=25, deadline=None)
def test_value_maps_are_python_dictionaries(
    tmp_path_factory: pytest.TempPathFactory, mapping: dict[str, str], data: st.DataObject
) -> None:
    """Whatever is quoted in them: no value is read as SQL, and none is another."""
    unknown = data.draw(st.lists(TEXT, max_size=3))
    raw = [*mapping, *unknown]
    how = {"column": "x", "values": mapping}
    records = read(tmp_path_factory.mktemp("v"), "learners.region", how, raw)
    assert values(records, "learners.region") == [mapping.get(each) for each in raw]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=8), st.floats(0.5, 500))
@settings(max_examples=15, deadline=None)
def test_units_round_trip(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float], points: float
) -> None:
    folder = tmp_path_factory.mktemp("u")
    raw = [repr(number * points) for number in numbers]
    found = values(
        read(folder, "outcomes.score", {"column": "x", "points_of": points}, raw), "outcomes.score"
    )
    assert all(math.isclose(a, b, rel_tol=1e-12) for a, b in zip(found, numbers, strict=True))


@given(
    st.lists(
        st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2100, 1, 1)), min_size=1, max_size=8
    ),
    st.dates(dt.date(2000, 1, 1), dt.date(2050, 1, 1)),
    st.sampled_from(["iso", "%d/%m/%Y %H:%M:%S.%f", "%m-%d-%y %I:%M:%S.%f %p", "epoch"]),
)
@settings(max_examples=20, deadline=None)
def test_dates_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    points: list[dt.datetime],
    origin: dt.date,
    letters: str,
) -> None:
    if "%y" in letters:
        points = [point.replace(year=1970 + point.year % 60) for point in points if point.day < 29]
    if not points:
        return
    utc = dt.UTC
    if letters == "epoch":
        raw = [repr(point.replace(tzinfo=utc).timestamp()) for point in points]
    else:
        raw = [
            point.isoformat() if letters == "iso" else point.strftime(letters) for point in points
        ]
    how = {"column": "x", "format": letters, "origin": origin}
    found = values(read(tmp_path_factory.mktemp("d"), "events.time", how, raw), "events.time")
    midnight = dt.datetime.combine(origin, dt.time())
    expected = [(point - midnight) / dt.timedelta(days=1) for point in points]
    assert found == pytest.approx(expected, abs=1e-9)
