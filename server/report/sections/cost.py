"""What the run cost: bytes and seconds by round, seconds by phase."""

from __future__ import annotations

from server.report import plots
from server.report.contract import Report
from server.report.figures import count, duration, size
from server.report.pieces import Block, Figure, Figures, Prose, Table
from server.report.words import Words

ORDER = 80
_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1))


def blocks(report: Report, words: Words) -> list[Block]:
    """Plots by round, a table by phase, and the totals in a sentence."""
    made: list[Block] = []
    totals = report.totals
    if totals.messages is not None:
        made.append(
            Prose(
                words(
                    "lead",
                    messages=count(totals.messages),
                    up=size(totals.bytes_up),
                    down=size(totals.bytes_down),
                    time=duration(totals.seconds, words),
                )
            )
        )
    figures = []
    if any(entry.bytes_up or entry.bytes_down for entry in report.rounds):
        figures.append(_bytes(report, words))
    if any(entry.seconds for entry in report.rounds):
        numbers = [entry.round for entry in report.rounds]
        frame = plots.Frame(words("round"), words("seconds"), x_whole=True, height=250)
        svg = plots.columns(
            "cost-seconds",
            words("seconds.alt"),
            numbers,
            [("soft", [entry.seconds for entry in report.rounds])],
            frame,
        )
        figures.append(Figure(words("seconds.title"), svg))
    if figures:
        made.append(Figures(figures))
    if report.phases:
        rows = [
            [words.name("phase", entry.phase), duration(entry.seconds, words)]
            for entry in report.phases
        ]
        made.append(Table(words("phases"), [words("phase"), words("time")], rows))
    return made


def _bytes(report: Report, words: Words) -> Figure:
    numbers = [entry.round for entry in report.rounds]
    most = max((entry.bytes_up or 0) + (entry.bytes_down or 0) for entry in report.rounds)
    unit, scale = next((u, s) for u, s in _UNITS if most >= s or s == 1)
    stacks = [
        ("federated", [(entry.bytes_up or 0) / scale for entry in report.rounds]),
        ("pooled", [(entry.bytes_down or 0) / scale for entry in report.rounds]),
    ]
    frame = plots.Frame(words("round"), unit, x_whole=True, height=250)
    svg = plots.columns("cost-bytes", words("bytes.alt"), numbers, stacks, frame)
    legend = [("box-federated", words("up")), ("box-pooled", words("down"))]
    return Figure(words("bytes.title"), svg, legend)
