"""What a command found at a site, as headings, tables and lines, for a terminal and for a file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from data_adapters.governance import Example, TableQuality
from edufed.cli.site_words import say, say_group, say_reason
from edufed.config import SettingsError
from edufed.private_files import write_private

if TYPE_CHECKING:
    # `check_site` reads this file.
    from edufed.cli.check_site import SiteCheck

Row = tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A heading, a table (its first row the header, empty where it needs none), and lines."""

    heading: str
    header: Row = ()
    rows: tuple[Row, ...] = ()
    lines: tuple[str, ...] = ()


def sections(check: SiteCheck, language: str) -> list[Section]:
    """Say what was found in "en" or "zh"; identifiers and values of learners are nowhere."""
    return [
        _overview(check, language),
        _tables(check, language),
        *_gaps(check, language),
        _rejects(check, language),
        *_warnings(check, language),
        _features(check, language),
        _early_warning(check, language),
        Section(say("verdict", language), lines=_verdict(check, language)),
    ]


def print_report(console: Console, report: list[Section]) -> None:
    """Print the sections to a terminal."""
    for section in report:
        console.print(section.heading, style="bold", highlight=False, markup=False)
        if section.rows:
            table = Table(show_header=bool(section.header), pad_edge=False)
            for name in section.header or [""] * len(section.rows[0]):
                table.add_column(name, overflow="fold")
            for row in section.rows:
                table.add_row(*(cell.replace("[", r"\[") for cell in row))
            console.print(table)
        for line in section.lines:
            console.print(line, highlight=False, markup=False)
        console.print()


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write files that their owner alone may read.

    Raises
    ------
    SettingsError
        The folder cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in files.items():
            write_private(folder / name, text.encode())
    except OSError as error:
        raise SettingsError(f"{folder}: {error.strerror}; name another folder with out=") from None


def as_markdown(report: list[Section]) -> str:
    """Write the sections as Markdown, the first as the page's title."""
    blocks = []
    for level, section in enumerate(report):
        blocks.append(f"{'##' if level else '#'} {section.heading}")
        if section.rows:
            header = section.header or ("",) * len(section.rows[0])
            rows = [header, ("---",) * len(header), *section.rows]
            blocks.append("\n".join(_markdown_row(row) for row in rows))
        blocks.extend(line.replace("|", r"\|") for line in section.lines)
    return "\n\n".join(blocks) + "\n"


def _markdown_row(row: Row) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |"


def _overview(check: SiteCheck, language: str) -> Section:
    quality = check.quality
    days = say("none", language)
    if quality.time_range is not None:
        first, last = quality.time_range
        days = say("range", language, first=first, last=last)
    share = quality.rejected / quality.rows if quality.rows else 0.0
    return Section(
        say("title", language, site=check.site, adapter=check.adapter),
        rows=(
            (say("rows", language), f"{quality.rows:,}"),
            (say("rejected", language), f"{quality.rejected:,} ({share:.2%})"),
            (say("learners", language), f"{quality.learners:,}"),
            (say("courses", language), f"{quality.courses:,}"),
            (say("days", language), days),
            (say("final", language), say("balance", language, **quality.outcomes)),
        ),
    )


def _tables(check: SiteCheck, language: str) -> Section:
    names = ("table", "rows", "rejected", "duplicates", "missing_columns")
    rows = [
        (
            name,
            f"{table.rows:,}",
            f"{table.rejected:,}",
            f"{table.duplicates:,}",
            ", ".join(table.missing_columns),
        )
        for name, table in check.quality.tables.items()
    ]
    rows += [(name, "", "", "", say("absent", language)) for name in check.quality.missing_tables]
    return Section(
        say("tables", language), tuple(say(name, language) for name in names), tuple(rows)
    )


def _gaps(check: SiteCheck, language: str) -> list[Section]:
    rows = tuple(
        (
            name,
            column,
            f"{count:,} ({count / (table.rows - table.rejected + table.duplicates):.1%})",
        )
        for name, table in check.quality.tables.items()
        for column, count in table.missing_values.items()
    )
    header = tuple(say(name, language) for name in ("table", "column", "values"))
    return [Section(say("gaps", language), header, rows)] if rows else []


def _rejects(check: SiteCheck, language: str) -> Section:
    if not check.quality.rejected:
        return Section(say("reasons", language), lines=(say("no_rejects", language),))
    names = ("table", "reason", "rows", "examples")
    rows = tuple(
        (name, say_reason(reason, language), f"{count:,}", _places(table, reason, language))
        for name, table in check.quality.tables.items()
        for reason, count in table.reasons.items()
    )
    header = tuple(say(name, language) for name in names)
    return Section(say("reasons", language), header, rows, (say("quarantine", language),))


def _places(table: TableQuality, reason: str, language: str) -> str:
    """Say where examples stand: "row 4, 17"; the column stands in the reason."""
    found: tuple[Example, ...] = table.examples.get(reason, ())
    if not found:
        return ""
    return say("place", language, rows=", ".join(str(example.row) for example in found))


def _warnings(check: SiteCheck, language: str) -> list[Section]:
    rows = tuple(
        (name, say_reason(warning, language), f"{count:,}")
        for name, table in check.quality.tables.items()
        for warning, count in table.warnings.items()
    )
    header = tuple(say(name, language) for name in ("table", "reason", "values"))
    return [Section(say("warnings", language), header, rows)] if rows else []


def _features(check: SiteCheck, language: str) -> Section:
    rows = tuple(
        (
            say_group(group.group, language),
            f"{group.usable}/{group.features}",
            _joined(group.lacking),
        )
        for group in check.features
    )
    header = tuple(say(name, language) for name in ("group", "usable", "lacking"))
    return Section(say("features", language), header, rows)


def _joined(columns: tuple[str, ...]) -> str:
    """Join "table.column" names, each table named once: "events.duration_s, progress"."""
    parts = []
    for table, names in groupby(sorted(columns), key=lambda name: name.partition(".")[0]):
        parts.append(f"{table}." + ", ".join(name.partition(".")[2] for name in names))
    return "; ".join(parts)


def _early_warning(check: SiteCheck, language: str) -> Section:
    found = check.early_warning
    return Section(
        say("warning", language, day=found.day),
        rows=(
            (say("eligible", language), f"{found.enrolments:,}"),
            (say("learners", language), f"{found.learners:,}"),
            (say("at_risk", language), f"{found.at_risk:,}"),
            (say("passed", language), f"{found.passed:,}"),
            (say("unknown", language), f"{found.unknown:,}"),
        ),
    )


def _verdict(check: SiteCheck, language: str) -> tuple[str, ...]:
    found = check.early_warning
    if found.at_risk and found.passed:
        key = "can_train"
    else:
        key = "one_class" if found.at_risk or found.passed else "no_labels"
    refusals = [say("refused", language, why=why) for why in check.refusals]
    return (say(key, language), *refusals)
