"""Learner portraits: whether a clustering passed, by which figures, and who the groups are."""

from __future__ import annotations

from typing import Any, cast

from edufed.features.catalogue import FEATURES
from server.report import plots
from server.report.contract import Report
from server.report.figures import DASH, count, percent, score
from server.report.pieces import Block, Figure, Figures, KeyFigure, Points, Prose, Table
from server.report.words import Words

ORDER = 25
_SHOWN = 30


def headline(report: Report, words: Words) -> tuple[str, list[tuple[str, str]], list[KeyFigure]]:
    """Title, first sentences and key figures of the page."""
    said = _said(report)
    accept, chosen = said["accept"], _chosen(said)
    marks = {
        "stable": score(accept["stability"], 2),
        "replicates": score(accept["replication"], 2),
        "needed": score(accept["separation"], 2),
    }
    about = words(
        "about",
        day=f"{said['cutoff_day']:g}",
        learners=count(said["learners"]),
        courses=count(said["courses"]),
        clusterings=count(len(said["table"])),
    )
    figures = [KeyFigure("0", words("key.groups"), words("key.groups_none"))]
    values: dict[str, str] = {}
    if chosen is not None:
        values = {
            "name": words(chosen["kind"], k=chosen["k"]),
            "k": count(chosen["k"]),
            "stability": score(chosen["stability"]),
            "replication": score(chosen["replication"]),
            "eta": percent(chosen["eta"], 1),
            "low": percent(chosen["eta_low"], 1),
            "high": percent(chosen["eta_high"], 1),
        }
    if chosen is not None and said["accepted"]:
        figures = [
            KeyFigure(count(chosen["k"]), words("key.groups"), values["name"]),
            KeyFigure(percent(chosen["eta"], 1), words("key.eta"), words("key.eta_note")),
            KeyFigure(
                score(chosen["stability"]), words("key.stability"), words("key.stability_note")
            ),
            KeyFigure(
                score(chosen["replication"]),
                words("key.replication"),
                words("key.replication_note"),
            ),
        ]
    verdict = words(said["why"], **{**marks, **values, "needed": percent(accept["separation"])})
    lead = [
        (words("head.about"), about),
        (words("head.apart"), verdict),
        (words("head.together"), words("why", least=count(said["min_cohort"]), **marks)),
    ]
    return words("headline", n=count(len(report.sites))), lead, figures


def blocks(report: Report, words: Words) -> list[Block]:
    """The clusterings, the groups of the accepted one, the tags, the sites."""
    if "portrait" not in report.more:
        return []
    said = _said(report)
    parts = count(said["partitions"])
    by = words(said["replication_by"], n=parts, partitions=parts)
    lead = words("lead", bootstraps=count(said["bootstraps"]), replicates=count(said["replicates"]))
    made: list[Block] = [Prose(lead), Prose(by), _table(said, words)]
    if said["clusters"]:
        made += [_rates(said, words), _clusters(said, words), _cluster_tags(said, words)]
    made.append(_tags(said, words))
    if any(site["alone"] for site in said["sites"]):
        made.append(_sites(said, words))
    notes = [words("about.suppressed", least=count(said["min_cohort"]))]
    if said["clusters"]:
        notes += [words("about.cloud"), words("about.score")]
    return [*made, Points([*notes, words("about.list")])]


def _said(report: Report) -> dict[str, Any]:
    return cast(dict[str, Any], report.more["portrait"])


def _chosen(said: dict[str, Any]) -> dict[str, Any] | None:
    return next((row for row in said["table"] if row["chosen"]), None)


def _table(said: dict[str, Any], words: Words) -> Table:
    rows = []
    for row in said["table"]:
        passed = [words(key) for key in ("stable", "replicates", "separates") if row[key]]
        text = words("yes") if len(passed) == 3 else words("list").join(passed) or words("none")
        rows.append(
            [
                words(row["kind"], k=row["k"]),
                text,
                count(row["smallest"]),
                _lowest(row, "stability", words),
                _lowest(row, "replication", words),
                score(row["eta_training"]),
                score(row["eta"]),
                words("between", low=score(row["eta_low"]), high=score(row["eta_high"])),
                score(row["roc_auc"]),
            ]
        )
    head = ["clustering", "passes", "smallest", "stability", "replication", "eta_training"]
    head += ["eta", "interval", "auc"]
    marked = next((i for i, row in enumerate(said["table"]) if row["chosen"]), None)
    names = [words(key) for key in head]
    return Table(words("table.caption"), names, rows, texts=2, marked=marked)


def _lowest(row: dict[str, Any], key: str, words: Words) -> str:
    if row[key] is None:
        return DASH
    return words("with_lowest", mean=score(row[key]), low=score(row[f"{key}_lowest"]))


def _rates(said: dict[str, Any], words: Words) -> Figures:
    svg = plots.bars(
        "portrait-rates",
        words("bars.alt"),
        [words("group", n=cluster["cluster"]) for cluster in said["clusters"]],
        [cluster["rate_test"] for cluster in said["clusters"]],
        [percent(cluster["rate_test"]) for cluster in said["clusters"]],
        "federated",
    )
    return Figures([Figure(words("bars.title"), svg)])


def _clusters(said: dict[str, Any], words: Words) -> Table:
    labels = {feature.name: feature.words(words.language).label for feature in FEATURES}
    rows = [
        [
            words("group", n=cluster["cluster"]),
            count(cluster["learners"]),
            percent(cluster["share"]),
            percent(cluster["rate_test"]),
            *(score(cluster["ranks"][feature], 2) for feature in said["features"]),
        ]
        for cluster in said["clusters"]
    ]
    head = [words(key) for key in ("clusters.head", "learners", "share", "rate")]
    head += [labels[feature] for feature in said["features"]]
    return Table(words("clusters.caption"), head, rows)


def _cluster_tags(said: dict[str, Any], words: Words) -> Table:
    tags = said["tags"]
    rows = [
        [
            words("group", n=cluster["cluster"]),
            *(percent(cluster["tags"][tag["name"]]) for tag in tags),
        ]
        for cluster in said["clusters"]
    ]
    head = [words("clusters.head"), *(tag[words.language] for tag in tags)]
    return Table(words("cluster_tags.caption"), head, rows)


def _tags(said: dict[str, Any], words: Words) -> Table:
    rows = [
        [
            tag[words.language],
            count(tag["learners"]),
            percent(tag["share"]),
            percent(tag["rate"]),
            percent(tag["rate_others"]),
        ]
        for tag in said["tags"]
    ]
    head = ["tag", "learners", "share", "rate", "rate_others"]
    return Table(words("tags.caption"), [words(key) for key in head], rows)


def _sites(said: dict[str, Any], words: Words) -> Table:
    rows = [
        [site["site"], *(score(site["alone"].get(row["name"])) for row in said["table"])]
        for site in said["sites"]
    ]
    head = [words("site"), *(words(row["kind"], k=row["k"]) for row in said["table"])]
    return Table(words("sites.caption"), head, rows, folded=len(rows) > _SHOWN)
