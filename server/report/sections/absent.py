"""Sites that refused the job, and rounds that went on without a site, with the reasons."""

from __future__ import annotations

from server.report.contract import Report
from server.report.figures import DASH, count
from server.report.pieces import Block, Prose, Table
from server.report.words import Words

ORDER = 90


def blocks(report: Report, words: Words) -> list[Block]:
    """One table of refusals and one of exclusions."""
    made: list[Block] = []
    if report.refusals:
        rows = [[entry.site, entry.reason or DASH] for entry in report.refusals]
        made += [
            Prose(words("refusals.lead")),
            Table(words("refusals"), [words("site"), words("reason")], rows, texts=2),
        ]
    if report.exclusions:
        rows = [
            [count(entry.round), entry.site, entry.reason or DASH] for entry in report.exclusions
        ]
        head = [words("round"), words("site"), words("reason")]
        made += [
            Prose(words("exclusions.lead")),
            Table(words("exclusions"), head, rows, texts=3, folded=len(rows) > 20),
        ]
    return made
