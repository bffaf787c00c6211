"""Check every table against its schema: good rows go on, bad rows to quarantine with a reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from data_adapters.governance import quarantine
from data_adapters.governance.checks import ColumnSQL, Fault, compile_table, literal, quoted, typed
from data_adapters.governance.quality import Example, QualityReport, TableQuality
from edufed.records import TABLES, DataError, LearningRecords

#: A checked table of at most this many rows is held, a larger one stays a view over its source.
HOLD_ROWS = 1_000_000
#: Places shown for each reason in the site's own report.
EXAMPLES = 3
#: Tables whose learners must be among the learners.
REFERRING = ("enrolments", "events", "outcomes")

_OURS = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


def clean(
    records: LearningRecords, folder: Path | None = None
) -> tuple[LearningRecords, QualityReport]:
    """Check records as an adapter read them.

    The connection is the same afterwards; its canonical names then hold the checked rows, and
    `unchecked_TABLE` those as read where they are still needed.

    Parameters
    ----------
    records : LearningRecords
        Fresh from an adapter. Next to the canonical tables its connection may have
        `source_rejects(table_name, reason, rows)`, rows that never became a record, and
        `source_warnings(table_name, column_name, reason, rows)`, values that were changed.
    folder : pathlib.Path, optional
        Where rejected rows are kept, at the site. Without one they are only counted.

    Returns
    -------
    LearningRecords
        Every row passes the pandera schemas, its key is unique and its learner is known.
    QualityReport

    Raises
    ------
    DataError
        There is no table at all, a table lacks a column that it must have, or cannot be read.
    """
    present = records.present()
    if not present:
        raise DataError(f"the site has none of the tables {', '.join(TABLES)}; map at least one")
    connection = records.connection
    quality: dict[str, TableQuality] = {}
    ranges: dict[str, tuple[float, float] | None] = {}
    hashed = hashlib.sha256(records.fingerprint.encode())
    for table in present:
        with _Reading(table):
            _part_from_others(connection, table)
    for table in present:
        with _Reading(table):
            check = _TableCheck(connection, table, known_learners="learners" in quality)
            quality[table], ranges[table] = check.run(folder)
            hashed.update(check.judged.encode())
    checked = LearningRecords(connection, hashed.hexdigest())
    with _Reading("source_warnings"):
        _add_source(connection, quality)
    return checked, QualityReport(
        tables=quality,
        missing_tables=tuple(table for table in TABLES if table not in present),
        time_range=ranges.get("events"),
        outcomes=_final_outcomes(checked),
        learners=_distinct(checked, "learner_id", ("learners", "enrolments", "events")),
        courses=_distinct(checked, "course_id", ("enrolments", "events", "outcomes")),
    )


@dataclass
class _Reading:
    """Turn a failure to read a table into one line that shows nothing of its rows."""

    table: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, duckdb.Error) and not isinstance(error, _OURS):
            line = re.search(r"CSV Error on Line: (\d+)", str(error))
            where = f", line {line[1]} of its file" if line else ""
            raise DataError(
                f"{self.table}: the rows cannot be read ({type(error).__name__}{where}); "
                "see that the file is whole"
            ) from None


class _TableCheck:
    """One table's checks, as SQL, and their run."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, table: str, known_learners: bool
    ) -> None:
        self.connection = connection
        self.table = table
        schema = TABLES[table]
        types = {row[0]: str(row[1]) for row in _rows(connection, f"DESCRIBE {quoted(table)}")}
        lacking = [
            name for name, column in schema.columns.items() if column.required and name not in types
        ]
        if lacking:
            raise DataError(
                f"{table}: no column {', '.join(lacking)}; every row must have it, so map it"
            )
        columns: dict[str, ColumnSQL] = compile_table(schema, types)
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
        time = typed("time") if "time" in self.columns else "NULL"
        counts: dict[int | None, int] = {}
        time_range = None
        for fault, count, first, last in _rows(
            self.connection,
            f"SELECT fault, count(*), min({time}), max({time}) FROM ({self.judged}) GROUP BY fault",
        ):
            counts[fault] = count
            if fault is None and first is not None:
                time_range = (first, last)
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
            examples=examples,
        ), time_range

    def _set_aside(self) -> bool:
        """Give the table as read its other name; tell whether DuckDB already holds its rows."""
        ((kind,),) = _rows(
            self.connection,
            "SELECT table_type FROM information_schema.tables "
            f"WHERE table_name = {literal(self.table)}",
        )
        what = "VIEW" if kind == "VIEW" else "TABLE"
        self.connection.execute(f"ALTER {what} {quoted(self.table)} RENAME TO {self.unchecked}")
        return what == "TABLE"

    def _duplicates(self) -> int:
        if not self.key:
            return 0
        key = ", ".join(map(typed, self.key))
        ((count,),) = _rows(
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
        places = _rows(
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
        columns = ", ".join(f"{typed(name)} AS {quoted(name)}" for name in self.columns)
        hold = duplicates or (rows <= HOLD_ROWS and not (held and not rejected))
        self.connection.execute(
            f"CREATE {'TABLE' if hold else 'VIEW'} {quoted(self.table)} AS "
            f"SELECT {columns} FROM ({judged}){where}"
        )
        if hold:
            what = "TABLE" if held else "VIEW"
            self.connection.execute(f"DROP {what} {self.unchecked}")


def _part_from_others(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Hold a view that reads another canonical table, which will soon mean the checked one."""
    found = _rows(
        connection,
        f"SELECT sql FROM duckdb_views() WHERE view_name = {literal(table)} AND NOT internal",
    )
    for (sql,) in found:
        _, _, query = sql.partition(" AS ")
        if connection.get_table_names(query) & TABLES.keys():
            connection.execute(f"CREATE TABLE held_{table} AS SELECT * FROM {quoted(table)}")
            connection.execute(f"DROP VIEW {quoted(table)}")
            connection.execute(f"ALTER TABLE held_{table} RENAME TO {quoted(table)}")


def _add_source(connection: duckdb.DuckDBPyConnection, quality: dict[str, TableQuality]) -> None:
    """Add what the source layer counted, canonical tables or not, to the tables' counts."""
    names = {
        name for (name,) in _rows(connection, "SELECT table_name FROM information_schema.tables")
    }
    if "source_rejects" in names:
        for table, reason, rows in _rows(
            connection,
            "SELECT table_name, reason, sum(rows)::BIGINT FROM source_rejects GROUP BY ALL "
            "ORDER BY ALL",
        ):
            found = quality.setdefault(table, TableQuality(rows=0))
            reasons = {**found.reasons, reason: found.reasons.get(reason, 0) + rows}
            quality[table] = replace(
                found, rows=found.rows + rows, rejected=found.rejected + rows, reasons=reasons
            )
    if "source_warnings" in names:
        for table, column, reason, rows in _rows(
            connection,
            "SELECT table_name, column_name, reason, sum(rows)::BIGINT FROM source_warnings "
            "GROUP BY ALL ORDER BY ALL",
        ):
            found = quality.setdefault(table, TableQuality(rows=0))
            quality[table] = replace(
                found, warnings={**found.warnings, f"{column}: {reason}": rows}
            )


def _final_outcomes(records: LearningRecords) -> dict[str, int]:
    if "passed" not in records.columns("outcomes"):
        return {"passed": 0, "not_passed": 0, "unknown": 0}
    ((passed, not_passed, unknown),) = _rows(
        records.connection,
        "SELECT count(*) FILTER (passed), count(*) FILTER (NOT passed), "
        "count(*) FILTER (passed IS NULL) FROM outcomes WHERE kind = 'final'",
    )
    return {"passed": passed, "not_passed": not_passed, "unknown": unknown}


def _distinct(records: LearningRecords, column: str, tables: Iterable[str]) -> int:
    """Distinct values in the first of the tables that is there."""
    for table in tables:
        if column in records.columns(table):
            ((count,),) = _rows(records.connection, f"SELECT count(DISTINCT {column}) FROM {table}")
            return int(count)
    return 0


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()
