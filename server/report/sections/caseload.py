"""Contact those with the highest risk: how well is that aimed, and how many are reached?"""

from __future__ import annotations

from collections.abc import Sequence

from server.report import plots
from server.report.contract import CaseloadPoint, Report
from server.report.figures import percent
from server.report.pieces import Block, Figure, Figures, Prose, Table
from server.report.words import Words

ORDER = 30
_TENTH = 0.1
_ORDERED = ("federated", "pooled", "local", "rule")
_TABLE_SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)


def blocks(report: Report, words: Words) -> list[Block]:
    """Precision and recall against the share of learners contacted."""
    curves = report.curves.caseload if report.curves else {}
    found = {key: curves[key] for key in _ORDERED if curves.get(key)}
    known = {
        key: [p for p in points if p.share is not None] for key, points in found.items() if points
    }
    known = {key: points for key, points in known.items() if points}
    if not known:
        return []
    legend = [
        (f"{'line' if len(points) > 1 else 'dot'}-{key}", _label(report, key, words))
        for key, points in known.items()
    ]
    figures = []
    for side in ("precision", "recall"):
        drawn = [_line(key, points, side) for key, points in known.items()]
        frame = plots.Frame(
            words("share"),
            words(f"{side}.y"),
            x_percent=True,
            y_percent=True,
            x_limits=(0, 1),
            y_limits=(0, 1),
            marks=((_TENTH, words("tenth")),),
        )
        svg = plots.lines(f"caseload-{side}", words(f"{side}.alt"), drawn, frame)
        figures.append(Figure(words(f"{side}.title"), svg, legend))
    made: list[Block] = [Prose(words("lead")), Figures(figures)]
    if "federated" in known:
        made.append(_table(known["federated"], words))
    return made


def _label(report: Report, key: str, words: Words) -> str:
    rule = (report.baselines or {}).get(key)
    return words(key, name=words.name("baseline", rule.name if rule else key))


def _line(key: str, points: Sequence[CaseloadPoint], side: str) -> plots.Line:
    ordered = sorted(points, key=lambda point: point.share or 0)
    return plots.Line(
        key,
        [point.share for point in ordered],
        [getattr(point, side) for point in ordered],
        dashed=key != "federated",
    )


def _table(points: Sequence[CaseloadPoint], words: Words) -> Table:
    nearest = {
        id(point): point
        for share in _TABLE_SHARES
        for point in [min(points, key=lambda p: abs((p.share or 0) - share))]
        if abs((point.share or 0) - share) < share / 4
    }
    rows = [
        [percent(point.share), percent(point.precision, 1), percent(point.recall, 1)]
        for point in nearest.values()
    ]
    return Table(words("caption"), [words("share"), words("precision.y"), words("recall.y")], rows)
