"""A DuckDB connection fit for learners' records."""

from __future__ import annotations

import tempfile
from pathlib import Path
from uuid import uuid4

import duckdb


def open_connection() -> duckdb.DuckDBPyConnection:
    """Open an empty in-memory database for one site's rows.

    It fetches no extension over the network, counts time in UTC, and what it has to spill to
    disk goes encrypted to the machine's temporary folder, from which DuckDB removes it. Rows
    that a source lands go, compressed, into its second database, `landed`.
    """
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": str(Path(tempfile.gettempdir()) / f"edufed-{uuid4().hex}"),
            "temp_file_encryption": True,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("ATTACH ':memory:' AS landed (COMPRESS)")
    return connection
