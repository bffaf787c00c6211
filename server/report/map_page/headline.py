"""The top of the map's page: the province's figures, and what stands out, in plain words."""

from __future__ import annotations

from typing import Any, cast

from edufed.quality.parity import AT_PARITY
from server.report.contract import Report
from server.report.figures import count, percent, score, signed
from server.report.pieces import KeyFigure, Summary
from server.report.sections.quality_map import name_of
from server.report.summary import notices_of
from server.report.words import Language, Words

#: What the sentences are about, where it is told: what matters most to whoever reads them.
_FIRST = ("pass_rate", "score", "completion", "participation")


def headline(report: Report, language: Language) -> Summary:
    """The province's figures, and what a reader with half a minute takes away."""
    words, common = Words(language, "quality_map"), Words(language, "summary")
    told = cast(dict[str, Any], report.more["quality_map"])
    root = told["units"][0]
    lowest = told["levels"][-1] if told["levels"] else ""
    title = words("h1", lowest=words(f"level.{lowest}")) if len(told["levels"]) > 1 else ""
    regions = sum(unit["level"] == "region" for unit in told["units"])
    facts = words(
        "facts",
        learners=count(root["learners"]),
        sites=count(len(report.sites)),
        regions=count(regions),
    )
    return Summary(
        title or words("h1.one"),
        facts + (f" · {common('id', id=report.job.id)}" if report.job.id else ""),
        [
            *_apart(told, words),
            (words("lead.group"), _groups(root, words)),
            (words("lead.change"), _changes(told, words)),
            (words("lead.private"), _private(report, told, words)),
        ],
        _figures(told, words),
        notices_of(report, common),
    )


def as_told(name: str, value: float) -> str:
    """A measure's value as people read it: shares in per cent, scores in 0..1, use in counts."""
    if name == "use":
        return score(value, 1)
    return score(value) if name in ("score", "growth") else percent(value, 1)


def difference_as_told(name: str, value: float, words: Words) -> str:
    """A difference of a measure, with its sign; of shares, in points of per cent."""
    if name == "use":
        return signed(value, 1)
    return (
        signed(value) if name in ("score", "growth") else signed(100 * value, 1) + words("points")
    )


def _figures(told: dict[str, Any], words: Words) -> list[KeyFigure]:
    found = []
    for name in (measure["name"] for measure in told["measures"]):
        figure = told["units"][0]["measures"][name]
        if figure is None or name == "growth":
            continue
        note = words("key.plain", n=count(figure["n"]))
        if figure["se"] is not None:
            low, high = (figure["mean"] + z * 1.96 * figure["se"] for z in (-1, 1))
            note = words("key.note", low=as_told(name, low), high=as_told(name, high))
        found.append(KeyFigure(as_told(name, figure["mean"]), words(name), note))
    return found


def _apart(told: dict[str, Any], words: Words) -> list[tuple[str, str]]:
    """Which regions stand highest and lowest, and whether compulsory education is balanced."""
    said = []
    if told["levels"]:
        level = told["levels"][0]
        for name in _FIRST:
            units = [u for u in told["units"] if u["level"] == level and u["measures"][name]]
            mean = (told["units"][0]["measures"][name] or {}).get("mean")
            if len(units) < 2 or mean is None:
                continue
            units.sort(key=lambda unit: unit["measures"][name]["estimate"])
            figures = [unit["measures"][name] for unit in units]
            said.append(
                words(
                    "lead.apart.text",
                    measure=words(name),
                    best=name_of(units[-1], words),
                    worst=name_of(units[0], words),
                    high=as_told(name, figures[-1]["estimate"]),
                    low=as_told(name, figures[0]["estimate"]),
                    tell=sum(not f["low"] <= mean <= f["high"] for f in figures),
                    n=len(units),
                    levels=words(f"levels.{level}").lower(),
                )
            )
            break
    staged = [row for row in told["equity"] if row["threshold"] and row["cv"] is not None]
    place = "school" if any(row["level"] == "school" for row in staged) else None
    for row in staged:
        if row["measure"] == "use" and place in (None, row["level"]):
            verdict = "balanced" if row["cv"] <= row["threshold"] else "unbalanced"
            said.append(
                words(
                    "lead.balanced",
                    level=words(f"levels.{row['level']}"),
                    measure=words("use"),
                    stage=words(f"stage.{row['stage']}"),
                    cv=score(row["cv"]),
                    verdict=words(verdict),
                    threshold=score(row["threshold"], 2),
                )
            )
            break
    return [(words("lead.apart"), " ".join(said))] if said else []


def _groups(root: dict[str, Any], words: Words) -> str:
    """The widest gap that is neither parity nor chance."""
    gaps = [
        (abs(index["adjusted"] - 1), group, name, index)
        for group, measures in root["parity"].items()
        for name, index in (measures or {}).items()
        if index is not None and name in _FIRST and not index["low"] <= 1 <= index["high"]
    ]
    gaps = [gap for gap in gaps if gap[0] > AT_PARITY]
    if not gaps:
        return words("lead.group.none")
    _, group, name, index = max(gaps, key=lambda gap: gap[0])
    return words(
        "lead.group.text",
        group=words(f"parity.{group}"),
        measure=words(name),
        index=score(index["adjusted"], 2),
        low=score(index["low"], 2),
        high=score(index["high"], 2),
    )


def _changes(told: dict[str, Any], words: Words) -> str:
    tested = [
        (unit, name, change)
        for unit in told["units"]
        for name, change in (unit["change"] or {}).items()
        if change is not None
    ]
    found = [each for each in tested if each[2]["notable"]]
    if not tested:
        return words("lead.change.untested")
    if not found:
        return words("lead.change.none", tests=count(len(tested)))
    unit, name, change = min(found, key=lambda each: each[2]["p"])
    return words(
        "lead.change.text",
        n=count(len(found)),
        tests=count(len(tested)),
        measure=words(name),
        unit=name_of(unit, words),
        difference=difference_as_told(name, change["difference"], words),
        term=change["from"],
    )


def _private(report: Report, told: dict[str, Any], words: Words) -> str:
    dp, private = report.privacy.dp, told.get("private")
    if dp is not None and private is not None:
        text = words(
            "lead.private.dp",
            epsilon=score(dp.epsilon, 2),
            delta=f"{dp.delta:g}",
            noise=count(private["count_deviation"]["region"]),
            least=count(private["least"]["region"]),
        )
        return " ".join([text, words("dp.secagg")] if report.privacy.secagg else [text])
    said = [words("lead.private.text", least=told["min_cohort"])]
    if report.privacy.secagg:
        said.append(words("secagg"))
    return " ".join(said)
