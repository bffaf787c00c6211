"""Of the learners given a risk of 30 %, do 30 % have the outcome?"""

from __future__ import annotations

from server.report import plots
from server.report.contract import Report
from server.report.figures import count, percent
from server.report.pieces import Block, Figure, Figures, Prose, Table
from server.report.words import Words

ORDER = 40
_LARGEST = 150.0  # square pixels of the dot that stands for the most learners


def blocks(report: Report, words: Words) -> list[Block]:
    """Observed share against predicted risk, and how many learners stand behind each dot."""
    curves = report.curves.calibration if report.curves else {}
    ordered = [key for key in ("federated", "pooled", "local") if curves.get(key)]
    known = {
        key: [p for p in curves[key] or [] if p.predicted is not None and p.observed is not None]
        for key in ordered
    }
    known = {key: points for key, points in known.items() if points}
    if not known:
        return []
    first = next(iter(known))
    sizes = [point.n or 0 for point in known[first]]
    uneven = max(sizes) > 1.5 * min(sizes)  # groups of one size need no plot of their sizes
    drawn = []
    for key, points in known.items():
        drawn.append(
            plots.Line(
                key,
                [point.predicted for point in points],
                [point.observed for point in points],
                dashed=key != "federated",
                dots=key == first,
                areas=_areas(sizes) if uneven and key == first else None,
            )
        )
    frame = plots.Frame(
        words("x"), words("y"), x_percent=True, y_percent=True, x_limits=(0, 1), y_limits=(0, 1)
    )
    legend = [(f"line-{key}", words(key)) for key in known] + [("line-ideal", words("ideal"))]
    svg = plots.lines("calibration", words("alt"), drawn[::-1], frame, diagonal=True)
    points = known[first]
    figures = [Figure(words("figure"), svg, legend, words("note") if uneven else "")]
    if uneven:
        svg = plots.bars(
            "calibration-n",
            words("n.alt"),
            [percent(point.predicted) for point in points],
            [point.n for point in points],
            [count(point.n) for point in points],
            first,
        )
        figures.append(Figure(words("n.title"), svg))
    rows = [[percent(p.predicted, 1), percent(p.observed, 1), count(p.n)] for p in points]
    table = Table(words("caption"), [words("x"), words("y"), words("n")], rows, folded=True)
    return [Prose(words("lead")), Figures(figures), table]


def _areas(sizes: list[int]) -> list[float]:
    """Area of the dot for each number of learners, no dot too small to see."""
    return [max(10.0, _LARGEST * size / max(sizes)) for size in sizes]
