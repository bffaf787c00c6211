"""One table's checks: count its faults, keep the bad rows apart, give the good ones its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from data_adapters.governance import quarantine
from data_adapters.governance.checks import Fault, compile_table, literal, quoted, typed
from data_adapters.governance.quality import Example, TableQuality
from edufed.records import TABLES, DataError

#: A checked table of at most this many rows is held, a larger one stays a view over its source.
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
        self.key = list(schema.unique or ())
        self.unchecked = f"unchecked_{table}"
        self.values = {name: column.value for name, column in columns.items()}
        self.judged = self._judge(quoted(self.unchecked))

    def _judge(self, source: str) -> str:
        """SQL that puts the typed columns and the number of the first fault beside each row."""
        cases = " ".join(
            f"WHEN {fault.predicate} THEN {number}" for number, fault in enumerate(self.faults)
        )
        values = ", ".join(f"{value} AS {typed(name)}" for name, value in self.values.items())
        return f"SELECT *, CASE {cases} END AS fault FROM (SELECT *, {values} FROM {source})"

    def run(self, folder: Path | None) -> tuple[TableQuality, tuple[float, float] | None]:
        """Count, keep the bad rows, and put the good ones under the table's name."""
        held = self._set_aside()
        counts, missing, time_range = self._tally()
        duplicates = self._duplicates()
        if duplicates:
            self.faults.append(
                Fault(self.key[-1], f"{' + '.join(self.key)}: given before", "false")
            )
            counts[len(self.faults) - 1] = duplicates
            counts[None] -= duplicates
        reasons = {
            self.faults[number].reason: count
            for number, count in sorted((n, c) for n, c in counts.items() if n is not None)
        }
        rejected = sum(reasons.values())
        examples = self._keep(folder, duplicates > 0) if rejected else {}
        if folder is not None and not rejected:
            quarantine.forget(folder, self.table)
        self._accept(counts.get(None, 0), rejected, duplicates > 0, held)
        return TableQuality(
            rows=sum(counts.values()),
            rejected=rejected,
            reasons=reasons,
            duplicates=duplicates,
            missing_columns=self.missing,
            missing_values=missing,
            examples=examples,
        ), time_range

    def _set_aside(self) -> bool:
        """Give the table as read its other name; tell whether DuckDB already holds its rows."""
        ((kind,),) = rows_of(
            self.connection,
            "SELECT table_type FROM information_schema.tables "
            f"WHERE table_name = {literal(self.table)}",
        )
        what = "VIEW" if kind == "VIEW" else "TABLE"
        self.connection.execute(f"ALTER {what} {quoted(self.table)} RENAME TO {self.unchecked}")
        return what == "TABLE"

    def _tally(self) -> tuple[dict[int | None, int], dict[str, int], tuple[float, float] | None]:
        """Rows by fault, missing values by column and range of times: one pass over the table."""
        nullable = [name for name in self.columns if TABLES[self.table].columns[name].nullable]
        time = typed("time") if "time" in self.columns else "NULL"
        missing = "".join(f", count(*) - count({typed(name)})" for name in nullable)
        found = rows_of(
            self.connection,
            f"SELECT fault, count(*), min({time}), max({time}){missing} "
            f"FROM ({self.judged}) GROUP BY fault",
        )
        counts = {row[0]: row[1] for row in found}
        for fault, _, first, last, *absent in found:
            if fault is None:
                gaps = {name: count for name, count in zip(nullable, absent, strict=True) if count}
                return counts, gaps, None if first is None else (first, last)
        return counts, {}, None

    def _duplicates(self) -> int:
        if not self.key:
            return 0
        key = ", ".join(map(typed, self.key))
        ((count,),) = rows_of(
            self.connection,
            f"SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (SELECT count(*) AS n "
            f"FROM ({self.judged}) WHERE fault IS NULL GROUP BY {key} HAVING count(*) > 1)",
        )
        return int(count)

    def _numbered(self, duplicates: bool) -> str:
        """SQL of the judged rows with their place, and with repeated keys at fault as well."""
        numbered = f"(SELECT *, row_number() OVER () AS place FROM {quoted(self.unchecked)})"
        judged = self._judge(numbered)
        if not duplicates:
            return judged
        key = ", ".join(map(typed, self.key))
        repeated = f"row_number() OVER (PARTITION BY fault IS NULL, {key} ORDER BY place) > 1"
        return (
            "SELECT * REPLACE (CASE WHEN fault IS NOT NULL THEN fault "
            f"WHEN {repeated} THEN {len(self.faults) - 1} END AS fault) FROM ({judged})"
        )

    def _keep(self, folder: Path | None, duplicates: bool) -> dict[str, tuple[Example, ...]]:
        rejected = f"({self._numbered(duplicates)}) WHERE fault IS NOT NULL"
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

    def _accept(self, rows: int, rejected: int, duplicates: bool, held: bool) -> None:
        judged = self._numbered(duplicates) if duplicates else self.judged
        where = " WHERE fault IS NULL" if rejected else ""
        where += " ORDER BY place" if duplicates else ""
        columns = ", ".join(f"{typed(name)} AS {quoted(name)}" for name in self.columns)
        hold = duplicates or (rows <= HOLD_ROWS and not (held and not rejected))
        self.connection.execute(
            f"CREATE {'TABLE' if hold else 'VIEW'} {quoted(self.table)} AS "
            f"SELECT {columns} FROM ({judged}){where}"
        )
        if hold:
            what = "TABLE" if held else "VIEW"
            self.connection.execute(f"DROP {what} {self.unchecked}")
