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
    head = [words("round"), words("site"), words("reason")]
    if report.refusals:
        rows = [[count(entry.round), entry.site, entry.reason or DASH] for entry in report.refusals]
        made += [
            Prose(words("refusals.lead")),
            Table(words("refusals"), head, rows, texts=3),
        ]
    if report.exclusions:
        rows = [
            [count(entry.round), entry.site, entry.reason or DASH] for entry in report.exclusions
        ]
        made += [
            Prose(words("exclusions.lead")),
            Table(words("exclusions"), head, rows, texts=3, folded=len(rows) > 20),
        ]
    return made
