"""Rejected rows, kept beside the platform's data with the reason, readable by its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from data_adapters.governance.checks import literal


def keep(connection: duckdb.DuckDBPyConnection, sql: str, folder: Path, table: str) -> None:
    """Write the rows of a query to `folder/table.parquet`, in one step and with mode 0600.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    sql : str
        SELECT statement that gives the rejected rows.
    folder : pathlib.Path
        Made, with mode 0700, where it is missing.
    table : str
        Canonical name of the table they were in.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = folder / f".{table}.{os.getpid()}.tmp"
    os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    try:
        connection.execute(
            f"COPY ({sql}) TO {literal(str(temporary))} "
            "(FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
        )
        os.replace(temporary, folder / f"{table}.parquet")
    finally:
        temporary.unlink(missing_ok=True)


def forget(folder: Path, table: str) -> None:
    """Remove what an earlier reading of `table` left, now that nothing in it is rejected."""
    (folder / f"{table}.parquet").unlink(missing_ok=True)
