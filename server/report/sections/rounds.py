"""How training went: validation loss and ROC-AUC by round, the kept round marked."""

from __future__ import annotations

from server.report import compare, plots
from server.report.contract import Report, Round
from server.report.figures import count, duration, score, size
from server.report.pieces import Block, Figure, Figures, Prose, Table
from server.report.words import Words

ORDER = 50


def blocks(report: Report, words: Words) -> list[Block]:
    """Two plots of convergence and the table of rounds."""
    if not report.rounds:
        return []
    best = compare.best_round(report)
    figures = []
    for key in ("loss", "roc_auc"):
        values = [_value(entry, key) for entry in report.rounds]
        if any(value is not None for value in values):
            figures.append(_figure(report, key, values, best, words))
    made: list[Block] = [Prose(_lead(report, best, words))]
    if figures:
        made.append(Figures(figures))
    rows = [
        [
            count(entry.round),
            score(_value(entry, "loss"), 4),
            score(_value(entry, "roc_auc"), 4),
            duration(entry.seconds, words),
            size(entry.bytes_up),
            size(entry.bytes_down),
            count(entry.messages),
        ]
        for entry in report.rounds
    ]
    head = ["round", "loss", "roc_auc", "seconds", "up", "down", "messages"]
    marked = next((i for i, entry in enumerate(report.rounds) if entry.round == best), None)
    columns = [words(_key(report, key)) for key in head]
    made.append(Table(words("caption"), columns, rows, 0, marked, folded=True))
    return made


def _value(entry: Round, key: str) -> float | None:
    value: float | None = getattr(entry.metrics, key) if entry.metrics else None
    return value


def _key(report: Report, key: str) -> str:
    """Key of a column's name: a vertical job is judged on other learners."""
    judged = key in ("loss", "roc_auc") and report.job.scenario == "vertical"
    return f"{key}.vertical" if judged else key


def _lead(report: Report, best: int | None, words: Words) -> str:
    parts = []
    if report.totals.rounds is not None:
        parts.append(words("ran", n=count(report.totals.rounds)))
    if report.totals.stopped_by:
        parts.append(words("stopped", why=words.name("stopped_by", report.totals.stopped_by)))
    if best is not None:
        parts.append(words("kept", best=best))
    return words("between").join(parts) or words("ran", n=count(len(report.rounds)))


def _figure(
    report: Report, key: str, values: list[float | None], best: int | None, words: Words
) -> Figure:
    numbers = [float(entry.round) for entry in report.rounds]
    at_best = next((v for e, v in zip(report.rounds, values, strict=True) if e.round == best), None)
    marks: list[tuple[float, str]] = []
    if best is not None and at_best is not None:
        marks.append((float(best), words("best", best=best, value=score(at_best))))
    named = _key(report, key)
    frame = plots.Frame(words("round"), words(named), x_whole=True, marks=marks)
    line = plots.Line("federated", numbers, values, dots=len(values) <= 60)
    svg = plots.lines(f"rounds-{key}", words(f"{named}.alt", n=count(len(values))), [line], frame)
    return Figure(words(f"{key}.title"), svg)
