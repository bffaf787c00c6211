"""The page of a cold start: who is better than what, and what is not told."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

from server.report.contract import Report
from server.report.html import render
from server.report.sections import headline_of
from server.report.words import Language, Words

MODELS = ("popularity", "popularity_14", "own_attributes", "together")


def part(seen: int, group: str, learners: int | None, gain: float) -> dict[str, Any]:
    if learners is None:
        return {"seen": seen, "group": group, "learners": None, "models": [], "differences": []}
    figures = {"low": 0.61, "high": 0.66, "hr_at_10": 0.9, "coverage": 0.4}
    apart = {"gain": gain, "low": gain - 0.01, "high": gain + 0.01}
    return {
        "seen": seen,
        "group": group,
        "learners": learners,
        "models": [{"model": name, "ndcg_at_10": 0.633, **figures} for name in MODELS],
        "differences": [{"model": "together", "over": name, **apart} for name in MODELS[:3]],
    }


def report(*parts: dict[str, Any]) -> Report:
    empty = {"rounds": [], "totals": {}, "privacy": {}, "quality": [], "sites": []}
    return Report.model_validate(
        {
            **empty,
            "job": {"task": "cold_start", "scenario": "vertical", "data": "oulad_vertical"},
            "metrics": {},
            "cold_start": {
                "platform": "live",
                "cutoff_day": 30.0,
                "horizon_days": 60.0,
                "replicates": 500,
                "lists": 825,
                "figures": list(parts),
            },
        }
    )


def said(made: Report, language: Language = "en") -> str:
    headline = headline_of(made)
    assert headline is not None
    return " ".join(text for _, text in headline(made, Words(language, "cold_start"))[1])


def test_the_newcomers_come_first() -> None:
    made = report(part(0, "all", 900, 0.02), part(0, "new", 825, 0.05), part(1, "new", None, 0))
    assert "825 test learners who had never used the platform" in said(made)
    assert "+0.050" in said(made)
    assert "no clear gain" not in said(made)


def test_a_difference_within_its_interval_is_no_gain() -> None:
    assert "no clear gain" in said(report(part(0, "new", 825, 0.005)))


def test_without_a_figure_it_says_so() -> None:
    assert "Too few" in said(report(part(0, "new", None, 0), part(0, "all", None, 0)))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_a_row_for_each_model(language: Language) -> None:
    page = unescape(render(report(part(0, "new", 825, 0.05), part(5, "new", None, 0)), language))
    words = Words(language, "cold_start")
    for name in MODELS:
        assert words(f"model.{name}") in page
    assert words("withheld", who=words("table.new"), uses="5") in page
