"""Records with one canonical column, made from one raw column."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb

from data_adapters.base import open_adapter
from edufed.records import LearningRecords

START = "2024-09-01"
BASE: dict[str, dict[str, Any]] = {
    "learners": {},
    "resources": {"kind": {"constant": "page"}},
    "enrolments": {"course_id": {"constant": "c"}},
    "events": {"course_id": {"constant": "c"}, "time": {"constant": 0}},
    "outcomes": {"course_id": {"constant": "c"}, "kind": {"constant": "final"}},
}
KEYS = {"resources": "resource_id"}


def read(
    folder: Path, column: str, how: Any, raw: list, parquet: str | None = None, **more: Any
) -> LearningRecords:
    """Records with one canonical column, TABLE.COLUMN, made from the raw column `x`."""
    table, name = column.split(".")
    if parquet:
        values = ", ".join(f"({i}, CAST({v} AS {parquet}))" for i, v in enumerate(raw))
        source = "x.parquet"
        duckdb.execute(f"COPY (SELECT * FROM (VALUES {values}) t(n, x)) TO '{folder}/{source}'")
    else:
        source = "x.csv"
        with (folder / source).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(["n", "x"])
            writer.writerows(enumerate("" if v is None else v for v in raw))
    key = KEYS.get(table, "learner_id")
    columns = {key: {"row_number": ""}, **BASE[table], name: how}
    tables = {table: {"from": source, "columns": columns}}
    if table != "events":
        event = {"learner_id": "n", "course_id": "n", "time": {"constant": 0}}
        tables["events"] = {"from": source, "columns": event}
    adapter = {"name": "mooc", "source": {"kind": "files"}, "tables": tables, **more}
    return open_adapter(adapter, folder).read()


def values(records: LearningRecords, column: str) -> list:
    table, name = column.split(".")
    key = KEYS.get(table, "learner_id")
    rows = records.connection.execute(
        f'SELECT "{name}" FROM "{table}" ORDER BY CAST("{key}" AS INTEGER)'
    ).fetchall()
    return [value for (value,) in rows]


def warnings(records: LearningRecords) -> list[tuple]:
    return records.connection.execute(
        "SELECT table_name, column_name, reason, rows FROM source_warnings"
    ).fetchall()
