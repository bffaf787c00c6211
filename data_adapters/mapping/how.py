"""How one canonical column is made from a platform's own: the words a mapping may use.

Each class is one form of the YAML on the right of a canonical column's name. They are told
apart by their keys (`FORMS`), so that a mistake is reported for the form that was meant.
"""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise
from typing import Annotated, Any, Literal

import duckdb
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    Tag,
    field_validator,
    model_validator,
)

Value = bool | int | FiniteFloat | dt.date | str
#: Named units as (multiply by, divide by): shares of 1, and seconds. 57 percent is 57 / 100,
#: which is .57, where 57 * .01 is not.
UNITS: dict[str, tuple[float, float]] = {
    "share": (1.0, 1.0),
    "percent": (1.0, 100.0),
    "milliseconds": (1.0, 1000.0),
    "seconds": (1.0, 1.0),
    "minutes": (60.0, 1.0),
    "hours": (3600.0, 1.0),
    "days": (86400.0, 1.0),
}
BAND = re.compile(r"(\d{1,3})-(\d{0,3})")


def _raw_key(key: object) -> str:
    """A raw value as DuckDB writes it; YAML reads an unquoted yes, no, on or off as a boolean."""
    if isinstance(key, bool):
        raise ValueError(f"write the raw value in quotes: YAML reads an unquoted one as {key}")
    if isinstance(key, float) and key.is_integer():
        return str(int(key))
    return str(key)


def _raw_keys(values: object) -> object:
    return {_raw_key(k): v for k, v in values.items()} if isinstance(values, dict) else values


def _raw_list(values: object) -> object:
    return [_raw_key(v) for v in values] if isinstance(values, list) else _raw_key(values)


RawKeys = BeforeValidator(_raw_keys)
RawList = Annotated[list[str], BeforeValidator(_raw_list)]


class Strict(BaseModel):
    """Settings in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Plain(Strict):
    """`gender: Sex`, or `{column: Sex}`: the platform's column as it is."""

    column: str


class Constant(Strict):
    """`{constant: live}`: the same value in every row."""

    constant: Value


class RowNumber(Strict):
    """`{row_number: s}`: s1, s2, ... in the file's order, for a table that has no ids."""

    row_number: str


class Joined(Strict):
    """`{columns: [module, term], join: "-"}`: several columns as one key; missing if one is."""

    columns: list[str] = Field(min_length=1)
    join: str = "-"
    prefix: str = ""


class Values(Strict):
    """`{column: Sex, values: {F: female, M: male}}`: a value for each raw value.

    A raw value may map to null (known, and no canonical value). A raw value that is not in
    `values` is `unmapped`: `missing` (the default; counted and reported), `error` (the data
    are refused), or `keep` (taken as it is). `default` gives all of those one value instead.
    """

    column: str
    values: Annotated[dict[str, Value | None], RawKeys] = Field(min_length=1)
    unmapped: Literal["missing", "error", "keep"] = "missing"
    default: Value | None = None

    @model_validator(mode="after")
    def _one_treatment(self) -> Values:
        if self.default is not None and "unmapped" in self.model_fields_set:
            raise ValueError("give either `unmapped` or `default`, not both")
        return self


class Number(Strict):
    """`{column: Grade, points_of: 20}`: a number in other units.

    Multiplied by `scale`, divided by `points_of`, or converted from a named `unit`.
    `decimal: ","` where the platform writes 1.234,5.
    """

    column: str
    scale: FiniteFloat | None = None
    unit: str | None = None
    points_of: Annotated[FiniteFloat, Field(gt=0)] | None = None
    decimal: Literal[".", ","] = "."

    @model_validator(mode="after")
    def _one_unit(self) -> Number:
        if sum(x is not None for x in (self.scale, self.unit, self.points_of)) > 1:
            raise ValueError("give one of `scale`, `unit` and `points_of`")
        if self.unit is not None and self.unit not in UNITS:
            raise ValueError(f"unknown unit {self.unit!r}; choose one of {', '.join(UNITS)}")
        return self

    @property
    def factors(self) -> tuple[float, float]:
        """What the platform's number is multiplied by, then divided by."""
        if self.points_of is not None:
            return 1.0, self.points_of
        if self.unit is not None:
            return UNITS[self.unit]
        return (1.0 if self.scale is None else self.scale), 1.0


class Date(Strict):
    """`{column: Datum, format: "%d/%m/%Y", origin: 2024-09-01}`: a point in time.

    A day column becomes days (with fractions) after `origin`: a date, or another form that
    gives one (a column, values for each course, a lookup in the table of courses); without it,
    after the adapter's `course_start`. `format` is `iso`, `epoch` (seconds), `epoch_ms`, or
    DuckDB's strptime letters. `timezone` is that of times which do not state their own.
    """

    column: str
    format: str = "iso"
    origin: dt.date | How | None = Field(default=None, union_mode="left_to_right")
    timezone: str = "UTC"

    @field_validator("format")
    @classmethod
    def _readable(cls, letters: str) -> str:
        if letters not in ("iso", "epoch", "epoch_ms"):
            try:
                duckdb.execute("SELECT try_strptime('', $1)", [letters])
            except duckdb.Error:
                raise ValueError(f"{letters!r} is no format; write one such as %d/%m/%Y") from None
            if "%" not in letters:
                raise ValueError(f"{letters!r} is no format; write one such as %d/%m/%Y")
        return letters

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        # Asked of DuckDB, which brings its own, and not of a machine that may have none.
        if not duckdb.execute("FROM pg_timezone_names() WHERE name = $1", [name]).fetchall():
            raise ValueError(f"unknown time zone {name!r}; write one such as Europe/Lisbon")
        return name


class Bands(Strict):
    """`{column: Age, bands: [15-17, 18-24, 25-]}`: the band into which a number falls."""

    column: str
    bands: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> Bands:
        edges = self.edges
        for (_, high), (low, _) in pairwise(edges):
            if high is None or high >= low:
                raise ValueError("bands must rise and not overlap, and only the last may be open")
        return self

    @property
    def edges(self) -> list[tuple[int, int | None]]:
        """Lowest and highest whole number of each band; None: no highest."""
        edges: list[tuple[int, int | None]] = []
        for band in self.bands:
            match = BAND.fullmatch(band)
            if match is None or (match[2] and int(match[2]) < int(match[1])):
                raise ValueError(f"{band!r} is not a band such as 18-24, or 55- for an open top")
            edges.append((int(match[1]), int(match[2]) if match[2] else None))
        return edges


class Threshold(Strict):
    """`{column: G3, at_least: 10}`: whether a number is at least so large."""

    column: str
    at_least: FiniteFloat
    decimal: Literal[".", ","] = "."


class Looked(Strict):
    """The other table of a lookup: where it is, its key, and what is taken from it."""

    from_: str = Field(alias="from")
    match: str
    take: How


class Lookup(Strict):
    """`{column: course, lookup: {from: courses.csv, match: code, take: HOW}}`.

    HOW is read in the row of the other table whose `match` equals this row's `column`. Where
    several rows match, the largest value is taken.
    """

    column: str
    lookup: Looked


#: The form that a key gives away; the first that is present decides.
FORMS: dict[str, type[Strict]] = {
    "constant": Constant,
    "row_number": RowNumber,
    "columns": Joined,
    "values": Values,
    "bands": Bands,
    "at_least": Threshold,
    "lookup": Lookup,
    "format": Date,
    "origin": Date,
    "timezone": Date,
    "scale": Number,
    "unit": Number,
    "points_of": Number,
    "decimal": Number,
}


def _form(raw: Any) -> str:
    if isinstance(raw, Strict):
        return type(raw).__name__
    if isinstance(raw, dict):
        return next((form.__name__ for key, form in FORMS.items() if key in raw), "Plain")
    return "Plain"


def _plain(raw: object) -> object:
    return {"column": raw} if isinstance(raw, str) else raw


How = Annotated[
    Annotated[Plain, BeforeValidator(_plain), Tag("Plain")]
    | Annotated[Constant, Tag("Constant")]
    | Annotated[RowNumber, Tag("RowNumber")]
    | Annotated[Joined, Tag("Joined")]
    | Annotated[Values, Tag("Values")]
    | Annotated[Number, Tag("Number")]
    | Annotated[Date, Tag("Date")]
    | Annotated[Bands, Tag("Bands")]
    | Annotated[Threshold, Tag("Threshold")]
    | Annotated[Lookup, Tag("Lookup")],
    Discriminator(_form),
]

for _model in (Date, Looked, Lookup):
    _model.model_rebuild()
