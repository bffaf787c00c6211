"""Where a platform's rows come from: what every kind of source can do.

A new kind is a new file here, and its settings beside the others in `mapping.settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import duckdb


@dataclass(frozen=True)
class Reject:
    """Rows of one source table that could not be read at all, and why."""

    table: str
    reason: str
    rows: int


class Source(Protocol):
    """Tables that DuckDB can read.

    A table is what a mapping's `from` says: a file's path, a table's name, or a query.

    Attributes
    ----------
    lands : bool
        Whether rows must first be copied into the connection (`load`); False where DuckDB
        reads them in place, so that a large table is streamed and never held.
    ordered : bool
        Whether rows always come in the same order, so that a row's number identifies it.
    """

    lands: bool
    ordered: bool

    def describe(self, connection: duckdb.DuckDBPyConnection, table: str, /) -> dict[str, str]:
        """Columns of `table` and their DuckDB types; DataError where it cannot be read."""
        ...

    def label(self, table: str, /) -> str:
        """Return what messages call `table`: never a full path, a host or a password."""
        ...

    def relation(self, table: str, /) -> str:
        """SQL to read `table` from, good once it is described and loaded."""
        ...

    def load(
        self, connection: duckdb.DuckDBPyConnection, needed: Mapping[str, tuple[str, ...]], /
    ) -> list[Reject]:
        """Make the `needed` columns of each table readable; say what had to be rejected."""
        ...

    def fingerprint(self, needed: Mapping[str, tuple[str, ...]], /) -> Any:
        """Return JSON values that change whenever the needed rows do, without reading them."""
        ...
