"""Rows copied into the connection, for sources that DuckDB cannot read in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb
import pyarrow as pa

from data_adapters.sources.quoting import identifier

#: Rows between checkpoints, at which DuckDB compresses what has landed (to about a fifth).
CHECKPOINT = 500_000


def landed(name: str) -> str:
    """Name the landed copy of a table, which no canonical table can have."""
    return f"landed.{identifier(f'from {name}')}"


def land(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, str],
    chunks: Iterable[pa.Table],
) -> int:
    """Land chunks with these columns, of these DuckDB types, and count their rows."""
    table = landed(name)
    typed = ", ".join(f"{identifier(column)} {type_}" for column, type_ in columns.items())
    connection.execute(f"CREATE OR REPLACE TABLE {table} ({typed})")
    rows = loose = 0
    for chunk in chunks:
        connection.register("chunk", chunk)
        connection.execute(f"INSERT INTO {table} SELECT * FROM chunk")
        connection.unregister("chunk")
        rows += len(chunk)
        loose += len(chunk)
        if loose >= CHECKPOINT:
            connection.execute("CHECKPOINT landed")
            loose = 0
    connection.execute("CHECKPOINT landed")
    return rows
