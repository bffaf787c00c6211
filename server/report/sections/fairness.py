"""Does the model serve groups of learners alike: ranking, risks, and who is contacted?"""

from __future__ import annotations

from typing import Any, cast

from server.report.contract import Report
from server.report.figures import DASH, count, percent, score, signed
from server.report.pieces import Block, Points, Prose, Table
from server.report.words import Words

ORDER = 45
#: Probability below which a difference is not put down to chance.
_SURE = 0.05


def blocks(report: Report, words: Words) -> list[Block]:
    """What the figures say, then the figures: comparisons, and each group by itself."""
    said = report.more.get("fairness")
    if not isinstance(said, dict):
        return []
    if "lists" in said:
        return _of_lists(cast(dict[str, Any], said["lists"]), words)
    found = cast(dict[str, Any], said)
    told = [entry for entry in found["attributes"] if entry["groups"]]
    least = count(found["least"])
    if not told:
        return [Prose(words("nothing", least=least))]
    made: list[Block] = [
        Prose(words("lead")),
        Points(_reading(told, words)),
        _comparisons(told, words),
        _groups(told, words),
        Points([words(f"about.{key}") for key in ("abroca", "p", "calibration", "caseload")]),
    ]
    withheld = _withheld(found["attributes"], words)
    if withheld:
        made.append(Prose(words("withheld", groups=withheld, least=least)))
    return made


def _reading(told: list[dict[str, Any]], words: Words) -> list[str]:
    """Say in plain words what stands out, and what does not."""
    rows = [(entry, row) for entry in told for row in entry["comparisons"]]
    ranked = [pair for pair in rows if pair[1]["abroca_p_adjusted"] < _SURE]
    caught = [pair for pair in rows if pair[1]["recall_p_adjusted"] < _SURE]
    off = [
        (entry, group)
        for entry in told
        for group in entry["groups"]
        if group["calibration_low"] > 0 or group["calibration_high"] < 0
    ]
    said = [
        words(
            "ranks.some" if ranked else "ranks.none",
            n=count(len(rows)),
            which=_listed([_pair(entry, row, words) for entry, row in ranked], words),
        )
    ]
    said += [
        words(
            "recall.more" if row["recall_gap"] > 0 else "recall.less",
            pair=_pair(entry, row, words),
            gap=_points(row["recall_gap"]),
        )
        for entry, row in caught
    ] or [words("recall.none")]
    said += [
        words(
            "risks.high" if group["calibration_gap"] > 0 else "risks.low",
            group=_named(entry, group["group"], words),
            gap=_points(group["calibration_gap"]),
        )
        for entry, group in off
    ] or [words("risks.none")]
    return said


def _points(gap: float) -> str:
    """Size of a difference of two shares, in percentage points."""
    return f"{abs(gap) * 100:.1f}"


def _comparisons(told: list[dict[str, Any]], words: Words) -> Table:
    rows = [
        [
            words(f"attribute.{entry['attribute']}"),
            words(f"group.{row['group']}"),
            words(f"group.{entry['reference']}"),
            score(row["abroca"], 4),
            score(row["abroca_by_chance"], 4),
            score(row["abroca_p_adjusted"]),
            signed(row["roc_auc_gap"]),
            signed(row["recall_gap"]),
            words("between", low=signed(row["recall_low"], 2), high=signed(row["recall_high"], 2)),
            score(row["recall_p_adjusted"]),
        ]
        for entry in told
        for row in entry["comparisons"]
    ]
    keys = ("attribute", "group", "reference", "abroca", "chance", "p", "auc_gap")
    head = [words(key) for key in (*keys, "recall_gap", "interval", "p")]
    return Table(words("comparisons"), head, rows, texts=3)


def _groups(told: list[dict[str, Any]], words: Words) -> Table:
    rows = [
        [
            words(f"attribute.{entry['attribute']}"),
            words(f"group.{group['group']}"),
            count(group["n"]),
            percent(group["observed"], 1),
            percent(group["mean_risk"], 1),
            signed(group["calibration_gap"]),
            words(
                "between",
                low=signed(group["calibration_low"], 2),
                high=signed(group["calibration_high"], 2),
            ),
            score(group["ece"]),
            score(group["roc_auc"]),
            percent(group["caseload_share"], 1),
            percent(group["precision"]),
            percent(group["recall"]),
        ]
        for entry in told
        for group in entry["groups"]
    ]
    keys = ("attribute", "group", "n", "observed", "risk", "gap", "interval", "ece", "auc")
    head = [words(key) for key in (*keys, "share", "precision", "recall")]
    return Table(words("groups"), head, rows, texts=2)


def _of_lists(found: dict[str, Any], words: Words) -> list[Block]:
    """Recommendations: how good the lists of each group are."""
    told = [entry for entry in found["attributes"] if entry["groups"]]
    least = count(found["least"])
    if not told:
        return [Prose(words("nothing", least=least))]
    pairs = [(entry, row) for entry in told for row in entry["comparisons"]]
    apart = [pair for pair in pairs if pair[1]["p_adjusted"] < _SURE]
    said = [
        words(
            "lists.less" if row["gap"] < 0 else "lists.more",
            pair=_pair(entry, row, words),
            gap=score(abs(row["gap"])),
            low=signed(row["low"]),
            high=signed(row["high"]),
        )
        for entry, row in apart
    ] or [words("lists.none", n=count(len(pairs)))]
    rows = [
        [
            words(f"attribute.{entry['attribute']}"),
            words(f"group.{group['group']}"),
            count(group["n"]),
            score(group["ndcg_at_10"]),
            words("between", low=score(group["low"]), high=score(group["high"])),
            *_gap(entry, group["group"], words),
        ]
        for entry in told
        for group in entry["groups"]
    ]
    keys = ("attribute", "group", "n", "ndcg", "interval", "ndcg_gap", "interval", "p")
    made: list[Block] = [
        Prose(words("lists.lead")),
        Points(said),
        Table(words("lists.caption"), [words(key) for key in keys], rows, texts=2),
    ]
    withheld = _withheld(found["attributes"], words)
    if withheld:
        made.append(Prose(words("withheld", groups=withheld, least=least)))
    return made


def _gap(entry: dict[str, Any], group: str, words: Words) -> list[str]:
    """Distance from the reference; nothing for the reference itself."""
    for row in entry["comparisons"]:
        if row["group"] == group:
            between = words("between", low=signed(row["low"]), high=signed(row["high"]))
            return [signed(row["gap"]), between, score(row["p_adjusted"])]
    return [words("is_reference"), DASH, DASH]


def _withheld(attributes: list[dict[str, Any]], words: Words) -> str:
    return _listed(
        [_named(entry, group, words) for entry in attributes for group in entry["withheld"]], words
    )


def _named(entry: dict[str, Any], group: str, words: Words) -> str:
    attribute = words(f"attribute.{entry['attribute']}")
    return words("named", attribute=attribute, group=words(f"group.{group}"))


def _pair(entry: dict[str, Any], row: dict[str, Any], words: Words) -> str:
    one, other = words(f"group.{row['group']}"), words(f"group.{entry['reference']}")
    attribute = words(f"attribute.{entry['attribute']}")
    return words("pair", attribute=attribute, one=one, other=other)


def _listed(names: list[str], words: Words) -> str:
    return words("comma").join(names)
