"""Every mistake in a mapping is one clear line, without a learner's value."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_adapters.base import MODULES, open_adapter
from edufed.records import DataError

GOOD: dict[str, Any] = {
    "name": "mooc",
    "source": {"kind": "files"},
    "course_start": "2024-09-01",
    "tables": {
        "learners": {
            "from": "v.csv",
            "columns": {
                "learner_id": "who",
                "gender": {"column": "sex", "values": {"F": "female", "M": "male"}},
            },
        },
        "events": {
            "from": "v.csv",
            "columns": {
                "learner_id": "who",
                "course_id": {"constant": "c"},
                "time": {"column": "at", "format": "iso"},
            },
        },
    },
}


def learners(column: str, how: Any) -> Callable[[dict], None]:
    def change(adapter: dict) -> None:
        adapter["tables"]["learners"]["columns"][column] = how

    return change


def events(column: str, how: Any) -> Callable[[dict], None]:
    def change(adapter: dict) -> None:
        adapter["tables"]["events"]["columns"][column] = how

    return change


def drop(*path: str) -> Callable[[dict], None]:
    def change(adapter: dict) -> None:
        for key in path[:-1]:
            adapter = adapter[key]
        del adapter[path[-1]]

    return change


def put(*path: Any) -> Callable[[dict], None]:
    def change(adapter: dict) -> None:
        for key in path[:-2]:
            adapter = adapter[key]
        adapter[path[-2]] = path[-1]

    return change


OTHER = {"from": "v.csv", "match": "at", "take": "at"}
MISTAKES: list[tuple[Callable[[dict], None], str]] = [
    # Settings, wrong by themselves.
    (put("name", "moon"), "adapter.name: no adapter 'moon'; choose one of"),
    (put("colour", 1), "adapter.colour: Extra inputs are not permitted"),
    (drop("source"), "adapter.source: Field required"),
    (put("source", "kind", "fles"), "adapter.source: .*'fles'"),
    (put("source", "sep", ";"), "adapter.source.sep: Extra inputs"),
    (put("source", "delimiter", ";;"), "adapter.source.delimiter: String should have at most 1"),
    (put("source", "encoding", "gbk"), "adapter.source.encoding: Input should be 'utf-8'"),
    (put("course_start", "soon"), "adapter.course_start"),
    (drop("tables"), "adapter.tables: a site of kind mooc needs events; map it"),
    (put("tables", ["events"]), "adapter.tables: write a mapping for each canonical table"),
    (drop("tables", "events"), "adapter.tables: a site of kind mooc needs events; map it"),
    (put("tables", "grades", {"from": "v.csv", "columns": {}}), "tables: no table 'grades'"),
    (put("tables", "events", []), "adapter.tables.events: .* at least 1 item"),
    (put("tables", "events", "v.csv"), "adapter.tables.events.0: Input should be"),
    (drop("tables", "events", "from"), "adapter.tables.events.0.from: Field required"),
    (put("tables", "events", "filter", 1), "adapter.tables.events.0.filter: Extra inputs"),
    (put("tables", "events", "where", {"at": {"is": 1, "like": 2}}), "where.at.like: Extra inputs"),
    (put("tables", "events", "one_per_key", True), "events have no key, so no one_per_key"),
    (events("tme", "at"), "tables.events.columns.tme: events has no such column; choose from"),
    (drop("tables", "events", "columns", "time"), "tables.events: time must be mapped"),
    (learners("gender", {"colum": "sex"}), r"learners.0.columns.gender.column: Field required"),
    (learners("gender", {"column": "sex", "values": {"F": "f"}}), "'f' is no learners.gender"),
    (learners("gender", {"column": "sex", "values": {}}), "gender.values: .* at least 1"),
    (learners("gender", {"column": "sex", "values": {True: "male"}}), "raw value in quotes"),
    (
        learners("gender", {"column": "sex", "values": {"F": "female"}, "unmapped": "drop"}),
        "gender.unmapped: Input should be 'missing', 'error' or 'keep'",
    ),
    (
        learners(
            "gender",
            {"column": "sex", "values": {"F": "female"}, "unmapped": "keep", "default": "male"},
        ),
        "give either `unmapped` or `default`",
    ),
    (learners("education_level", {"constant": 9}), "9 is no learners.education_level"),
    (learners("education_level", {"constant": "high"}), "'high' is no learners.education_level"),
    (learners("age_band", {"column": "sex", "bands": ["young"]}), "'young' is not a band"),
    (learners("age_band", {"column": "sex", "bands": ["18-15"]}), "'18-15' is not a band"),
    (learners("age_band", {"column": "sex", "bands": ["15-18", "18-20"]}), "bands must rise"),
    (learners("region", {"column": "sex", "bands": ["15-18"]}), "bands are for age_band alone"),
    (learners("region", {"column": "sex", "at_least": 3}), "at_least gives true or false"),
    (learners("region", {"column": "sex", "format": "iso"}), "a date cannot be a text"),
    (events("score", {"column": "at", "unit": "stones"}), "unknown unit 'stones'"),
    (events("score", {"column": "at", "unit": "percent", "scale": 2}), "give one of `scale`"),
    (events("score", {"column": "at", "points_of": 0}), "score.points_of: .* greater than 0"),
    (events("time", {"column": "at", "format": "%Q"}), "'%Q' is no format"),
    (events("time", {"column": "at", "format": "dd/mm"}), "'dd/mm' is no format"),
    (events("time", {"column": "at", "timezone": "Mars"}), "unknown time zone 'Mars'"),
    (events("time", {"column": "at", "origin": {"colum": "x"}}), "time.origin"),
    # Settings that do not fit the files.
    (put("tables", "events", "from", "w.csv"), r"w.csv: no such file"),
    (events("verb", "doing"), r"v.csv: no column 'doing' \(for events.verb\) among its 4 columns"),
    (learners("gender", "Sex"), r"v.csv: no column 'Sex' .*; did you mean 'sex'\?"),
    (put("tables", "events", "where", {"on": 1}), r"no column 'on' \(for the filter of events\)"),
    (put("course_start", None), "events.time is a date, and nothing states the first day"),
    (
        put("course_start", {"d": "2024-09-01"}),
        r"v.csv: none of the first 3 values in column 'at' can be read for events.time",
    ),
    # Files that do not fit the settings.
    (
        events("time", {"column": "at", "format": "%d/%m/%Y"}),
        r"none of the first 3 values in column 'at' can be read for events.time \(not a date",
    ),
    (events("score", "sex"), r"in column 'sex' can be read for events.score \(not a number"),
    (learners("support_need", "who"), r"for learners.support_need \(neither true nor false"),
    (
        learners("gender", {"column": "sex", "values": {"f": "female"}}),
        r"none of the first 2 values .* learners.gender \(not among the mapped values",
    ),
    (
        learners("gender", {"column": "sex", "values": {"F": "female"}, "unmapped": "error"}),
        "v.csv: 1 of 2 values in column 'sex' for learners.gender are not among the mapped",
    ),
    (
        learners(
            "region", {"column": "who", "lookup": {"from": "v.csv", "match": "at", "take": "at"}}
        ),
        "none of the first 3 values .* learners.region .* other table",
    ),
    (
        learners(
            "region", {"column": "who", "lookup": {"from": "w.csv", "match": "a", "take": "b"}}
        ),
        r"w.csv: no such file",
    ),
]


@pytest.mark.parametrize(("change", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_mistakes(change: Callable[[dict], None], said: str, tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(
        "who,sex,at,x\nANNA,F,2024-09-02,1\nBERT,M,2024-09-03,1\nCLEO,,2024-09-04,1\n"
    )
    adapter = copy.deepcopy(GOOD)
    open_adapter(adapter, tmp_path).read()
    change(adapter)
    with pytest.raises(DataError, match=said) as caught:
        # One unmapped value among many is looked for only when rows are asked for.
        open_adapter(adapter, tmp_path).read().present()
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path) not in message
    assert not any(learner in message for learner in ("ANNA", "BERT", "CLEO"))


def test_one_unmapped_value_far_down_is_an_error_where_it_is_to_be(tmp_path: Path) -> None:
    rows = "ANNA,F,2024-09-02\n" * 20_000 + "BERT,?,2024-09-02\n"
    (tmp_path / "v.csv").write_text("who,sex,at\n" + rows)
    adapter = copy.deepcopy(GOOD)
    assert open_adapter(adapter, tmp_path).read().count("events") == 20_001
    learners("gender", {"column": "sex", "values": {"F": "female"}, "unmapped": "error"})(adapter)
    with pytest.raises(DataError, match=r"1 of 20001 values in column 'sex'"):
        open_adapter(adapter, tmp_path).read()


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"oulad", "province"}))
def test_every_kind_of_platform_says_what_it_needs(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"a site of kind {name} needs \w+"):
        open_adapter({"name": name, "source": {"kind": "files"}, "tables": {}}, tmp_path)


@pytest.mark.parametrize("name", ["live_class", "digital_library"])
def test_tables_that_a_kind_of_platform_does_not_have(name: str, tmp_path: Path) -> None:
    adapter = copy.deepcopy(GOOD) | {"name": name}
    outcomes = {"learner_id": "who", "course_id": "who", "kind": {"constant": "final"}}
    adapter["tables"]["outcomes"] = {"from": "v.csv", "columns": outcomes}
    with pytest.raises(DataError, match=rf"a site of kind {name} has no outcomes; it may have"):
        open_adapter(adapter, tmp_path)
