"""A canonical table's mapping, compiled to the SQL of one view over the platform's tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from data_adapters.mapping.expressions import Expression, compile_how
from data_adapters.mapping.how import How, Looked
from data_adapters.mapping.raw import number, text
from data_adapters.mapping.settings import PRIVATE_KEYS, AdapterSettings, Condition, Part
from data_adapters.mapping.target import Kind, column_kind, key_columns
from data_adapters.sources import Source
from data_adapters.sources.quoting import identifier, literal
from edufed.records import PRIVATE, DataError

#: Name of the row's number in its file, where a mapping asks for it.
ROW = "#row"


@dataclass
class Tables:
    """Columns of the platform's tables, and which of them a mapping needs."""

    source: Source
    describe: Callable[[str], dict[str, str]]
    needed: dict[str, set[str]] = field(default_factory=dict)

    def type_of(self, table: str, column: str, purpose: str) -> str:
        """DuckDB type of a column, which is noted as needed."""
        columns = self.describe(table)
        if column not in columns:
            near = get_close_matches(column, columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise DataError(
                f"{self.source.label(table)}: no column {column!r} (for {purpose})"
                f" among its {len(columns)} columns{hint}"
            )
        self.needed.setdefault(table, set()).add(column)
        return columns[column]


@dataclass
class PartRow:
    """The row that one part reads; see `expressions.Row`."""

    tables: Tables
    table: str
    purpose: str
    start: Callable[[], str] | None = None
    numbered: bool = False

    def type_of(self, column: str) -> str:
        """DuckDB type of a raw column."""
        return self.tables.type_of(self.table, column, self.purpose)

    def number(self) -> str:
        """SQL of the row's number."""
        if not self.tables.source.ordered:
            raise DataError(
                f"{self.tables.source.label(self.table)}: its rows come in no fixed order, so"
                f" {self.purpose} cannot be a row number; map a column that identifies the row"
            )
        self.numbered = True
        return f"src.{identifier(ROW)}"

    def course_start(self) -> str:
        """SQL of the first day of the row's course."""
        if self.start is None:
            raise DataError(
                f"adapter.tables: {self.purpose} is a date, and nothing states the first day to"
                " count from; give the column an origin, or the adapter a course_start"
            )
        return self.start()

    def looked_up(self, key: str, lookup: Looked, kind: Kind) -> str:
        """SQL of what `lookup` finds for `key`."""
        other = PartRow(self.tables, lookup.from_, self.purpose)
        match = text(lookup.match, other.type_of(lookup.match))
        taken = compile_how(lookup.take, kind, other).value
        return (
            f"(SELECT max(found.taken) FROM (SELECT {match} AS key, {taken} AS taken"
            f" FROM {relation(other)}) AS found WHERE found.key = {key})"
        )


@dataclass(frozen=True)
class CompiledPart:
    """SQL of one part: where its rows come from, which count, and each canonical column."""

    table: str
    raw: str
    label: str
    relation: str
    where: str
    columns: dict[str, Expression]
    dated: Expression | None
    one_per_key: bool

    def select(self, cutoff: float | None) -> str:
        """SQL of this part's canonical rows, cut off before anything else is done to them."""
        columns = ", ".join(f"{e.value} AS {identifier(c)}" for c, e in self.columns.items())
        rows = f"SELECT {columns} FROM {self.relation} WHERE {self.where}"
        if cutoff is not None:
            if self.dated is not None:
                rows += f" AND {self.dated.value} <= {cutoff!r}"
            if early := self._early(cutoff):
                rows = f"SELECT * FROM ({rows}) WHERE {early}"
        if not self.one_per_key:
            return rows
        keys = [identifier(c) for c in self.columns if c in key_columns(self.table)]
        rest = [
            f"{'min' if c == 'start' else 'max'}({identifier(c)}) AS {identifier(c)}"
            for c in self.columns
            if c not in key_columns(self.table)
        ]
        return f"SELECT {', '.join(keys + rest)} FROM ({rows}) GROUP BY {', '.join(keys)}"

    def _early(self, cutoff: float) -> str | None:
        # An event that has no day stays: every event must have one, so the checks reject it.
        # An assessment that has none may stay there, and nothing shows that it came before.
        if self.table == "events":
            return f"(time <= {cutoff!r} OR time IS NULL)"
        if self.table == "outcomes":
            early = f"time <= {cutoff!r}" if "time" in self.columns else "false"
            return f"(kind = 'final' OR {early})"
        return None


def relation(row: PartRow) -> str:
    """SQL to read a row's table under the name `src`, its rows numbered where asked for."""
    name = row.tables.source.relation(row.table)
    if not row.numbered:
        return f"{name} AS src"
    return f"(SELECT *, row_number() OVER () AS {identifier(ROW)} FROM {name}) AS src"


def compile_tables(settings: AdapterSettings, tables: Tables) -> dict[str, list[CompiledPart]]:
    """Compile every canonical table; DataError where a raw table or column is missing."""
    return {
        table: [_compile_part(table, part, settings, tables) for part in parts]
        for table, parts in (settings.tables | {PRIVATE: settings.private}).items()
        if parts
    }


def _compile_part(
    table: str, part: Part, settings: AdapterSettings, tables: Tables
) -> CompiledPart:
    def row(purpose: str) -> PartRow:
        return PartRow(tables, part.from_, purpose, start)

    stated = settings.course_start
    start = None if stated is None else (lambda: _course_start(stated, table, part, row))
    rows: list[PartRow] = []

    def compiled(column: str, how: How, kind: Kind) -> Expression:
        rows.append(row(f"{table}.{column}"))
        return compile_how(how, kind, rows[-1])

    def kind(column: str) -> Kind:
        if table == PRIVATE:
            return "text" if column in PRIVATE_KEYS else "number"
        return column_kind(table, column)

    columns = {c: compiled(c, how, kind(c)) for c, how in part.columns.items()}
    if table == "enrolments" and start is not None and "course_start" not in columns:
        columns["course_start"] = Expression(start())
    dated = None if part.dated is None else compiled("dated", part.dated, "day")
    where = " AND ".join(_conditions(part, row(f"the filter of {table}")))
    whole = row(table)
    whole.numbered = any(each.numbered for each in rows)
    # A table of which nothing is needed (constants and row numbers alone) is read all the same.
    tables.needed.setdefault(part.from_, set())
    label = tables.source.label(part.from_)
    return CompiledPart(
        table, part.from_, label, relation(whole), where or "true", columns, dated, part.one_per_key
    )


def _course_start(
    stated: dt.date | dict[str, dt.date],
    table: str,
    part: Part,
    row: Callable[[str], PartRow],
) -> str:
    if isinstance(stated, dt.date):
        return f"CAST({literal(stated)} AS TIMESTAMP)"
    if "course_id" not in part.columns:
        raise DataError(
            f"adapter.course_start: it has a day for each course, and {table} from {part.from_}"
            " maps no course_id; map it, or give the date column an origin"
        )
    course = compile_how(part.columns["course_id"], "text", row(f"{table}.course_id")).value
    cases = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in stated.items())
    return f"CAST(CASE {course} {cases} END AS TIMESTAMP)"


def _conditions(part: Part, row: PartRow) -> Iterator[str]:
    for column, condition in part.where.items():
        type_ = row.type_of(column)
        yield from _condition(condition, text(column, type_), number(column, type_))


def _condition(condition: Condition, raw: str, real: str) -> Iterator[str]:
    if condition.is_ is not None:
        yield f"{raw} IN ({', '.join(map(literal, condition.is_))})"
    if condition.not_ is not None:
        yield f"coalesce({raw} NOT IN ({', '.join(map(literal, condition.not_))}), true)"
    if condition.at_least is not None:
        yield f"{real} >= {condition.at_least!r}"
    if condition.below is not None:
        yield f"{real} < {condition.below!r}"
    if condition.present is not None:
        yield f"{raw} IS {'NOT ' if condition.present else ''}NULL"
