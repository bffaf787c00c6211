"""CSV files: what their header says, and the DuckDB call that reads them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import duckdb

from data_adapters.sources.quoting import literal
from edufed.records import DataError

Encoding = Literal["utf-8", "latin-1", "utf-16"]
DELIMITERS = ",;\t|"
#: Faults that end with their line: the next line is a row again.
HARMLESS = ("missing columns", "too many columns")
#: What decoding puts in the place of bytes that are none of the encoding's.
REPLACED = "\ufffd"


@dataclass(frozen=True)
class Dialect:
    """How a site's CSV files are written.

    Attributes
    ----------
    delimiter : str or None
        None: the one of `DELIMITERS` that divides the header most.
    encoding : str
        A byte-order mark is dropped.
    quote : str
        What stands around a value that holds a delimiter; within it, doubled. Empty: nothing.
    missing : tuple of str
        What stands for a missing value, beside nothing at all.
    """

    delimiter: str | None
    encoding: Encoding
    quote: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class CsvFile:
    """One file, whose columns are those of its header and all text."""

    path: Path
    dialect: Dialect
    delimiter: str
    columns: tuple[str, ...]

    def relation(self, more: tuple[Path, ...] = ()) -> str:
        """SQL that reads this file's rows, and those of files with the same header."""
        return self._call((self.path, *more), "ignore_errors = true")

    def broken(self, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """Count by reason the lines that are no rows of the file, and that reading skips.

        Raises
        ------
        DataError
            It is not certain which rows there are: quotes do not close where they should, line
            ends differ, or lines are not in the encoding.
        """
        errors = "store_rejects = true, rejects_table = 'broken', rejects_scan = 'scans'"
        # All columns: a wrong byte is found only where its column is read.
        every = f"SELECT count(COLUMNS(*)) FROM {self._call((self.path,), errors)}"
        try:
            connection.execute(every).fetchall()
        except duckdb.Error as error:
            raise DataError(
                f"{self.path.name}: cannot be read to its end; see that the file is whole and"
                " that all its lines end alike (dos2unix)"
            ) from error
        # DuckDB makes the table only where it has something to put there.
        if not connection.execute("FROM duckdb_tables() WHERE table_name = 'broken'").fetchall():
            return {}
        found = connection.execute(
            "SELECT reason, count(*), min(line) FROM (SELECT line,"
            " any_value(lower(CAST(error_type AS VARCHAR))) AS reason FROM broken GROUP BY line)"
            " GROUP BY reason ORDER BY reason"
        ).fetchall()
        # They hold the lines themselves, which nobody needs.
        connection.execute("DROP TABLE broken; DROP TABLE scans")
        for reason, rows, line in found:
            if reason == "invalid encoding":
                raise _wrong_encoding(self.path, self.dialect, f"{rows} lines are")
            if reason not in HARMLESS:
                raise DataError(
                    f"{self.path.name}: line {line} is broken ({reason}), so rows after it may be"
                    " lost; mend its quotes, or set source.quote to what quotes values, if anything"
                )
        return {f"line of the file: {reason}": int(rows) for reason, rows, _ in found}

    def _call(self, paths: tuple[Path, ...], errors: str) -> str:
        files = ", ".join(literal(str(path)) for path in paths)
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.columns)
        nulls = ", ".join(map(literal, ("", *self.dialect.missing)))
        # Nothing is left to be detected: DuckDB then skips a broken line whichever columns are
        # read, and no sample of the rows decides what a column is.
        return (
            f"read_csv([{files}], auto_detect = false, columns = {{{columns}}},"
            f" header = true, delim = {literal(self.delimiter)},"
            f" quote = {literal(self.dialect.quote)}, escape = {literal(self.dialect.quote)},"
            f" encoding = {literal(self.dialect.encoding)}, nullstr = [{nulls}], {errors})"
        )


def open_csv(path: Path, dialect: Dialect) -> CsvFile:
    """Read a file's header; DataError where it has none."""
    try:
        with _text(path, dialect.encoding) as lines:
            first = lines.readline()
            delimiter = dialect.delimiter or max(DELIMITERS, key=first.count)
            header = next(csv.reader(_again(first, lines), **_python(delimiter, dialect)), [])
    except (OSError, EOFError, UnicodeError, csv.Error) as error:
        raise DataError(
            f"{path.name}: cannot be read as CSV; see that the file is whole"
        ) from error
    if any(REPLACED in name for name in header):
        raise _wrong_encoding(path, dialect, "the header is")
    if not any(header):
        raise DataError(f"{path.name}: empty; its first line must name its columns")
    return CsvFile(path, dialect, delimiter, _distinct(header))


def _python(delimiter: str, dialect: Dialect) -> dict[str, Any]:
    if not dialect.quote:
        return {"delimiter": delimiter, "quoting": csv.QUOTE_NONE}
    return {"delimiter": delimiter, "quotechar": dialect.quote}


def _again(first: str, rest: TextIO) -> Iterator[str]:
    yield first
    yield from rest


@contextmanager
def _text(path: Path, encoding: Encoding) -> Iterator[TextIO]:
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding=codec, errors="replace", newline="") as file:
            yield file
    else:
        with path.open(encoding=codec, errors="replace", newline="") as file:
            yield file


def _distinct(header: list[str]) -> tuple[str, ...]:
    """Names as DuckDB makes them: a second `day` is `day_1`, an unnamed column `column3`."""
    names: list[str] = []
    for place, name in enumerate(header):
        wanted = name.strip() or f"column{place}"
        taken = {other.lower() for other in names}
        tries = (wanted if n == 0 else f"{wanted}_{n}" for n in range(len(header) + 1))
        names.append(next(each for each in tries if each.lower() not in taken))
    return tuple(names)


def _wrong_encoding(path: Path, dialect: Dialect, what: str) -> DataError:
    return DataError(
        f"{path.name}: {what} not {dialect.encoding}; set source.encoding, or convert the file"
        " to utf-8 (iconv -f ENCODING -t UTF-8)"
    )
