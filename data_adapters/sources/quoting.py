"""Names and values written into SQL so that neither can be read as anything else."""

from __future__ import annotations

import datetime as dt

Scalar = str | bool | int | float | dt.date | None


def identifier(name: str) -> str:
    """Quote a column's or table's name."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Scalar) -> str:
    """Quote a value; a date becomes its ISO text, which DuckDB casts."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = value if isinstance(value, str) else value.isoformat()
    return "'" + text.replace("'", "''") + "'"
