"""One platform of one region of the province, as learning records."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
import pyarrow.parquet as pq
from pydantic import Field, ValidationError, model_validator

from data_adapters.lazy import LazyRecords
from data_adapters.province.courses import catalogue
from data_adapters.province.settings import (
    EDUCATION,
    TERMS,
    Education,
    Platform,
    ProvinceSettings,
)
from data_adapters.province.write import write_region
from edufed.records import TABLES, CanonicalStatement, DataError, LearningRecords


class SiteOfProvince(ProvinceSettings):
    """Which part of which province a site has.

    Parameters
    ----------
    path : str
        Where generated regions lie; sites may share it. A missing region is generated there.
    region : int
        From 0.
    platform : {"mooc", "digital_library", "live_class"}
    education : {"community", "vocational", "higher", "basic"}, optional
        Leave out to have all.
    """

    name: Literal["province"]
    path: str
    region: Annotated[int, Field(ge=0)]
    platform: Platform
    education: Education | None = None

    @model_validator(mode="after")
    def _region_exists(self) -> SiteOfProvince:
        if self.region >= self.regions:
            raise ValueError(f"region: {self.region} is not one of 0 to {self.regions - 1}")
        return self

    def province(self) -> ProvinceSettings:
        """Return the settings of the province alone."""
        return ProvinceSettings(**self.model_dump(include=set(ProvinceSettings.model_fields)))


class Adapter:
    """The adapter `province`; see `data_adapters.base.Adapter`."""

    def __init__(self, settings: SiteOfProvince, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self.canonical = CanonicalStatement()

    def read(self, cutoff: float | None = None) -> LearningRecords:
        """Open the platform's files, generated first where they are missing.

        Raises
        ------
        DataError
            The files can be neither read nor written.
        """
        settings = self._settings
        try:
            region = write_region(
                settings.province(), self._folder / settings.path, settings.region
            )
        except OSError as error:
            raise DataError(
                f"province: region {settings.region} cannot be written: {error.strerror};"
                " choose another adapter.path"
            ) from None
        folder = region / settings.platform
        files = {table: folder / f"{table}.parquet" for table in TABLES}
        files = {table: file for table, file in files.items() if file.exists()}
        marks = [region.name, settings.platform, str(settings.education)]
        for table, file in files.items():
            marks.append(f"{table} {file.stat().st_size} {file.stat().st_mtime_ns}")
        digest = hashlib.sha256("\n".join(marks).encode()).hexdigest()
        return LazyRecords(lambda: self._open(files, cutoff), digest)

    def _open(self, files: Mapping[str, Path], cutoff: float | None) -> duckdb.DuckDBPyConnection:
        # As for real learners: nothing of them spills to a disk.
        connection = duckdb.connect(config={"temp_directory": ""})
        for table, file in files.items():
            connection.execute(_view(table, file, self._where(table, cutoff)))
        if "enrolments" not in files:
            connection.execute(self._seen())
        return connection

    def _seen(self) -> str:
        """SQL of who has been seen in which course: a platform knows when its courses begin."""
        books = catalogue(self._settings.province())
        begins = ", ".join(
            f"('{name}', TIMESTAMP '{TERMS[term]:%Y-%m-%d}')"
            for name, term in zip(books.course_id, books.term, strict=True)
        )
        return f"""
            CREATE VIEW enrolments AS
            SELECT DISTINCT learner_id, course_id, course_start FROM events
            JOIN (VALUES {begins}) AS courses(course_id, course_start) USING (course_id)
        """

    def _where(self, table: str, cutoff: float | None) -> list[str]:
        """Return the conditions on `table`: rows up to the cutoff, of the education type.

        A row without a day stays: the checks reject an event that has none, and features leave
        out an assessment that has none.
        """
        conditions = []
        if cutoff is not None and table in ("events", "outcomes"):
            early = f"coalesce(time <= {float(cutoff)!r} OR isnan(time), true)"
            conditions.append(early if table == "events" else f"(kind = 'final' OR {early})")
        education = self._settings.education
        if education is None:
            return conditions
        if table == "learners":
            return [*conditions, f"education = '{education}'"]
        books = catalogue(self._settings.province())
        number = EDUCATION.index(education)
        ours = [
            name
            for name, kind in zip(books.course_id, books.education, strict=True)
            if kind == number
        ]
        listed = ", ".join(f"'{name}'" for name in ours)
        shared = " OR course_id IS NULL" if table == "resources" else ""
        return [*conditions, f"(course_id IN ({listed}){shared})"]


def _view(table: str, file: Path, conditions: list[str]) -> str:
    have = set(pq.read_schema(file).names)
    columns = ", ".join(f'"{name}"' for name in TABLES[table].columns if name in have)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    source = str(file).replace("'", "''")
    return f"CREATE VIEW \"{table}\" AS SELECT {columns} FROM read_parquet('{source}'){where}"


def open(settings: Mapping[str, Any], folder: Path) -> Adapter:  # the registry's name for it
    """Check the settings of a site of the province, and open it.

    Raises
    ------
    DataError
        A setting is unknown, missing or of a wrong type.
    """
    try:
        return Adapter(SiteOfProvince.model_validate(dict(settings)), folder)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(["adapter", *map(str, first["loc"])])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise DataError(f"{path}: {message} (adapter province)") from None
