"""One table's checks: count its faults, keep the bad rows apart, give the good ones its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from data_adapters.governance import quarantine
from data_adapters.governance.checks import Fault, compile_table, literal, quoted, typed
from data_adapters.governance.quality import Example, TableQuality
from edufed.records import TABLES, DataError

#: A table of at most this many rows is held, a larger one stays a view over its source.
HOLD_ROWS = 1_000_000
#: Places shown for each reason in the site's own report.
EXAMPLES = 3
#: Tables whose learners must be among the learners.
REFERRING = ("enrolments", "events", "outcomes")


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(sql).fetchall()


class TableCheck:
    """One table's checks, as SQL, and their run.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    table : str
        Canonical name, which means the table as read until `run` is done.
    known_learners : bool
        Whether `learners` is there and already checked.

    Raises
    ------
    DataError
        The table lacks a column that every row must have.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, table: str, known_learners: bool
    ) -> None:
        self.connection = connection
        self.table = table
        schema = TABLES[table]
        types = {row[0]: str(row[1]) for row in rows_of(connection, f"DESCRIBE {quoted(table)}")}
        lacking = [
            name for name, column in schema.columns.items() if column.required and name not in types
        ]
        if lacking:
            raise DataError(
                f"{table}: no column {', '.join(lacking)}; every row must have it, so map it"
            )
        columns = compile_table(schema, types)
        self.columns = tuple(columns)
        self.missing = tuple(name for name in schema.columns if name not in types)
        self.faults = [fault for column in columns.values() for fault in column.faults]
        if known_learners and table in REFERRING:
            unknown = f"{typed('learner_id')} NOT IN (SELECT learner_id FROM learners)"
            self.faults.append(Fault("learner_id", "learner_id: not among the learners", unknown))
        self.key = [name for name in schema.unique or () if name in types]
        self.unchecked = f"unchecked_{table}"
        self.values = ", ".join(f"{sql.value} AS {typed(name)}" for name, sql in columns.items())
        self.judged = self._judge(self.unchecked)

    def run(self, folder: Path | None) -> tuple[TableQuality, tuple[float, float] | None]:
        """Count, keep the bad rows, and put the good ones under the table's name."""
        kind = self._set_aside()
        held = self._hold(kind, HOLD_ROWS)
        counts, gaps, time_range = self._tally(held)
        duplicates = self._duplicates(held)
        if duplicates:
            if not held:
                held = self._hold(kind, None)
            counts[self._mark_duplicates()] = duplicates
            counts[None] -= duplicates
        reasons = {
            self.faults[number].reason: count
            for number, count in sorted((n, c) for n, c in counts.items() if n is not None)
        }
        examples = self._keep(held, folder) if reasons else {}
        if folder is not None and not reasons:
            quarantine.forget(folder, self.table)
        self._accept(held, rejects=bool(reasons))
        return TableQuality(
            rows=sum(counts.values()),
            rejected=sum(reasons.values()),
            reasons=reasons,
            duplicates=duplicates,
            missing_columns=self.missing,
            missing_values=gaps,
            examples=examples,
        ), time_range

    def _set_aside(self) -> str:
        """Give the table as read its other name; return whether it is a TABLE or a VIEW."""
        ((kind,),) = rows_of(
            self.connection,
            "SELECT table_type FROM information_schema.tables "
            f"WHERE table_name = {literal(self.table)}",
        )
        what = "VIEW" if kind == "VIEW" else "TABLE"
        self.connection.execute(f"ALTER {what} {quoted(self.table)} RENAME TO {self.unchecked}")
        return what

    def _hold(self, kind: str, limit: int | None) -> bool:
        """Hold the rows as read with the number of their first fault, if they are few enough.

        One pass over the source then serves the counts, the quarantine and all later readers,
        and a row keeps one place throughout.
        """
        columns = ", ".join(map(quoted, self.columns))
        most = "" if limit is None else f" LIMIT {limit + 1}"
        self.connection.execute(
            f"CREATE TABLE held AS SELECT {columns}, fault FROM ({self.judged}){most}"
        )
        ((rows,),) = rows_of(self.connection, "SELECT count(*) FROM held")
        if limit is not None and rows > limit:
            self.connection.execute("DROP TABLE held")
            return False
        self.connection.execute(f"DROP {kind} {self.unchecked}")
        self.connection.execute(f"ALTER TABLE held RENAME TO {self.unchecked}")
        return True

    def _checked(self, held: bool, place: str = "") -> str:
        """SQL of the rows as read, their typed columns and their fault."""
        rows = f"(SELECT *{place} FROM {self.unchecked})"
        if held:
            return f"(SELECT *, {self.values} FROM {rows})"
        return f"({self._judge(rows)})"

    def _judge(self, source: str) -> str:
        cases = " ".join(
            f"WHEN {fault.predicate} THEN {number}" for number, fault in enumerate(self.faults)
        )
        return f"SELECT *, CASE {cases} END AS fault FROM (SELECT *, {self.values} FROM {source})"

    def _tally(
        self, held: bool
    ) -> tuple[dict[int | None, int], dict[str, int], tuple[float, float] | None]:
        """Rows by fault, missing values by column, and the range of times."""
        nullable = [name for name in self.columns if TABLES[self.table].columns[name].nullable]
        time = typed("time") if "time" in self.columns else "NULL"
        missing = "".join(f", count(*) - count({typed(name)})" for name in nullable)
        found = rows_of(
            self.connection,
            f"SELECT fault, count(*), min({time}), max({time}){missing} "
            f"FROM {self._checked(held)} GROUP BY fault",
        )
        counts = {row[0]: row[1] for row in found}
        for fault, _, first, last, *absent in found:
            if fault is None:
                gaps = {name: count for name, count in zip(nullable, absent, strict=True) if count}
                return counts, gaps, None if first is None else (first, last)
        return counts, {}, None

    def _duplicates(self, held: bool) -> int:
        if not self.key:
            return 0
        ((count,),) = rows_of(
            self.connection,
            "SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (SELECT count(*) AS n "
            f"FROM {self._checked(held)} WHERE fault IS NULL "
            f"GROUP BY {self._typed_key()} HAVING count(*) > 1)",
        )
        return int(count)

    def _typed_key(self) -> str:
        return ", ".join(map(typed, self.key))

    def _mark_duplicates(self) -> int:
        """Put the number of a new fault on all held rows of a key but the first."""
        number = len(self.faults)
        reason = f"{' + '.join(self.key)}: given before"
        self.faults.append(Fault(self.key[-1], reason, "false"))
        first = (
            f"SELECT min(place) FROM {self._checked(True, ', rowid AS place')} "
            f"WHERE fault IS NULL GROUP BY {self._typed_key()}"
        )
        self.connection.execute(
            f"UPDATE {self.unchecked} SET fault = {number} "
            f"WHERE fault IS NULL AND rowid NOT IN ({first})"
        )
        return number

    def _keep(self, held: bool, folder: Path | None) -> dict[str, tuple[Example, ...]]:
        """Write the rejected rows to quarantine; return the places of a few."""
        place = ", rowid + 1 AS place" if held else ", row_number() OVER () AS place"
        rejected = f"{self._checked(held, place)} WHERE fault IS NOT NULL"
        if folder is not None:
            reasons = ", ".join(literal(fault.reason) for fault in self.faults)
            columns = ", ".join(map(quoted, self.columns))
            sql = f'SELECT {columns}, place AS "row", [{reasons}][fault + 1] AS reason'
            quarantine.keep(self.connection, f"{sql} FROM {rejected}", folder, self.table)
        places = rows_of(
            self.connection,
            f"SELECT fault, min(place, {EXAMPLES}) FROM {rejected} GROUP BY fault ORDER BY fault",
        )
        return {
            self.faults[number].reason: tuple(
                Example(place, self.faults[number].column) for place in found
            )
            for number, found in places
        }

    def _accept(self, held: bool, rejects: bool) -> None:
        if held and rejects:
            self.connection.execute(f"DELETE FROM {self.unchecked} WHERE fault IS NOT NULL")
        where = " WHERE fault IS NULL" if rejects and not held else ""
        columns = ", ".join(f"{typed(name)} AS {quoted(name)}" for name in self.columns)
        self.connection.execute(
            f"CREATE VIEW {quoted(self.table)} AS "
            f"SELECT {columns} FROM {self._checked(held)}{where}"
        )
