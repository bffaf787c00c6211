"""Tables in a database that SQLAlchemy can reach, read only, streamed in chunks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from data_adapters.sources import Reject
from data_adapters.sources.landing import land, landed
from edufed.records import DataError


class SqlSettings(BaseModel):
    """`source: {kind: sql, url_env: NAME}`.

    Attributes
    ----------
    url, url_env, url_file : str
        One of: an SQLAlchemy URL without a password, the environment variable that holds
        one, or a file (relative to the site's YAML) that holds one and that only its owner
        can read. A relative SQLite path starts at the site's YAML.
    chunk_rows : int
        Rows held in memory at a time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["sql"]
    url: str | None = None
    url_env: str | None = None
    url_file: str | None = None
    chunk_rows: Annotated[int, Field(ge=1)] = 50_000

    @model_validator(mode="after")
    def _one_url(self) -> SqlSettings:
        if sum(x is not None for x in (self.url, self.url_env, self.url_file)) != 1:
            raise ValueError("give one of url, url_env and url_file")
        return self


class Sql:
    """Tables of a database; a `from` is a table's or view's name, or a SELECT."""

    lands = True
    ordered = False

    def __init__(self, settings: SqlSettings, folder: Path) -> None:
        self.settings = settings
        self.url = _url(settings, folder)
        try:
            self.engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool)
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise DataError(
                f"adapter.source: no driver for {self.url.drivername} is installed; install one"
            ) from error
        sa.event.listen(self.engine, "connect", _read_only(self.url.get_backend_name()))

    def label(self, table: str) -> str:
        """Return the table's name, or that it is a query."""
        return "the query" if _is_query(table) else f"table {table}"

    def describe(self, _connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
        """Columns of a table; each arrives as text, which every database has in common."""
        with self._reading(table) as reader:
            columns = reader.execute(sa.select(sa.text("*")).select_from(_from(table)).limit(0))
            return dict.fromkeys(columns.keys(), "VARCHAR")

    def relation(self, table: str) -> str:
        """Name of the landed copy."""
        return landed(table)

    def load(
        self, connection: duckdb.DuckDBPyConnection, needed: Mapping[str, tuple[str, ...]]
    ) -> list[Reject]:
        """Copy the needed columns, chunk by chunk."""
        for table, columns in needed.items():
            # A table of which no column is needed still has its number of rows.
            names = columns or ("row",)
            land(connection, table, dict.fromkeys(names, "VARCHAR"), self._chunks(table, columns))
        return []

    def _chunks(self, table: str, columns: tuple[str, ...]) -> Iterator[pa.Table]:
        wanted: list[sa.ColumnElement[str]] = [*map(_column, columns)] or [sa.literal("")]
        statement = sa.select(*wanted).select_from(_from(table))
        with self._reading(table) as reader:
            result = reader.execution_options(yield_per=self.settings.chunk_rows).execute(statement)
            for rows in result.partitions():
                values = [
                    pa.array(map(_text, column), pa.string()) for column in zip(*rows, strict=True)
                ]
                yield pa.table(values, names=list(columns or ("row",)))

    def fingerprint(self, needed: Mapping[str, tuple[str, ...]]) -> Any:
        """Each table's row count and its needed columns' largest values.

        A change of a value that is not a column's largest, in a row that stays, is not seen;
        a site that edits old rows maps a column of their last change.
        """
        tables = []
        for table, columns in sorted(needed.items()):
            largest = [sa.func.max(sa.cast(_column(name), sa.String(255))) for name in columns]
            statement = sa.select(sa.func.count(), *largest).select_from(_from(table))
            with self._reading(table) as reader:
                tables.append([table, *map(str, reader.execute(statement).one())])
        return [self.url.render_as_string(hide_password=True), tables]

    @contextmanager
    def _reading(self, table: str) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as reader:
                yield reader
        except SQLAlchemyError as error:
            # The database's own message may quote values, hosts and names of users.
            kind = type(getattr(error, "orig", None) or error).__name__
            raise DataError(
                f"{self.label(table)}: the {self.url.get_backend_name()} database does not give"
                f" it ({kind}); check the URL, the name, and that the account may read it"
            ) from error


def _url(settings: SqlSettings, folder: Path) -> sa.URL:
    if settings.url is not None:
        stated, place = settings.url, "adapter.source.url"
    elif settings.url_env is not None:
        place = f"the environment variable {settings.url_env}"
        stated = os.environ.get(settings.url_env, "")
        if not stated:
            raise DataError(f"{place} (adapter.source.url_env) is not set; set it to the URL")
    else:
        place = f"the file {settings.url_file}"
        stated = _secret(folder / str(settings.url_file), place)
    try:
        url = sa.make_url(stated)
    except ArgumentError:
        raise DataError(
            f"{place} holds no SQLAlchemy URL; write one such as postgresql+psycopg://HOST/DB"
        ) from None
    if settings.url is not None and url.password:
        raise DataError(f"{place} holds a password; move the URL to url_env or url_file")
    if url.get_backend_name() == "sqlite" and url.database:
        path = folder / url.database
        if not path.is_file():
            raise DataError(f"{path.name}: no such SQLite file; correct adapter.source")
        url = url.set(database=str(path))
    return url


def _secret(path: Path, place: str) -> str:
    if not path.is_file():
        raise DataError(f"{place} (adapter.source.url_file) does not exist; write the URL there")
    if path.stat().st_mode & 0o077:
        raise DataError(f"{place} can be read by others; chmod 600 it")
    return path.read_text(encoding="utf-8").strip()


def _read_only(backend: str) -> Callable[[Any, Any], None]:
    """Make each new session refuse to write; where none can, only SELECT is ever sent."""
    statement = {
        "sqlite": "PRAGMA query_only = ON",
        "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "mysql": "SET SESSION TRANSACTION READ ONLY",
        "mariadb": "SET SESSION TRANSACTION READ ONLY",
    }.get(backend)

    def prepare(connection: Any, _record: Any) -> None:
        if statement is not None:
            cursor = connection.cursor()
            cursor.execute(statement)
            cursor.close()
            connection.commit()

    return prepare


def _is_query(table: str) -> bool:
    return table.lstrip()[:7].lower().startswith(("select", "with ", "with\n"))


def _from(table: str) -> sa.FromClause:
    if _is_query(table):
        # A colon is part of the query, never the name of a parameter.
        query = table.rstrip().rstrip(";").replace(":", r"\:")
        return sa.text(query).columns().subquery("q")
    schema, _, name = table.rpartition(".")
    return sa.table(sa.quoted_name(name, quote=True), schema=schema or None)


def _column(name: str) -> sa.ColumnClause[Any]:
    return sa.column(sa.quoted_name(name, quote=True))


def _text(value: object) -> str | None:
    """Write a value as a CSV file would, a whole number without `.0`."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float | Decimal):
        return str(int(value)) if isfinite(value) and value == int(value) else str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value).lower() if isinstance(value, bool) else str(value)
