"""What could not be read: refused where it is everything, counted where it is some of it.

`source_rejects(table_name, reason, rows)` counts rows that never became canonical rows.
`source_warnings(table_name, column_name, reason, rows)` counts values that became NULL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import duckdb

from data_adapters.mapping.expressions import Expression
from data_adapters.mapping.tables import CompiledPart
from data_adapters.sources import Reject
from data_adapters.sources.quoting import literal
from edufed.records import DataError

#: So many first rows show whether a column's mapping is a mistake.
PROBE = 10_000


def probe(connection: duckdb.DuckDBPyConnection, parts: Iterable[CompiledPart]) -> None:
    """Refuse a mapping by which no value at all of a column can be read.

    Looks at the first `PROBE` rows of each part alone, so a large table costs nothing; one
    unmapped value where that is an error is looked for in all rows.
    """
    for part in parts:
        readable = {c: e for c, e in part.columns.items() if e.lost is not None}
        rows = f"SELECT * FROM {part.relation} WHERE {part.where} LIMIT {PROBE}"
        _refuse(connection, part, readable, f"({rows}) AS src", strict=False)
        strict = {c: e for c, e in readable.items() if e.strict}
        _refuse(connection, part, strict, f"{part.relation} WHERE {part.where}", strict=True)


def _refuse(
    connection: duckdb.DuckDBPyConnection,
    part: CompiledPart,
    columns: Mapping[str, Expression],
    rows: str,
    strict: bool,
) -> None:
    if not columns:
        return
    counts = ", ".join(
        f"count(*) FILTER ({e.given}), count(*) FILTER ({e.lost})" for e in columns.values()
    )
    try:
        found = connection.execute(f"SELECT {counts} FROM {rows}").fetchone()
    except duckdb.Error as error:
        # DuckDB's own message may quote a row.
        raise DataError(
            f"{part.label}: its rows cannot be read ({type(error).__name__}); see that it is whole"
        ) from error
    assert found is not None
    for i, (column, expression) in enumerate(columns.items()):
        given, lost = found[2 * i], found[2 * i + 1]
        if strict and lost:
            raise DataError(
                f"{part.label}: {lost} of {given} values in column {expression.column!r} for"
                f" {part.table}.{column} are {expression.reason}; map them, or allow them by"
                " `unmapped: missing`"
            )
        if given and lost == given:
            raise DataError(
                f"{part.label}: none of the first {given} values in column"
                f" {expression.column!r} can be read for {part.table}.{column}"
                f" ({expression.reason}); correct its mapping"
            )


def count_rejects(connection: duckdb.DuckDBPyConnection, rejects: Iterable[Reject]) -> None:
    """Write `source_rejects`."""
    connection.execute(
        "CREATE OR REPLACE TABLE source_rejects(table_name VARCHAR, reason VARCHAR, rows BIGINT)"
    )
    for reject in rejects:
        connection.execute(
            "INSERT INTO source_rejects VALUES ($1, $2, $3)",
            [reject.table, reject.reason, reject.rows],
        )


def count_warnings(connection: duckdb.DuckDBPyConnection, parts: Iterable[CompiledPart]) -> None:
    """Define `source_warnings`: a view, so that only who asks for it pays for the counting."""
    counts = [sql for part in parts for sql in _warnings(part)]
    nothing = "SELECT '' AS table_name, '' AS column_name, '' AS reason, 0 AS rows WHERE false"
    connection.execute(
        "CREATE OR REPLACE VIEW source_warnings AS SELECT table_name, column_name, reason,"
        f" CAST(sum(rows) AS BIGINT) AS rows FROM ({' UNION ALL '.join([nothing, *counts])})"
        " WHERE rows > 0 GROUP BY ALL"
    )


def _warnings(part: CompiledPart) -> Iterator[str]:
    found = [(name, e.reason, e.lost) for name, e in part.columns.items() if e.lost is not None]
    if part.dated is not None:
        undated = "no day: the row is left out wherever a cutoff holds"
        found.append(("dated", undated, f"({part.dated.value}) IS NULL"))
    if not found:
        return
    names = ", ".join(literal(column) for column, _, _ in found)
    reasons = ", ".join(literal(reason) for _, reason, _ in found)
    counts = ", ".join(f"count(*) FILTER ({lost})" for _, _, lost in found)
    yield (
        f"SELECT {literal(part.table)} AS table_name, unnest([{names}]) AS column_name,"
        f" unnest([{reasons}]) AS reason, unnest([{counts}]) AS rows"
        f" FROM {part.relation} WHERE {part.where}"
    )
