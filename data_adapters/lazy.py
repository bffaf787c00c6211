"""Learning records that are opened when somebody looks at them, and not before."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import duckdb

from edufed.records import LearningRecords


class LazyRecords(LearningRecords):
    """Learning records whose connection is filled when it is first asked for.

    The fingerprint alone then costs next to nothing: a site that has its features cached
    opens no database and reads no statement and no row.

    Parameters
    ----------
    fill : callable
        Gives the connection in which each present table is a table or view.
    fingerprint : str
        As of `edufed.records.LearningRecords`.
    """

    def __init__(self, fill: Callable[[], duckdb.DuckDBPyConnection], fingerprint: str) -> None:
        self._fill = fill
        self.fingerprint = fingerprint

    # Cached in the attribute's own place: to its users it stays an attribute.
    @cached_property
    def connection(  # type: ignore[override]
        self,
    ) -> duckdb.DuckDBPyConnection:
        """The connection in which each present table is a view."""
        return self._fill()
