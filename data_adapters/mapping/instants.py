"""A raw column as a point in time in UTC, from any of the ways in which platforms write it."""

from __future__ import annotations

from data_adapters.mapping.how import Date
from data_adapters.mapping.raw import column, number, text
from data_adapters.sources.quoting import literal

#: Microseconds in one unit of a count since 1970.
EPOCHS = {"epoch": 1_000_000, "epoch_ms": 1_000}
#: Beyond this many microseconds (the year 30490) make_timestamp would fail, not give NULL.
LATEST = 900_000_000_000_000_000
#: A time of day that states its own offset from UTC.
OFFSET = r":\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)$"
CLOCK = ("%H", "%I", "%c", "%X")


def temporal(type_: str) -> bool:
    """Tell whether DuckDB's type is a date or a point in time."""
    return type_ == "DATE" or type_.startswith("TIMESTAMP")


def instant(how: Date, type_: str) -> str:
    """SQL of a UTC timestamp; NULL where the column does not hold one.

    A date without a time of day is a calendar day: it is not moved between time zones.
    """
    value = column(how.column)
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return f"({value} AT TIME ZONE 'UTC')"
    if type_ == "DATE":
        return f"CAST({value} AS TIMESTAMP)"
    if temporal(type_):
        return _utc(f"CAST({value} AS TIMESTAMP)", how.timezone)
    if how.format in EPOCHS:
        micros = f"TRY_CAST(round({number(how.column, type_)} * {EPOCHS[how.format]}) AS BIGINT)"
        return f"CASE WHEN abs({micros}) < {LATEST} THEN make_timestamp({micros}) END"
    written = text(how.column, type_)
    if how.format == "iso":
        stated = f"(TRY_CAST({written} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"
        if how.timezone == "UTC":
            return stated
        local = _utc(f"TRY_CAST({written} AS TIMESTAMP)", how.timezone)
        return (
            f"CASE WHEN length({written}) <= 10 OR regexp_matches({written}, {literal(OFFSET)})"
            f" THEN {stated} ELSE {local} END"
        )
    parsed = f"try_strptime({written}, {literal(how.format)})"
    if "%z" in how.format or "%Z" in how.format:
        return f"({parsed} AT TIME ZONE 'UTC')"
    if any(letter in how.format for letter in CLOCK):
        return _utc(parsed, how.timezone)
    return parsed


def _utc(naive: str, timezone: str) -> str:
    if timezone == "UTC":
        return naive
    return f"(({naive} AT TIME ZONE {literal(timezone)}) AT TIME ZONE 'UTC')"
