"""The adapter that a site's YAML makes: any platform's tables, seen as learning records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from data_adapters.lazy import LazyRecords
from data_adapters.mapping.connection import open_connection
from data_adapters.mapping.platform import Platform
from data_adapters.mapping.reading import count_rejects, count_warnings, probe
from data_adapters.mapping.settings import AdapterSettings, parse
from data_adapters.mapping.tables import CompiledPart, Tables, compile_tables
from data_adapters.mapping.xapi_tables import TABLES as XAPI_TABLES
from data_adapters.sources import Reject, Source
from data_adapters.sources.files import Files, FilesSettings
from data_adapters.sources.quoting import identifier
from data_adapters.sources.sql import Sql, SqlSettings
from data_adapters.sources.xapi import Xapi
from edufed import __version__
from edufed.records import TABLES, DataError, LearningRecords


class MappedAdapter:
    """A platform's tables, mapped by YAML.

    Parameters
    ----------
    settings : AdapterSettings
        With the defaults of the platform's kind already in them.
    source : Source
        Where the tables are.
    platform : Platform
        What is known of this kind of platform.
    """

    def __init__(self, settings: AdapterSettings, source: Source, platform: Platform) -> None:
        self.settings = settings
        self.source = source
        self.platform = platform
        self.canonical = settings.canonical.statement()

    def supplies(self) -> dict[str, tuple[str, ...]]:
        """Canonical tables and columns that this site has, by its settings alone."""
        supplied = {}
        for table, schema in TABLES.items():
            parts = self.settings.tables.get(table, [])
            have = set(chain.from_iterable(part.columns for part in parts))
            if table == "enrolments" and parts and self.settings.course_start is not None:
                have.add("course_start")
            if have:
                supplied[table] = tuple(column for column in schema.columns if column in have)
        return supplied

    def read(self, cutoff: float | None = None) -> LearningRecords:
        """Open the platform's tables as learning records; see `data_adapters.base.Adapter`."""
        connection = open_connection()
        tables = Tables(self.source, cache(lambda name: self.source.describe(connection, name)))
        compiled = compile_tables(self.settings, tables)
        needed = {table: tuple(sorted(columns)) for table, columns in tables.needed.items()}
        parts = list(chain.from_iterable(compiled.values()))
        if not self.source.lands:
            probe(connection, parts)

        def fill() -> duckdb.DuckDBPyConnection:
            try:
                rejects = self.source.load(connection, needed)
            except duckdb.OutOfMemoryException as error:
                raise DataError(
                    "adapter.source: its rows do not fit in memory; map fewer columns, or export"
                    " them to Parquet files, which are read in place"
                ) from error
            if self.source.lands:
                probe(connection, parts)
            for table, its_parts in compiled.items():
                union = " UNION ALL BY NAME ".join(f"({p.select(cutoff)})" for p in its_parts)
                connection.execute(f"CREATE OR REPLACE VIEW {identifier(table)} AS {union}")
            count_rejects(connection, _by_table(rejects, parts))
            count_warnings(connection, parts)
            return connection

        return LazyRecords(fill, self._fingerprint(needed, cutoff))

    def _fingerprint(self, needed: Mapping[str, tuple[str, ...]], cutoff: float | None) -> str:
        mapping = self.settings.model_dump(mode="json", by_alias=True, exclude={"source"})
        seen = [__version__, mapping, self.source.fingerprint(needed), cutoff]
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def _by_table(rejects: Iterable[Reject], parts: Iterable[CompiledPart]) -> Iterator[Reject]:
    """Count a source's rejects for each canonical table whose rows they would have been."""
    for reject in rejects:
        for table in sorted(
            {p.table for p in parts if p.raw == reject.table and not p.one_per_key}
        ):
            yield Reject(table, reject.reason, reject.rows)


def open_mapped(settings: Mapping[str, Any], folder: Path, platform: Platform) -> MappedAdapter:
    """Open a mapped adapter; see `data_adapters.base.open_adapter`."""
    tables = settings.get("tables", {})
    if not isinstance(tables, Mapping):
        raise DataError("adapter.tables: write a mapping for each canonical table")
    source = settings.get("source")
    if isinstance(source, Mapping) and source.get("kind") == "xapi":
        tables = {**XAPI_TABLES, **tables}
    checked = parse({**settings, "tables": platform.complete(tables)})
    return MappedAdapter(checked, _source(checked, folder), platform)


def _source(settings: AdapterSettings, folder: Path) -> Source:
    match settings.source:
        case FilesSettings() as files:
            return Files(files, folder)
        case SqlSettings() as sql:
            return Sql(sql, folder)
        case xapi:
            return Xapi(xapi, folder)
