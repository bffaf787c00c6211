"""Whether prediction sets hold the truth as often as they say, over all and by region."""

from __future__ import annotations

from typing import Any, cast

from server.report import plots
from server.report.contract import Report
from server.report.figures import DASH, count, percent, score
from server.report.pieces import Block, Figure, Figures, KeyFigure, Points, Prose, Table
from server.report.words import Words

ORDER = 25
_SHOWN = 40  # more rows than this are no plot to read; the table has all


def headline(report: Report, words: Words) -> tuple[str, list[tuple[str, str]], list[KeyFigure]]:
    """Title, first sentences and key figures of the page."""
    said = _said(report)
    overall, earlier = said["overall"], said["earlier"]
    sites = [site for site in report.sites if site.status == "ok"]
    about = words(
        "about",
        learners=count(overall["n"]),
        day=f"{said['cutoff_day']:g}",
        sure=percent(overall["sets"]["pass"]),
        not_=percent(overall["sets"]["fail"]),
        abstain=percent(overall["sets"]["both"]),
    )
    holds = words(
        "holds",
        nominal=percent(said["coverage"]),
        coverage=percent(overall["coverage"], 1),
        within=count(said["within"]),
        told=count(said["told"]),
        points=f"{100 * said['points']:g}",
    )
    time = words(
        "time",
        coverage=percent(earlier["coverage"], 1),
        within=count(said["within_by_earlier"]),
        told=count(said["told"]),
    )
    lead = [
        (words("head.about"), about),
        (words("head.holds"), holds + words("between") + time),
        (words("head.use"), words("use")),
    ]
    figures = [
        KeyFigure(
            percent(overall["coverage"], 1),
            words("key.coverage"),
            words("key.coverage_note", nominal=percent(said["coverage"])),
        ),
        KeyFigure(
            f"{said['within']} / {said['told']}",
            words("key.within"),
            words("key.within_note", points=f"{100 * said['points']:g}"),
        ),
        KeyFigure(
            percent(overall["sets"]["both"]), words("key.abstain"), words("key.abstain_note")
        ),
        KeyFigure(score(said["probability"]["ece"]), words("key.ece"), words("key.ece_note")),
    ]
    return words("headline", n=count(len(sites))), lead, figures


def blocks(report: Report, words: Words) -> list[Block]:
    """Coverage by region, by result and by education type; what calibrated; what it says not."""
    if "certify" not in report.more:
        return []
    said = _said(report)
    shown: list[Block] = [Prose(words("lead", folds=count(said["folds"])))]
    drawn = [row for row in said["regions"] if row["coverage"] is not None]
    if drawn:
        shown.append(Figures([_dots(said, drawn, words)]))
    return [
        *shown,
        _regions(said, words),
        _groups(said, words),
        _calibration(said, words),
        Points([words(f"not.{key}") for key in ("one", "exam", "later", "small")]),
    ]


def _said(report: Report) -> dict[str, Any]:
    return cast(dict[str, Any], report.more["certify"])


def _dots(said: dict[str, Any], drawn: list[dict[str, Any]], words: Words) -> Figure:
    ranked = sorted(drawn, key=lambda row: -row["coverage"])[-_SHOWN:]
    rows = [plots.Row(row["site"], row["coverage"], row["earlier"]) for row in ranked]
    nominal = (said["coverage"], words("nominal", nominal=percent(said["coverage"])))
    svg = plots.dots("certify-regions", words("alt", n=count(len(rows))), rows, words("x"), nominal)
    legend = [
        ("dot-federated", words("same_time")),
        ("diamond-local", words("earlier")),
    ]
    return Figure(words("figure"), svg, legend)


def _regions(said: dict[str, Any], words: Words) -> Table:
    rows = [
        [
            row["site"],
            count(row["n"]),
            percent(row["coverage"], 1),
            _interval(row, words),
            percent(row["earlier"], 1),
            percent(row["sets"]["both"]) if row["sets"] else DASH,
        ]
        for row in said["regions"]
    ]
    keys = ("site", "n", "coverage", "interval", "earlier", "abstain")
    return Table(words("regions"), [words(key) for key in keys], rows)


def _groups(said: dict[str, Any], words: Words) -> Table:
    overall = said["overall"]
    found = [
        (words("all"), overall),
        (words("passed"), overall["by_result"]["pass"]),
        (words("failed"), overall["by_result"]["fail"]),
        *((words(f"education.{row['education']}"), row) for row in said["education"]),
    ]
    rows = [
        [
            name,
            count(row["n"]),
            percent(row["coverage"], 1),
            _interval(row, words),
            *(
                percent(row["sets"][kind]) if row["sets"] else DASH
                for kind in ("pass", "fail", "both", "neither")
            ),
        ]
        for name, row in found
    ]
    keys = ("group", "n", "coverage", "interval", "set.pass", "set.fail", "set.both", "set.neither")
    return Table(words("groups"), [words(key) for key in keys], rows)


def _calibration(said: dict[str, Any], words: Words) -> Table:
    rows = [
        [
            words("all") if row["group"] == "all" else row["group"],
            count(row["passed"]),
            count(row["failed"]),
        ]
        for row in said["calibration"]
    ]
    return Table(
        words("calibration"),
        [words(key) for key in ("group", "passed", "failed")],
        rows,
        folded=len(rows) > 1,
    )


def _interval(row: dict[str, Any], words: Words) -> str:
    if row["coverage"] is None:
        return DASH
    return words("from_to", low=percent(row["low"], 1), high=percent(row["high"], 1))
