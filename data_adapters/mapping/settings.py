"""The settings of a mapped adapter: a source, and for each canonical table how it is made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pandas as pd
from pandera.errors import SchemaError
from pydantic import BeforeValidator, Field, FiniteFloat, ValidationError, model_validator

from data_adapters.mapping.how import (
    FORMS,
    Bands,
    Constant,
    Date,
    How,
    RawKeys,
    RawList,
    Strict,
    Threshold,
    Value,
    Values,
)
from data_adapters.mapping.target import column_kind, key_columns, required_columns
from data_adapters.sources.files import FilesSettings
from data_adapters.sources.sql import SqlSettings
from data_adapters.sources.xapi import XapiSettings
from edufed.records import CANONICAL, TABLES, CanonicalStatement, DataError

#: Names that pydantic puts into the place of a mistake and that no YAML has.
TAGS = {"Plain", "files", "sql", "xapi"} | {form.__name__ for form in FORMS.values()}

#: Columns of `private` that say whose numbers a row holds.
PRIVATE_KEYS = ("learner_id", "course_id")


class Condition(Strict):
    """`where: {Course: {not: [33]}}`: what a raw column must satisfy for the row to count."""

    is_: RawList | None = Field(default=None, alias="is")
    not_: RawList | None = Field(default=None, alias="not")
    at_least: FiniteFloat | None = None
    below: FiniteFloat | None = None
    present: bool | None = None


def _condition(raw: object) -> object:
    if isinstance(raw, dict):
        return {
            k: [v] if k in ("is", "not") and not isinstance(v, list) else v for k, v in raw.items()
        }
    return {"is": raw if isinstance(raw, list) else [raw]}


class Part(Strict):
    """Canonical rows out of one of the platform's tables.

    Attributes
    ----------
    from_ : str
        `from`: a file, a database's table or query, or `statements`.
    columns : dict of canonical column to form
    where : dict of raw column to Condition
        All must hold.
    one_per_key : bool
        Make one row of those that share the canonical table's key: the earliest `start`, and
        of every other column the largest value.
    dated : form, optional
        The day of a row in a table made of dated rows, such as enrolments made of visits: with
        a cutoff, later rows do not count. Events and outcomes go by their `time`.
    """

    from_: str = Field(alias="from", min_length=1)
    columns: dict[str, How]
    where: dict[str, Annotated[Condition, BeforeValidator(_condition)]] = Field(default={})
    one_per_key: bool = False
    dated: How | None = None


class Canonical(Strict):
    """`canonical: {supplies: [achievement, load], cohort: intake}`: what the site states.

    Attributes
    ----------
    supplies : list of str
        Canonical learner features that the mapped columns mean; default: all they suffice for.
    cohort : {"course", "intake"}
        See `edufed.records.CanonicalStatement`.
    """

    supplies: list[str] = Field(default=list(CANONICAL))
    cohort: Literal["course", "intake"] = "course"

    @model_validator(mode="after")
    def _known(self) -> Canonical:
        if unknown := [name for name in self.supplies if name not in CANONICAL]:
            raise ValueError(
                f"supplies: no canonical feature {unknown[0]!r}; there are {', '.join(CANONICAL)}"
            )
        return self

    def statement(self) -> CanonicalStatement:
        """The same, as features read it."""
        return CanonicalStatement(tuple(self.supplies), self.cohort)


def _parts(raw: object) -> object:
    return raw if isinstance(raw, list) else [raw]


Parts = Annotated[list[Part], BeforeValidator(_parts), Field(min_length=1)]


class AdapterSettings(Strict):
    """The `adapter` part of a site's YAML, for every adapter that is mapped.

    Attributes
    ----------
    name : str
        The kind of platform, as in `data_adapters.base.MODULES`.
    source : FilesSettings, SqlSettings or XapiSettings
        Where rows come from.
    course_start : date, or dict of course_id to date
        First day of the (or each) course: what dates are counted from where a column names no
        `origin` of its own, and `enrolments.course_start` where that is not mapped.
    tables : dict of canonical table to list of Part
        Several parts are put one under the other, matched by column name.
    canonical : Canonical
        What the site states of its canonical learner features.
    private : list of Part
        Numbers of the site's own, under any names, for models that are fitted and stay at the
        site. `dated` says from which day on a part is known.
    """

    name: str
    source: Annotated[FilesSettings | SqlSettings | XapiSettings, Field(discriminator="kind")]
    course_start: dt.date | Annotated[dict[str, dt.date], RawKeys] | None = None
    tables: dict[str, Parts]
    canonical: Canonical = Canonical()
    private: Annotated[list[Part], BeforeValidator(_parts)] = Field(default=[])

    @model_validator(mode="after")
    def _private(self) -> AdapterSettings:
        for part in self.private:
            missing = [key for key in PRIVATE_KEYS if key not in part.columns]
            if missing:
                raise ValueError(f"private: map {', '.join(missing)} (from {part.from_})")
            if part.one_per_key:
                raise ValueError("private: one_per_key is for canonical tables")
        return self

    @model_validator(mode="after")
    def _canonical(self) -> AdapterSettings:
        for table, parts in self.tables.items():
            if table not in TABLES:
                raise ValueError(f"tables: no table {table!r}; choose from {', '.join(TABLES)}")
            for part in parts:
                _check_columns(table, part)
        return self


def _check_columns(table: str, part: Part) -> None:
    if part.one_per_key and not key_columns(table):
        raise ValueError(f"tables.{table}: {table} have no key, so no one_per_key")
    known = TABLES[table].columns
    for column, how in part.columns.items():
        where = f"tables.{table}.columns.{column}"
        if column not in known:
            raise ValueError(f"{where}: {table} has no such column; choose from {', '.join(known)}")
        kind = column_kind(table, column)
        if isinstance(how, Bands) and column != "age_band":
            raise ValueError(f"{where}: bands are for age_band alone")
        if isinstance(how, Date) and kind not in ("day", "date"):
            raise ValueError(f"{where}: a date cannot be a {kind}")
        if isinstance(how, Threshold) and kind != "boolean":
            raise ValueError(f"{where}: at_least gives true or false, and this is a {kind}")
        for value in _stated(how):
            _check_value(table, column, value)
    missing = [column for column in required_columns(table) if column not in part.columns]
    if missing:
        raise ValueError(f"tables.{table}: {', '.join(missing)} must be mapped (from {part.from_})")


def _stated(how: How) -> list[Value]:
    if isinstance(how, Constant):
        return [how.constant]
    if isinstance(how, Values):
        stated = [*how.values.values(), how.default]
        return [value for value in stated if value is not None]
    return []


def _check_value(table: str, column: str, value: Value) -> None:
    schema = TABLES[table].columns[column]
    try:
        schema.validate(pd.DataFrame({column: [value]}))
    except (SchemaError, TypeError, ValueError) as error:
        raise ValueError(
            f"tables.{table}.columns.{column}: {value!r} is no {table}.{column}"
            f" ({schema.dtype}{'; ' + str(schema.checks[0]) if schema.checks else ''})"
        ) from error


def parse(settings: Mapping[str, Any]) -> AdapterSettings:
    """Check an adapter's settings; DataError with one line where they are wrong."""
    try:
        return AdapterSettings.model_validate(dict(settings))
    except ValidationError as error:
        raise DataError(_line(error)) from error


def _line(error: ValidationError) -> str:
    problems = error.errors()
    first = problems[0]
    place = ".".join(str(p) for p in ("adapter", *first["loc"]) if p not in TAGS)
    message = first["msg"].removeprefix("Value error, ")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{place}: {message}{more}"
