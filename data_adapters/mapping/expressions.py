"""One form of a mapping, compiled to one DuckDB expression.

Every expression reads a row of the platform's table under the name `src`. What cannot be read
becomes NULL by TRY_CAST, and a second expression, `lost`, is true of exactly those rows, so
that they can be counted.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Protocol

from data_adapters.mapping import instants
from data_adapters.mapping.how import (
    Bands,
    Constant,
    Date,
    How,
    Joined,
    Looked,
    Lookup,
    Number,
    Plain,
    RowNumber,
    Threshold,
    Values,
)
from data_adapters.mapping.raw import finite, number, text
from data_adapters.mapping.target import TYPES, Kind
from data_adapters.sources.quoting import Scalar, literal


@dataclass(frozen=True)
class Expression:
    """SQL for a value, and for when a value that was there could not be read.

    Attributes
    ----------
    value : str
        SQL of the canonical value.
    given : str or None
        SQL, true where the platform gave a value; None where no value can be lost.
    reason : str
        What is wrong with a lost value, in the words of the report.
    known : str or None
        SQL, true where the mapping itself says NULL; None: nowhere.
    strict : bool
        Whether a single lost value refuses the data.
    column : str
        The raw column that is read.
    """

    value: str
    given: str | None = None
    reason: str = ""
    known: str | None = None
    strict: bool = False
    column: str = ""

    @property
    def lost(self) -> str | None:
        """SQL, true where a given value could not be read; None where that cannot be."""
        if self.given is None:
            return None
        known = f" AND NOT coalesce({self.known}, false)" if self.known else ""
        return f"({self.given} AND ({self.value}) IS NULL{known})"


class Row(Protocol):
    """The row of the platform's table that an expression reads."""

    def type_of(self, column: str) -> str:
        """DuckDB type of a column; DataError where there is none."""
        ...

    def number(self) -> str:
        """SQL of the row's number; DataError where the source has no fixed order."""
        ...

    def course_start(self) -> str:
        """SQL of the first day of the row's course; DataError where nothing states it."""
        ...

    def looked_up(self, key: str, lookup: Looked, kind: Kind) -> str:
        """SQL of what `lookup` finds for `key`, which is SQL of text."""
        ...


def compile_how(how: How, kind: Kind, row: Row) -> Expression:
    """Compile one form for a canonical column of `kind`."""
    columns = how.columns if isinstance(how, Joined) else [getattr(how, "column", "")]
    return replace(_compile(how, kind, row), column=", ".join(columns))


def _compile(how: How, kind: Kind, row: Row) -> Expression:
    match how:
        case Plain():
            return _plain(how, kind, row)
        case Constant():
            return Expression(_stated(how.constant, kind))
        case RowNumber():
            return Expression(f"{literal(how.row_number)} || {row.number()}")
        case Joined():
            parts = f" || {literal(how.join)} || ".join(
                text(column, row.type_of(column)) for column in how.columns
            )
            return _of_text(f"{literal(how.prefix)} || {parts}" if how.prefix else parts, kind)
        case Values():
            return _values(how, kind, row)
        case Number():
            return _number(how, kind, row)
        case Date():
            return _date(how, kind, row)
        case Bands():
            return _bands(how, row)
        case Threshold():
            type_ = row.type_of(how.column)
            real = number(how.column, type_, how.decimal)
            return Expression(
                f"({real} >= {literal(how.at_least)})",
                f"{text(how.column, type_)} IS NOT NULL",
                "not a number",
            )
        case Lookup():
            key = text(how.column, row.type_of(how.column))
            found = row.looked_up(key, how.lookup, kind)
            return Expression(found, f"{key} IS NOT NULL", "not found in the other table")


def _plain(how: Plain, kind: Kind, row: Row) -> Expression:
    type_ = row.type_of(how.column)
    if kind == "date" or (kind == "day" and instants.temporal(type_)):
        return _date(Date(column=how.column), kind, row)
    if kind in ("number", "day") and "INT" in type_:
        return Expression(number(how.column, type_))
    return _of_text(text(how.column, type_), kind)


def _of_text(value: str, kind: Kind) -> Expression:
    if kind == "text":
        return Expression(value)
    reasons = {"boolean": "neither true nor false", "date": "not a date"}
    return Expression(_cast(value, kind), f"{value} IS NOT NULL", reasons.get(kind, "not a number"))


def _cast(value: str, kind: Kind) -> str:
    if kind == "text":
        return value
    if kind in ("number", "day", "integer"):
        return _whole(finite(f"TRY_CAST({value} AS DOUBLE)"), kind)
    return f"TRY_CAST({value} AS {TYPES[kind]})"


def _whole(real: str, kind: Kind) -> str:
    if kind != "integer":
        return real
    return f"CASE WHEN {real} = trunc({real}) THEN TRY_CAST({real} AS BIGINT) END"


def _stated(value: Scalar, kind: Kind) -> str:
    return f"CAST({literal(value)} AS {TYPES[kind]})"


def _values(how: Values, kind: Kind, row: Row) -> Expression:
    raw = text(how.column, row.type_of(how.column))
    cases = " ".join(
        f"WHEN {literal(key)} THEN {_stated(value, kind)}" for key, value in how.values.items()
    )
    otherwise = "NULL"
    if how.default is not None:
        # A value that the platform did not give stays missing.
        otherwise = f"CASE WHEN {raw} IS NOT NULL THEN {_stated(how.default, kind)} END"
    elif how.unmapped == "keep":
        otherwise = _cast(raw, kind)
    nulls = ", ".join(literal(key) for key, value in how.values.items() if value is None)
    return Expression(
        f"CASE {raw} {cases} ELSE {otherwise} END",
        None if how.default is not None else f"{raw} IS NOT NULL",
        "not among the mapped values",
        f"{raw} IN ({nulls})" if nulls else None,
        how.unmapped == "error",
    )


def _number(how: Number, kind: Kind, row: Row) -> Expression:
    type_ = row.type_of(how.column)
    times, over = how.factors
    real = number(how.column, type_, how.decimal)
    scaled = f"({real} * {times!r} / {over!r})"
    given = f"{text(how.column, type_)} IS NOT NULL"
    return Expression(_whole(scaled, kind), given, "not a number")


def _date(how: Date, kind: Kind, row: Row) -> Expression:
    type_ = row.type_of(how.column)
    point = instants.instant(how, type_)
    given = f"{text(how.column, type_)} IS NOT NULL"
    if kind == "date":
        return Expression(point, given, f"not a date ({how.format})")
    if how.origin is None:
        origin = row.course_start()
    elif isinstance(how.origin, dt.date):
        origin = _stated(how.origin, "date")
    else:
        origin = compile_how(how.origin, "date", row).value
    return Expression(
        f"((epoch({point}) - epoch({origin})) / 86400.0)",
        given,
        f"not a date ({how.format}), or no first day to count from",
    )


def _bands(how: Bands, row: Row) -> Expression:
    type_ = row.type_of(how.column)
    real = number(how.column, type_)
    cases = " ".join(
        f"WHEN {real} >= {low}{f' AND {real} < {high + 1}' if high is not None else ''}"
        f" THEN {literal(f'{low}-{high}' if high is not None else f'{low}-')}"
        for low, high in how.edges
    )
    given = f"{text(how.column, type_)} IS NOT NULL"
    return Expression(f"CASE {cases} END", given, "in none of the bands")
