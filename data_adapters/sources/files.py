"""Tables in files: CSV, gzipped CSV and Parquet, read in place by DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from data_adapters.sources import Reject
from data_adapters.sources.csv_files import CsvFile, Dialect, Encoding, open_csv
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
    delimiter, encoding, quote, missing
        How its CSV files are written; see `csv_files.Dialect`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["files"]
    path: str = "."
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: Encoding = "utf-8"
    quote: Literal['"', "'", ""] = '"'
    missing: tuple[str, ...] = ()


class Files:
    """Tables in files; a `from` is a path, or a pattern such as `events-*.parquet`."""

    lands = False
    ordered = True

    def __init__(self, settings: FilesSettings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder / settings.path
        self.dialect = Dialect(
            settings.delimiter, settings.encoding, settings.quote, settings.missing
        )

    def label(self, table: str) -> str:
        """Return the file's name."""
        return Path(table).name

    def describe(self, connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
        """Columns of a file and their types; every column of a CSV file is text."""
        if not _is_parquet(table):
            return {name: "VARCHAR" for file in self._csv(table) for name in file.columns}
        try:
            rows = connection.execute(f"DESCRIBE SELECT * FROM {self.relation(table)}").fetchall()
        except duckdb.Error as error:
            # DuckDB's own message may quote what it found.
            raise DataError(
                f"{self.label(table)}: cannot be read as Parquet; see that the file is whole"
            ) from error
        return {name: type_ for name, type_, *_ in rows}

    def relation(self, table: str) -> str:
        """SQL that reads the file or files in place."""
        if _is_parquet(table):
            paths = ", ".join(literal(str(path)) for path in self._paths(table))
            return f"read_parquet([{paths}], union_by_name = true)"
        first, *others = self._csv(table)
        if all((o.columns, o.delimiter) == (first.columns, first.delimiter) for o in others):
            return first.relation(tuple(other.path for other in others))
        parts = (f"SELECT * FROM {file.relation()}" for file in (first, *others))
        return f"({' UNION ALL BY NAME '.join(parts)})"

    def _csv(self, table: str) -> list[CsvFile]:
        return [open_csv(path, self.dialect) for path in self._paths(table)]

    def _paths(self, table: str) -> list[Path]:
        name = Path(table.removesuffix(".gz"))
        if name.suffix not in (*CSV, *PARQUET):
            raise DataError(
                f"{name.name}: no kind of file that can be read;"
                f" export it as one of {', '.join((*CSV, *PARQUET))}, or .csv.gz"
            )
        return find_files(self.folder, table)

    def load(
        self, connection: duckdb.DuckDBPyConnection, needed: Mapping[str, tuple[str, ...]]
    ) -> list[Reject]:
        """Count the lines of CSV files that are no rows; nothing is copied."""
        return [
            Reject(table, reason, rows)
            for table in needed
            if not _is_parquet(table)
            for file in self._csv(table)
            for reason, rows in file.broken(connection).items()
        ]

    def fingerprint(self, needed: Mapping[str, tuple[str, ...]]) -> Any:
        """Name, size and time of change of each file."""
        files = [path for table in sorted(needed) for path in self._paths(table)]
        return [self.settings.model_dump(exclude={"path"}), stamps(files)]


def _is_parquet(table: str) -> bool:
    return Path(table).suffix in PARQUET
