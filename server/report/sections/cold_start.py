"""How good lists for new learners are, by the number of their own uses."""

from __future__ import annotations

from typing import Any, cast

from server.report.contract import Report
from server.report.figures import DASH, count, percent, score, signed
from server.report.pieces import Block, KeyFigure, Points, Prose, Table
from server.report.words import Words

ORDER = 16
_TOGETHER, _POPULAR, _RECENT = "together", "popularity", "popularity_14"


def headline(report: Report, words: Words) -> tuple[str, list[tuple[str, str]], list[KeyFigure]]:
    """Title, first sentences and key figures of the page."""
    said = _said(report)
    title = words("headline", platform=said["platform"])
    part = _first(said)
    about = words(
        "about",
        platform=said["platform"],
        day=f"{said['cutoff_day']:g}",
        horizon=f"{said['horizon_days']:g}",
        lists=count(said["lists"]),
    )
    lead = [(words("head.about"), about)]
    if part is None:
        return title, [*lead, (words("head.apart"), words("few"))], []
    rows = {row["model"]: row for row in part["models"]}
    apart = {row["over"]: row for row in part["differences"]}
    over, recent = apart[_POPULAR], apart[_RECENT]
    sentence = words(
        "gain" if (over["low"] or 0) > 0 else "no_gain",
        who=words(f"who.{part['group']}", n=count(part["learners"])),
        ndcg=score(rows[_TOGETHER]["ndcg_at_10"]),
        popular=score(rows[_POPULAR]["ndcg_at_10"]),
        **_between(over),
    )
    recently = words(
        "recent" if (recent["low"] or 0) > 0 else "no_recent",
        popular=score(rows[_RECENT]["ndcg_at_10"]),
        **_between(recent),
    )
    lead.append((words("head.apart"), sentence + words("sentence") + recently))
    figures = [
        KeyFigure(
            score(rows[_TOGETHER]["ndcg_at_10"]),
            words("key.ndcg"),
            words(f"who.{part['group']}", n=count(part["learners"])),
        ),
        KeyFigure(signed(over["gain"]), words("key.gain"), words("key.gain_note")),
        KeyFigure(percent(rows[_TOGETHER]["hr_at_10"]), words("key.hits"), words("key.hits_note")),
    ]
    return title, lead, figures


def blocks(report: Report, words: Words) -> list[Block]:
    """Models and differences, for each group and number of own uses."""
    if "cold_start" not in report.more:
        return []
    said = _said(report)
    made: list[Block] = [Prose(words("lead", replicates=count(said["replicates"])))]
    for group in ("new", "all"):
        parts = [part for part in said["figures"] if part["group"] == group]
        if any(part["models"] for part in parts):
            made.append(_table(parts, words(f"table.{group}"), words))
        if any(not part["models"] for part in parts):
            withheld = [str(part["seen"]) for part in parts if not part["models"]]
            uses = words("between").join(withheld)
            made.append(Prose(words("withheld", who=words(f"table.{group}"), uses=uses)))
    keys = ("popularity", "popularity_14", "own_attributes", "together", "ndcg", "hr", "coverage")
    return [*made, Points([words(f"about.{key}") for key in keys])]


def _table(parts: list[dict[str, Any]], title: str, words: Words) -> Table:
    rows = []
    for part in parts:
        apart = {row["over"]: row for row in part["differences"]}
        for row in part["models"]:
            other = apart.get(row["model"])
            rows.append(
                [
                    words(f"model.{row['model']}"),
                    str(part["seen"]),
                    count(part["learners"]),
                    score(row["ndcg_at_10"]),
                    words("interval", low=score(row["low"]), high=score(row["high"])),
                    score(row["hr_at_10"]),
                    percent(row["coverage"]),
                    DASH if other is None else words("difference", **_between(other)),
                ]
            )
    keys = ("model", "seen", "learners", "ndcg", "between_column", "hr", "coverage", "apart")
    return Table(title, [words(key) for key in keys], rows)


def _between(row: dict[str, Any]) -> dict[str, str]:
    return {key: signed(row[key]) for key in ("gain", "low", "high")}


def _first(said: dict[str, Any]) -> dict[str, Any] | None:
    """Figures of learners without a use of their own: of those new to the platform, if told."""
    told = [part for part in said["figures"] if part["models"]]
    order = sorted(told, key=lambda part: (part["seen"], part["group"] != "new"))
    return order[0] if order else None


def _said(report: Report) -> dict[str, Any]:
    return cast(dict[str, Any], report.more["cold_start"])
