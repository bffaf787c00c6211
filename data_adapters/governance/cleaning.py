"""Check every table against its schema: good rows go on, bad rows to quarantine with a reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from data_adapters.governance.checks import literal
from data_adapters.governance.quality import QualityReport, TableQuality
from data_adapters.governance.table import TableCheck, rows_of
from data_adapters.governance.views import part_from_others
from data_adapters.governance.withhold import withhold
from edufed.records import TABLES, DataError, LearningRecords

_OURS = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


def clean(
    records: LearningRecords,
    folder: Path | None = None,
    allowed: Mapping[str, Collection[str]] | None = None,
) -> tuple[LearningRecords, QualityReport]:
    """Check records as an adapter read them.

    The connection is the same afterwards; its canonical names are then views of the checked
    rows, over `unchecked_TABLE`: a table where there are few rows, the adapter's own else.

    Parameters
    ----------
    records : LearningRecords
        Fresh from an adapter. Next to the canonical tables its connection may have
        `source_rejects(table_name, reason, rows)`: rows that never became a record.
    folder : pathlib.Path, optional
        Where rejected rows are kept, at the site. Without one they are only counted.
    allowed : mapping of str to collection of str, optional
        Canonical columns by table that jobs may use; the others go before the checks.

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
    with _Reading(present[0]):
        part_from_others(connection, present)
    if allowed is not None:
        withhold(records, allowed)
        present = records.present()
    for table in present:
        with _Reading(table):
            check = TableCheck(connection, table, known_learners="learners" in quality)
            quality[table], ranges[table] = check.run(folder)
            hashed.update(check.judged.encode())
    checked = LearningRecords(connection, hashed.hexdigest())
    with _Reading("source_rejects"):
        _add_rejects(connection, quality)
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


def with_warnings(records: LearningRecords, report: QualityReport) -> QualityReport:
    """Add the values that the source layer changed or could not read, though it kept their rows.

    Counting them may read every source table once more: for a site's own report, not for a job.

    Parameters
    ----------
    records : LearningRecords
        Its connection may have `source_warnings(table_name, column_name, reason, rows)`.
    report : QualityReport
    """
    tables = dict(report.tables)
    with _Reading("source_warnings"):
        for table, column, reason, rows in _counted(
            records.connection, "source_warnings", "table_name, column_name, reason"
        ):
            found = tables.get(table, TableQuality(rows=0))
            warnings = {**found.warnings, f"{column}: {reason}": rows}
            tables[table] = replace(found, warnings=warnings)
    return replace(report, tables=tables)


def _add_rejects(connection: duckdb.DuckDBPyConnection, quality: dict[str, TableQuality]) -> None:
    """Add the rows that the source layer rejected, of canonical tables or not."""
    for table, reason, rows in _counted(connection, "source_rejects", "table_name, reason"):
        found = quality.get(table, TableQuality(rows=0))
        reasons = {**found.reasons, reason: found.reasons.get(reason, 0) + rows}
        quality[table] = replace(
            found, rows=found.rows + rows, rejected=found.rejected + rows, reasons=reasons
        )


def _counted(connection: duckdb.DuckDBPyConnection, table: str, keys: str) -> list[tuple[Any, ...]]:
    """Keys and sums of a count that the source layer may have left, in a fixed order."""
    found = rows_of(
        connection, f"SELECT 1 FROM information_schema.tables WHERE table_name = {literal(table)}"
    )
    if not found:
        return []
    return rows_of(
        connection,
        f"SELECT {keys}, sum(rows)::BIGINT AS rows FROM {table} GROUP BY ALL "
        "HAVING sum(rows) > 0 ORDER BY ALL",
    )


def _final_outcomes(records: LearningRecords) -> dict[str, int]:
    if "passed" not in records.columns("outcomes"):
        return {"passed": 0, "not_passed": 0, "unknown": 0}
    ((passed, not_passed, unknown),) = rows_of(
        records.connection,
        "SELECT count(*) FILTER (passed), count(*) FILTER (NOT passed), "
        "count(*) FILTER (passed IS NULL) FROM outcomes WHERE kind = 'final'",
    )
    return {"passed": passed, "not_passed": not_passed, "unknown": unknown}


def _distinct(records: LearningRecords, column: str, tables: Iterable[str]) -> int:
    """Distinct values in the first of the tables that is there."""
    for table in tables:
        if column in records.columns(table):
            ((count,),) = rows_of(
                records.connection, f"SELECT count(DISTINCT {column}) FROM {table}"
            )
            return int(count)
    return 0
