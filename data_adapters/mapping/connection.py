"""A DuckDB connection fit for learners' records."""

from __future__ import annotations

import duckdb


def open_connection() -> duckdb.DuckDBPyConnection:
    """Open an empty in-memory database for one site's rows.

    It fetches no extension over the network, counts time in UTC, and never spills a row to
    the disk. Rows that a source lands go, compressed, into its second database, `landed`.
    """
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": "",
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("ATTACH ':memory:' AS landed (COMPRESS)")
    return connection
