"""xAPI statements in files of JSON lines, gzipped or not, as one table `statements`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pydantic_core
from pydantic import BaseModel, ConfigDict, ValidationError

from data_adapters.sources import Reject
from data_adapters.sources.landing import land, landed
from data_adapters.sources.paths import find_files, stamps
from data_adapters.sources.quoting import literal
from data_adapters.sources.statement_rows import COLUMNS, row_of
from data_adapters.sources.statements import Statement
from edufed.records import DataError

TABLE = "statements"
BATCH = 10_000
#: Bytes of the longest line that is read.
LONGEST = 1 << 24


class XapiSettings(BaseModel):
    """`source: {kind: xapi, path: statements-*.json.gz}`, relative to the site's YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["xapi"]
    path: str


class Xapi:
    """The table `statements`: a row for each statement that is as the specification says.

    One that is not, is sent twice under one id, or is voided by another becomes no row, and
    is counted.
    """

    lands = True
    ordered = False

    def __init__(self, settings: XapiSettings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder

    def label(self, _table: str) -> str:
        """Return the file's name or the pattern of the files' names."""
        return Path(self.settings.path).name

    def describe(self, _connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
        """Columns of the one table, after the files are found to be there."""
        if table != TABLE:
            raise DataError(f"adapter.tables: xAPI statements are one table; write from: {TABLE}")
        self._files()
        return {name: type_ for name, (type_, _) in COLUMNS.items()}

    def relation(self, _table: str) -> str:
        """Name of the landed rows."""
        return landed(TABLE)

    def _files(self) -> list[Path]:
        return find_files(self.folder, self.settings.path)

    def load(
        self, connection: duckdb.DuckDBPyConnection, _needed: Mapping[str, tuple[str, ...]]
    ) -> list[Reject]:
        """Check every statement and land those that pass."""
        reasons: Counter[str] = Counter()
        types = {name: type_ for name, (type_, _) in COLUMNS.items()}
        if not land(connection, TABLE, types, self._chunks(reasons)) and reasons:
            raise DataError(
                f"{self.label(TABLE)}: none of its {reasons.total()} lines is an xAPI statement"
                f" (mostly: {reasons.most_common(1)[0][0]}); export one statement on each line"
            )
        reasons.update(_withdraw(connection))
        return [Reject(TABLE, reason, rows) for reason, rows in sorted(reasons.items()) if rows]

    def _chunks(self, reasons: Counter[str]) -> Iterator[pa.Table]:
        schema = pa.schema([(name, kind) for name, (_, kind) in COLUMNS.items()])
        for lines in self._lines():
            rows = [row for line in lines if (row := _row(line, reasons)) is not None]
            yield pa.Table.from_pylist(rows, schema)

    def _lines(self) -> Iterator[list[str | None]]:
        paths = ", ".join(literal(str(path)) for path in self._files())
        # A connection of its own, so that what has landed can be compressed meanwhile.
        with duckdb.connect() as reader:
            try:
                reader.execute(
                    f"SELECT json FROM read_json_objects([{paths}], format = 'newline_delimited',"
                    f" ignore_errors = true, maximum_object_size = {LONGEST})"
                )
                while lines := reader.fetchmany(BATCH):
                    yield [line for (line,) in lines]
            except duckdb.Error as error:
                # DuckDB's own message may quote a line.
                raise DataError(
                    f"{self.label(TABLE)}: cannot be read to its end; see that it is whole, and"
                    " utf-8 text, gzipped or not"
                ) from error

    def fingerprint(self, _needed: Mapping[str, tuple[str, ...]]) -> Any:
        """Name, size and time of change of each file."""
        return stamps(self._files())


def _withdraw(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Delete statements that came twice, and those that are voided (xAPI part two, 2.3.2)."""
    deletes = {
        "sent twice": "statement IS NOT NULL AND rowid NOT IN"
        f" (SELECT min(rowid) FROM {landed(TABLE)} GROUP BY statement)",
        "voided": f"voids IS NOT NULL OR statement IN (SELECT voids FROM {landed(TABLE)})",
    }
    counts = {}
    for reason, which in deletes.items():
        deleted = connection.execute(f"DELETE FROM {landed(TABLE)} WHERE {which}").fetchone()
        assert deleted is not None
        counts[reason] = int(deleted[0])
    return counts


def _row(line: str | None, reasons: Counter[str]) -> dict[str, Any] | None:
    """Row of one statement, or None and a reason more."""
    if line is None:
        reasons["not JSON"] += 1
        return None
    try:
        raw = pydantic_core.from_json(line)
    except ValueError:  # DuckDB puts up with more, such as a comma before the end
        reasons["not JSON"] += 1
        return None
    if not isinstance(raw, dict):
        reasons["not a statement"] += 1
        return None
    try:
        statement = Statement.model_validate(raw)
    except ValidationError as error:
        reasons[_reason(error)] += 1
        return None
    return row_of(statement)


def _reason(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = str(problem["loc"][0]) if problem["loc"] else ""
    if place not in Statement.model_fields:
        # Never the name of a key that the specification does not have: it may be anything.
        return "an unknown key" if place else problem["msg"].removeprefix("Value error, ")
    kinds = {"missing": "missing", "extra_forbidden": "has an unknown key"}
    kind = kinds.get(problem["type"], "not as the specification says")
    return f"{place}: {kind}"
