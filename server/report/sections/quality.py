"""What the quality check of each site's rows found."""

from __future__ import annotations

from collections import Counter

from server.report import plots
from server.report.contract import Report
from server.report.figures import count, percent
from server.report.pieces import Block, Figure, Figures, Prose, Table
from server.report.words import Words

ORDER = 70
_SITES, _REASONS = 40, 12


def blocks(report: Report, words: Words) -> list[Block]:
    """Rows by site, rejected rows by reason, and the table of both."""
    if not report.quality:
        return []
    rows = sum(entry.rows or 0 for entry in report.quality)
    rejected = sum(entry.rejected or 0 for entry in report.quality)
    reasons: Counter[str] = Counter()
    for entry in report.quality:
        reasons.update(entry.reasons)
    share = percent(rejected / rows, 2) if rows else percent(0)
    key = "lead" if rejected else "lead.none"
    lead = words(key, rows=count(rows), rejected=count(rejected), share=share)
    made: list[Block] = [Prose(lead)]
    figures = []
    largest = sorted(report.quality, key=lambda entry: (-(entry.rows or 0), entry.site))[:_SITES]
    if rows:
        svg = plots.bars(
            "quality-rows",
            words("rows.alt", n=count(len(largest))),
            [entry.site for entry in largest],
            [entry.rows for entry in largest],
            [count(entry.rows) for entry in largest],
            "federated",
        )
        figures.append(Figure(words("rows.title"), svg))
    if reasons:
        top = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:_REASONS]
        svg = plots.bars(
            "quality-reasons",
            words("reasons.alt", n=count(len(top))),
            [_reason(reason, words) for reason, _ in top],
            [number for _, number in top],
            [count(number) for _, number in top],
            "pooled",
        )
        figures.append(Figure(words("reasons.title"), svg))
    if figures:
        made.append(Figures(figures))
    ordered = sorted(report.quality, key=lambda entry: entry.site)
    table = [
        [
            entry.site,
            ", ".join(
                f"{_reason(reason, words)} ({count(number)})"
                for reason, number in sorted(entry.reasons.items(), key=lambda item: -item[1])
            )
            or words("no_reasons"),
            count(entry.rows),
            count(entry.rejected),
            percent(entry.rejected / entry.rows, 2)
            if entry.rows and entry.rejected
            else percent(0),
        ]
        for entry in ordered
    ]
    head = [words(key) for key in ("site", "reasons", "rows", "rejected", "share")]
    made.append(
        Table(words("caption"), head, table, texts=2, folded=not rejected or len(table) > _SITES)
    )
    return made


def _reason(reason: str, words: Words) -> str:
    """A reason reads "table.column: what is wrong"; the latter part may have a translation."""
    where, between, what = reason.rpartition(": ")
    return where + between + words.name("reason", what)
