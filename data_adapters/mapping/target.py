"""What a canonical column holds, told from its pandera schema."""

from __future__ import annotations

from typing import Literal

from edufed.records import DAYS, TABLES

Kind = Literal["text", "number", "integer", "boolean", "day", "date"]
#: DuckDB's type for each kind of column.
TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "number": "DOUBLE",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "day": "DOUBLE",
    "date": "TIMESTAMP",
}


def column_kind(table: str, column: str) -> Kind:
    """Tell what `column` holds; a `day` is a number of days after the course's first day."""
    schema = TABLES[table].columns[column]
    # Not `DAYS in checks`: pandera copies a column's checks, and copies are not equal.
    if any(check.statistics == DAYS.statistics for check in schema.checks):
        return "day"
    kinds: dict[str, Kind] = {
        "float64": "number",
        "Int64": "integer",
        "boolean": "boolean",
        "datetime64[ns]": "date",
    }
    return kinds.get(str(schema.dtype), "text")


def required_columns(table: str) -> tuple[str, ...]:
    """Columns that every row of `table` must have."""
    return tuple(name for name, column in TABLES[table].columns.items() if column.required)


def key_columns(table: str) -> tuple[str, ...]:
    """Columns that together name a row of `table`; empty where rows have no key.

    Results have none: two of a learner may differ in nothing but what a platform does not tell.
    """
    key = tuple(TABLES[table].unique or ())
    return key if all(TABLES[table].columns[name].required for name in key) else ()
