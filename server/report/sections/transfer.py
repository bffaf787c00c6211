"""What the sources' model is worth to the target, by how many labels the target has."""

from __future__ import annotations

from typing import Any, cast

from server.report import plots
from server.report.contract import Report
from server.report.figures import count, percent, score, signed
from server.report.pieces import Block, Figure, Figures, Prose, Table
from server.report.words import Words

ORDER = 16
Direction = dict[str, Any]


def blocks(report: Report, words: Words) -> list[Block]:
    """Zero labels, the curve over numbers of labels, the gate, filled gaps, other directions."""
    found = report.more.get("transfer")
    if not isinstance(found, dict):
        return []
    main = cast(Direction, found)
    if main["zero_label"] is None:
        return [Prose(_neural(main, words))]
    made: list[Block] = [Prose(_lead(main, words)), Prose(_gate(main, words))]
    if main["table"]:
        made += [Figures([_curve(main, words)]), _table(main, words)]
    if main.get("imputation"):
        made.append(Prose(_filled(main["imputation"], words)))
    if main["directions"]:
        made.append(_directions([main, *main["directions"]], words))
    return made


def _lead(main: Direction, words: Words) -> str:
    return words(
        "lead",
        sources=words.listed(main["sources"]),
        target=main["target"],
        features=words("comma").join(words(f"feature.{name}") for name in main["features"]),
        auc=score(main["zero_label"]["roc_auc"]),
    )


def _neural(main: Direction, words: Words) -> str:
    (row,) = main["table"]
    said = words(
        "lead.neural",
        sources=words.listed(main["sources"]),
        target=main["target"],
        labels=count(row["n_labels"]),
        transfer=score(row["transfer"]),
        alone=score(row["target_only"]),
    )
    return said if main["gate"] is None else said + words("space") + _gate(main, words)


def _gate(main: Direction, words: Words) -> str:
    gate = main["gate"]
    said = words(f"why.{gate['why']}", labels=count(gate["labels"]))
    if gate["difference"] is not None:
        figures = {"difference": signed(gate["difference"], 4), "noise": score(gate["noise"], 4)}
        said += words("space") + words("by", **figures)
    return said


def _curve(main: Direction, words: Words) -> Figure:
    rows = main["table"]
    sizes = [row["n_labels"] for row in rows]
    drawn = [
        plots.Line("local", sizes, [row["target_only"] for row in rows], dashed=True, dots=True),
        plots.Line("federated", sizes, [row["transfer"] for row in rows], dots=True),
    ]
    frame = plots.Frame(words("n_labels"), words("roc_auc"), x_whole=True, x_log=len(rows) > 2)
    svg = plots.lines("transfer", words("alt", n=count(len(rows))), drawn, frame)
    legend = [("line-federated", words("transfer")), ("line-local", words("target_only"))]
    note = words("note", auc=score(main["zero_label"]["roc_auc"]))
    return Figure(words("figure"), svg, legend, note)


def _table(main: Direction, words: Words) -> Table:
    rows = [
        [
            count(row["n_labels"]),
            score(row["target_only"]),
            score(row["transfer"]),
            signed(row["transfer"] - row["target_only"]),
            words("from_to", low=signed(row["low"]), high=signed(row["high"])),
            words(f"used.{row['used']}"),
            percent(row["share_used"]),
        ]
        for row in main["table"]
    ]
    zero = main["zero_label"]["roc_auc"]
    nothing = words("dash")
    rows.insert(0, ["0", nothing, score(zero), nothing, nothing, words("used.transfer"), nothing])
    keys = ("n_labels", "target_only", "transfer", "difference", "interval", "used", "share")
    draws = count(main["table"][0]["draws"])
    return Table(words("caption", draws=draws), [words(key) for key in keys], rows, texts=0)


def _filled(found: dict[str, Any], words: Words) -> str:
    return words(
        "filled",
        features=words("comma").join(words(f"feature.{name}") for name in found["filled"]),
        with_=score(found["roc_auc"]),
        without=score(found["left_out"]),
    )


def _directions(found: list[Direction], words: Words) -> Table:
    rows = [
        [
            words("plus").join(each["sources"]),
            each["target"],
            score(each["zero_label"]["roc_auc"]),
            score((each["local"] or {}).get("roc_auc")),
            score((each["federated"] or {}).get("roc_auc")),
            words(f"used.{each['gate']['used']}"),
            count(each["gate"]["labels"]),
        ]
        for each in found
    ]
    keys = ("sources", "target", "zero", "target_only", "chosen", "used", "labels")
    return Table(words("directions"), [words(key) for key in keys], rows, texts=2)
