"""One region of the data set, opened."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError

from data_adapters.oulad.codebook import COLUMNS, TEXT
from data_adapters.oulad.views import text, views
from edufed import __version__
from edufed.records import CanonicalStatement, DataError, LearningRecords

SUFFIXES = (".parquet", ".csv", ".csv.gz")


class OuladSettings(BaseModel):
    """The `adapter` part of a site's YAML.

    Parameters
    ----------
    path : pathlib.Path
        Folder of the seven tables, as CSV, CSV.gz or Parquet.
    region : str, optional
        The site's region as `studentInfo` spells it. Without one, all are one site.
    platform : {"registry", "library", "live"}, optional
        The part of the data that one of three platforms has: enrolments, attributes and
        assessments; contents and pages; forums, live classes, wikis and quizzes. The last two
        know the learners they have seen. Without one, a site has all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["oulad"]
    path: Path
    region: str | None = None
    platform: Literal["registry", "library", "live"] | None = None


def open(settings: Mapping[str, Any], folder: Path) -> Oulad:
    """Open the data set's folder; see `data_adapters.base.open_adapter`."""
    try:
        checked = OuladSettings.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(["adapter", *map(str, first["loc"])])
        known = f"unknown; known here: {', '.join(OuladSettings.model_fields)}"
        what = known if first["type"] == "extra_forbidden" else first["msg"]
        raise DataError(f"{place}: {what}") from None
    return Oulad(checked, folder / checked.path)


class Oulad:
    """One region of the data set, or all of it.

    Parameters
    ----------
    settings : OuladSettings
    path : pathlib.Path
        Folder of the tables.

    Raises
    ------
    DataError
        The folder or one of its seven tables is missing.
    """

    def __init__(self, settings: OuladSettings, path: Path) -> None:
        self.settings = settings
        # Module presentations differ in what they ask for and how they mark it: ranks within each.
        self.canonical = CanonicalStatement(cohort="course")
        if not path.is_dir():
            raise DataError(f"adapter.path: there is no folder {settings.path}")
        self.files = {table: _file(path, table) for table in COLUMNS}

    def read(self, cutoff: float | None = None) -> LearningRecords:
        """Open the tables as learning records; see `data_adapters.base.Adapter`."""
        connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
        connection.execute("SET temp_directory = ''")  # nothing of a learner spills to a disk
        for table, file in self.files.items():
            _source(connection, table, file)
        if self.settings.region is not None:
            _check_region(connection, self.settings.region)
        own = views(self.settings.region, cutoff, self.settings.platform)
        for view, sql in own.items():
            connection.execute(f"CREATE VIEW {view} AS {sql}")
        return LearningRecords(connection, self._fingerprint(cutoff))

    def _fingerprint(self, cutoff: float | None) -> str:
        stats = {file.name: file.stat() for file in self.files.values()}
        parts = {
            "files": {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()},
            "region": self.settings.region,
            "platform": self.settings.platform,
            "cutoff": cutoff,
            "version": __version__,
            "mapping": _mapping(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _file(path: Path, table: str) -> Path:
    for suffix in SUFFIXES:
        file = path / f"{table}{suffix}"
        if file.is_file():
            return file
    raise DataError(
        f"oulad: {path.name} has no {table}.csv, .csv.gz or .parquet; "
        f"the data set is the seven tables {', '.join(COLUMNS)}"
    )


def _source(connection: duckdb.DuckDBPyConnection, table: str, file: Path) -> None:
    """Make a view `oulad_TABLE` of one file, `?` missing and identifiers whole numbers.

    Values that are no numbers stay text for the checks to find.
    """
    try:
        rows, types = _rows(connection, file)
        missing = [column for column in COLUMNS[table] if column.lower() not in types]
        if missing:
            raise DataError(f"oulad: {file.name} has no column {', '.join(missing)}")
        columns = ", ".join(_column(name, types[name.lower()]) for name in COLUMNS[table])
        connection.execute(f"CREATE VIEW oulad_{table} AS SELECT {columns} FROM {rows}")
    except (duckdb.Error, OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"oulad: {file.name} cannot be read ({type(error).__name__}); fetch it again"
        ) from None


def _rows(connection: duckdb.DuckDBPyConnection, file: Path) -> tuple[str, dict[str, str]]:
    """SQL that reads a file, and its columns' DuckDB types by name in lower case."""
    if file.suffix == ".parquet":
        rows = f"read_parquet({text(str(file))})"
        found = connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()
        return rows, {str(name).lower(): str(kind) for name, kind, *_ in found}
    names = _header(file)
    columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in names)
    # All is said, so that DuckDB has nothing to guess from the file's first rows.
    rows = (
        f"read_csv({text(str(file))}, auto_detect = false, header = true, delim = ',', "
        f"quote = '\"', escape = '\"', nullstr = ['?', ''], columns = {{{columns}}})"
    )
    return rows, dict.fromkeys(names, "VARCHAR")


def _header(file: Path) -> list[str]:
    """Names in a CSV file's first line, in lower case."""
    opened = gzip.open if file.suffix == ".gz" else io.open
    with opened(file, "rt", encoding="utf-8-sig", newline="") as lines:
        return [name.strip().lower() for name in next(csv.reader(lines), [])]


def _column(name: str, kind: str) -> str:
    if name.startswith("id_"):
        return name if kind in ("INTEGER", "BIGINT") else f"TRY_CAST({name} AS BIGINT) AS {name}"
    if name in TEXT and kind != "VARCHAR":
        return f"CAST({name} AS VARCHAR) AS {name}"
    return f"nullif({name}, '?') AS {name}" if kind == "VARCHAR" else name


def _check_region(connection: duckdb.DuckDBPyConnection, region: str) -> None:
    try:
        rows = connection.execute(
            "SELECT DISTINCT region FROM oulad_studentInfo WHERE region IS NOT NULL ORDER BY region"
        ).fetchall()
    except duckdb.Error as error:
        raise DataError(
            f"oulad: studentInfo cannot be read ({type(error).__name__}); fetch it again"
        ) from None
    if (region,) not in rows:
        names = ", ".join(name for (name,) in rows)
        raise DataError(f"adapter.region: no enrolment is in {region!r}; regions are {names}")


def _mapping() -> str:
    """Change with every edit of this package, so that no cache outlives its mapping."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
