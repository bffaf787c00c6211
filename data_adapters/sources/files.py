"""Tables in files: CSV, gzipped CSV and Parquet, read in place by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from data_adapters.sources import Reject
from data_adapters.sources.paths import find_files, stamps
from data_adapters.sources.quoting import literal
from edufed.records import DataError

CSV = (".csv", ".tsv", ".txt")
PARQUET = (".parquet", ".pq")


class FilesSettings(BaseModel):
    """`source: {kind: files, path: FOLDER}`.

    Attributes
    ----------
    path : str
        Folder in which a table's `from` is looked for; relative to the site's YAML.
    delimiter : str, optional
        Of CSV files; found out by DuckDB where it is not said.
    encoding : str
        Of CSV files. A byte-order mark is dropped.
    missing : list of str
        What CSV files write for a missing value, beside nothing at all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["files"]
    path: str = "."
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"
    missing: list[str] = []


class Files:
    """Tables in files; a `from` is a path, or a pattern such as `events-*.parquet`."""

    lands = False
    ordered = True

    def __init__(self, settings: FilesSettings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder / settings.path

    def label(self, table: str) -> str:
        """Return the file's name."""
        return Path(table).name

    def describe(self, connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
        """Columns of a file and their types; every column of a CSV file is text."""
        try:
            rows = connection.execute(f"DESCRIBE SELECT * FROM {self.relation(table)}").fetchall()
        except duckdb.Error as error:
            raise DataError(f"{self.label(table)}: {self._trouble(table)}") from error
        return {name: type_ for name, type_, *_ in rows}

    def _trouble(self, table: str) -> str:
        # DuckDB's own message may quote a line of the file.
        if self._is_parquet(table):
            return "cannot be read as Parquet; write it anew"
        stated = self.settings.delimiter
        delimiter = f"delimiter {stated!r}" if stated else "no delimiter stated"
        return (
            f"cannot be read as CSV with a header ({delimiter}, {self.settings.encoding});"
            " set source.delimiter and source.encoding to those of the file"
        )

    def relation(self, table: str) -> str:
        """SQL that reads the file or files in place."""
        paths = ", ".join(literal(str(path)) for path in self._paths(table))
        if self._is_parquet(table):
            return f"read_parquet([{paths}], union_by_name = true)"
        return f"read_csv([{paths}], {self._dialect()}, union_by_name = true, ignore_errors = true)"

    def _dialect(self) -> str:
        nulls = ", ".join(map(literal, ("", *self.settings.missing)))
        delimiter = self.settings.delimiter
        return (
            "header = true, all_varchar = true, quote = '\"', escape = '\"',"
            f" encoding = {literal(self.settings.encoding)}, nullstr = [{nulls}]"
            + (f", delim = {literal(delimiter)}" if delimiter else "")
        )

    def _is_parquet(self, table: str) -> bool:
        return Path(table).suffix in PARQUET

    def _paths(self, table: str) -> list[Path]:
        named = self.folder / table
        suffixes = [s for s in named.suffixes if s not in (".gz", ".zst")]
        if not suffixes or suffixes[-1] not in (*CSV, *PARQUET):
            raise DataError(
                f"{named.name}: no kind of file that can be read;"
                f" export it as one of {', '.join((*CSV, *PARQUET))}, or .csv.gz"
            )
        return find_files(self.folder, table)

    def load(
        self, connection: duckdb.DuckDBPyConnection, needed: Mapping[str, tuple[str, ...]]
    ) -> list[Reject]:
        """Count the lines of CSV files that are no rows; nothing is copied."""
        return [
            reject
            for table in needed
            if not self._is_parquet(table)
            for path in self._paths(table)
            for reject in self._broken(connection, table, path)
        ]

    def _broken(
        self, connection: duckdb.DuckDBPyConnection, table: str, path: Path
    ) -> Iterator[Reject]:
        connection.execute(
            f"SELECT count(*) FROM read_csv({literal(str(path))}, {self._dialect()},"
            " store_rejects = true, rejects_table = 'broken', rejects_scan = 'scans')"
        )
        # DuckDB makes the table only where it has something to put there.
        if not connection.execute("FROM duckdb_tables() WHERE table_name = 'broken'").fetchall():
            return
        counts = connection.execute(
            "SELECT kind, count(*) FROM (SELECT any_value(lower(CAST(error_type AS VARCHAR))) AS"
            " kind FROM broken GROUP BY line) GROUP BY kind ORDER BY kind"
        ).fetchall()
        # They hold the lines themselves, which nobody needs.
        connection.execute("DROP TABLE broken; DROP TABLE scans")
        for reason, rows in counts:
            yield Reject(table, f"not a row of the file: {reason}", rows)

    def fingerprint(self, needed: Mapping[str, tuple[str, ...]]) -> Any:
        """Name, size and time of change of each file."""
        files = [path for table in sorted(needed) for path in self._paths(table)]
        return [self.settings.model_dump(exclude={"path"}), stamps(files)]
