"""Of a quality map: inequality, its change, and how much is not told, in tables."""

from __future__ import annotations

from typing import Any, cast

from server.report.contract import Report
from server.report.figures import DASH, count, percent, score, signed
from server.report.pieces import Block, Points, Prose, Table
from server.report.words import Words

ORDER = 25
_SHOWN = 30


def blocks(report: Report, words: Words) -> list[Block]:
    """The tables, for whoever wants the figures and for print."""
    told = cast(dict[str, Any], report.more.get("quality_map"))
    if not told:
        return []
    made: list[Block] = [Prose(words("equity")), _equity(told, words)]
    if told["theil"]:
        made.append(_theil(told, words))
    if "private" in told:
        return [*made, Prose(words("dp.withheld")), _withheld(told, words), *_noise(told, words)]
    made += [_changes(told, words), Prose(words("withheld")), _withheld(told, words)]
    tables: dict[tuple[str, ...], list[str]] = {}
    for table, left in told["withheld"]["not_broken_down"].items():
        if 0 < len(left) < len(told["measures"]):
            tables.setdefault(tuple(left), []).append(words(f"table.{table}"))
    said = [
        words(
            "withheld.left",
            table=words("between").join(names),
            measures=words("between").join(map(words, left)),
        )
        for left, names in tables.items()
    ]
    said += [
        words(
            "folded",
            level=words(f"level.{fold['from']}"),
            table=words(f"table.{table}"),
            into=words(f"into.{fold['into']}"),
        )
        for table, fold in told["folded"].items()
    ]
    return [*made, Points([*said, words("caution")])]


def name_of(unit: dict[str, Any], words: Words) -> str:
    """A unit's path as people read it."""
    return " · ".join(name or words("unstated") for name in unit["path"]) or words("province")


def _equity(told: dict[str, Any], words: Words) -> Table:
    rows = []
    for row in told["equity"]:
        bound, cv = row["threshold"], row["cv"]
        verdict = DASH
        if bound is not None and cv is not None:
            verdict = words("balanced" if cv <= bound else "unbalanced")
        rows.append(
            [
                words(f"level.{row['level']}"),
                words(row["measure"]),
                words(f"stage.{row['stage'] or 'all'}"),
                count(row["units"]),
                percent(row["covered"]),
                score(cv),
                score(row["cv_without_chance"]),
                score(row["gini"]),
                score(bound, 2),
                verdict,
            ]
        )
    head = ["level", "measure", "stage", "units", "covered", "cv", "cv_without_chance", "gini"]
    head += ["threshold", "verdict"]
    names = [words(key) for key in head]
    return Table(words("equity.caption"), names, rows, texts=3, folded=len(rows) > _SHOWN)


def _theil(told: dict[str, Any], words: Words) -> Table:
    rows = [
        [
            words(f"level.{split['level']}"),
            score(split["total"], 4),
            score(split["between"], 4),
            score(split["within"], 4),
            percent(split["between"] / split["total"], 1) if split["total"] else DASH,
        ]
        for split in told["theil"]
    ]
    head = ["level", "theil.total", "theil.between", "theil.within", "theil.share"]
    return Table(words("theil.caption"), [words(key) for key in head], rows)


def _changes(told: dict[str, Any], words: Words) -> Block:
    found = [
        (unit, name, change)
        for unit in told["units"]
        for name, change in (unit["change"] or {}).items()
        if change is not None and change["notable"]
    ]
    if not found:
        return Prose(words("changes.none"))
    found.sort(key=lambda each: each[2]["p"])
    rows = [
        [
            name_of(unit, words),
            words(name),
            change["from"],
            change["to"],
            signed(change["difference"], 1 if name == "use" else 3),
            score(change["se"], 1 if name == "use" else 3),
        ]
        for unit, name, change in found
    ]
    head = [words(key) for key in ("unit", "measure", "from", "to", "difference", "error")]
    return Table(words("changes.caption"), head, rows, texts=4, folded=len(rows) > _SHOWN)


def _withheld(told: dict[str, Any], words: Words) -> Table:
    rows = [
        [
            words(f"level.{level['level']}"),
            count(level["units"]),
            count(level["told"]),
            count(sum(level["measures"].values())),
            count(sum(level["tables"].values())),
        ]
        for level in told["withheld"]["levels"]
    ]
    head = ["level", "withheld.units", "withheld.told", "withheld.measures", "withheld.tables"]
    return Table(words("withheld.caption"), [words(key) for key in head], rows)


def _noise(told: dict[str, Any], words: Words) -> list[Block]:
    """How far noise moves the means, and which figures of regions it, or their size, withholds."""
    private, (root, *regions) = told["private"], told["units"]
    rows = []
    for name in (measure["name"] for measure in told["measures"]):
        moved = [unit["measures"][name]["noise"] for unit in regions if unit["measures"][name]]
        whole = root["measures"][name]
        ends = (min(moved), max(moved)) if moved else (None, None)
        digits = 1 if name == "use" else 4
        lost = [row["reason"] for row in private["untold"] if row["measure"] in (None, name)]
        rows.append(
            [
                words(name),
                score(whole["noise"] if whole else None, digits),
                *(score(end, digits) for end in ends),
                count(lost.count("few")),
                count(lost.count("noise")),
            ]
        )
    head = ["measure", "province", "dp.least_moved", "dp.most_moved", "dp.few", "dp.lost"]
    said = words(
        "dp.counts",
        province=count(private["count_deviation"]["province"]),
        region=count(private["count_deviation"]["region"]),
        group=count(private["count_deviation"]["group"]),
        courses=count(private["most_courses"]),
        use=count(private["most_use"]),
    )
    return [
        Table(words("dp.caption"), [words(key) for key in head], rows),
        Points([said, words("dp.means"), words("caution")]),
    ]
