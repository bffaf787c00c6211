"""The pandera schemas of `edufed.records` as SQL: what a column becomes, and what is wrong in it.

One definition, two executions: pandera checks frames, this checks tables too large for one. A
test holds the two to the same verdicts on random dirty frames. One difference is meant: words
such as `2.0` and `true`, which text files are full of, are read as what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pandera import dtypes
from pandera.api.pandas.components import Column
from pandera.pandas import DataFrameSchema


@dataclass(frozen=True)
class Fault:
    """One way in which a row can be wrong.

    Attributes
    ----------
    column : str
    reason : str
        "column: what is wrong"; made of the schema alone, never of data.
    predicate : str
        SQL that holds exactly for the rows at fault, over the columns as read and, beside each,
        the same column in its canonical type under the name `typed` gives.
    """

    column: str
    reason: str
    predicate: str


@dataclass(frozen=True)
class ColumnSQL:
    """One column as SQL.

    Attributes
    ----------
    value : str
        SQL of the column in its canonical type; NULL where the value as read has no such reading.
    faults : tuple of Fault
        In the order in which they are looked for.
    """

    value: str
    faults: tuple[Fault, ...]


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def typed(name: str) -> str:
    """SQL identifier of a column in its canonical type, next to the column as read."""
    return quoted(f"typed {name}")


def literal(value: object) -> str:
    """A number or text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def compile_table(schema: DataFrameSchema, types: Mapping[str, str]) -> dict[str, ColumnSQL]:
    """Compile the columns of `schema` that a table has.

    Parameters
    ----------
    schema : pandera.pandas.DataFrameSchema
    types : mapping
        The table's column names and their DuckDB types.
    """
    return {
        name: compile_column(name, column, types[name])
        for name, column in schema.columns.items()
        if name in types
    }


def compile_column(name: str, column: Column, source_type: str) -> ColumnSQL:
    """Compile one column's coercion, nullability and checks."""
    value, what, unreadable = _coerce(quoted(name), column, source_type)
    found = []
    if unreadable:
        predicate = f"{quoted(name)} IS NOT NULL AND {typed(name)} IS NULL AND {unreadable}"
        found.append((what, predicate))
    if not column.nullable:
        found.append(("missing", f"{typed(name)} IS NULL"))
    for check in column.checks:
        what, holds = _CHECKS[check.name](typed(name), check.statistics)
        found.append((what, f"NOT ({holds})"))
    faults = tuple(Fault(name, f"{name}: {what}", predicate) for what, predicate in found)
    return ColumnSQL(value, faults)


def _coerce(source: str, column: Column, source_type: str) -> tuple[str, str, str]:
    """SQL of the value in its type, and what to say when it has none.

    The third part holds where a value that came to nothing is a fault: a NaN, as in pandas,
    is a missing value. It is empty where every value of the source's type can be read.
    """
    kind = column.dtype
    if dtypes.is_string(kind):
        return (source if source_type == "VARCHAR" else f"CAST({source} AS VARCHAR)"), "", ""
    if dtypes.is_datetime(kind):
        if source_type == "TIMESTAMP WITH TIME ZONE":
            source = f"timezone('UTC', {source})"
        return f"TRY_CAST({source} AS TIMESTAMP_NS)", "not a date", "true"
    number = f"TRY_CAST({source} AS DOUBLE)"
    not_nan = f"coalesce(NOT isnan({number}), true)"
    if dtypes.is_bool(kind):
        if source_type == "BOOLEAN":
            return source, "", ""
        return _boolean(f"CAST({source} AS VARCHAR)"), "not true or false", not_nan
    if source_type in _WHOLE:
        return (number if dtypes.is_float(kind) else f"CAST({source} AS BIGINT)"), "", ""
    value = f"nullif({number}, 'NaN'::DOUBLE)"
    if dtypes.is_float(kind):
        return value, "not a number", "" if source_type in _REAL else not_nan
    whole = f"CASE WHEN {value} = trunc({value}) THEN TRY_CAST({value} AS BIGINT) END"
    return whole, "not a whole number", not_nan


def _boolean(text: str) -> str:
    """What pandas reads as a boolean; it takes neither yes nor t."""
    return (
        f"CASE WHEN {text} IN ('True', 'TRUE', 'true', '1', '1.0') THEN true "
        f"WHEN {text} IN ('False', 'FALSE', 'false', '0', '0.0') THEN false END"
    )


_WHOLE = frozenset(
    ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"]
)
_REAL = frozenset(["FLOAT", "DOUBLE"])


def _in_range(value: str, limits: Mapping[str, Any]) -> tuple[str, str]:
    low, high = limits["min_value"], limits["max_value"]
    above = ">=" if limits["include_min"] else ">"
    below = "<=" if limits["include_max"] else "<"
    holds = f"{value} {above} {low!r} AND {value} {below} {high!r}"
    return f"outside {low:g} to {high:g}", holds


def _at_least(value: str, limits: Mapping[str, Any]) -> tuple[str, str]:
    return f"below {limits['min_value']:g}", f"{value} >= {limits['min_value']!r}"


def _one_of(value: str, limits: Mapping[str, Any]) -> tuple[str, str]:
    allowed = list(limits["allowed_values"])
    return (
        f"not one of {', '.join(map(str, allowed))}",
        f"{value} IN ({', '.join(map(literal, allowed))})",
    )


def _matches(value: str, limits: Mapping[str, Any]) -> tuple[str, str]:
    pattern = limits["pattern"]
    return f"not of the form {pattern}", f"regexp_matches({value}, {literal(f'^(?:{pattern})')})"


def _length(value: str, limits: Mapping[str, Any]) -> tuple[str, str]:
    low, high = limits["min_value"] or 0, limits["max_value"]
    if high is None:
        return ("empty" if low == 1 else f"shorter than {low}"), f"length({value}) >= {low}"
    return f"not {low} to {high} long", f"length({value}) BETWEEN {low} AND {high}"


#: What the schemas may use; a check of another name fails here, so it cannot be passed over.
_CHECKS: dict[str, Callable[[str, Mapping[str, Any]], tuple[str, str]]] = {
    "in_range": _in_range,
    "greater_than_or_equal_to": _at_least,
    "isin": _one_of,
    "str_matches": _matches,
    "str_length": _length,
}
