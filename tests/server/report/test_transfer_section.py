from __future__ import annotations

from typing import Any

import pytest

from server.report.contract import Report
from server.report.html import render
from server.report.words import Language

SCORES = {"roc_auc": 0.87, "pr_auc": 0.8, "brier": 0.1, "ece": 0.02}


def report(**changes: Any) -> Report:
    direction = {
        "sources": ["oulad"],
        "target": "polytechnic",
        "site": "polytechnic",
        "features": ["achievement", "load"],
        "zero_label": {**SCORES, "as_it_came": SCORES},
        "gate": {
            "used": "target_only",
            "why": "loses",
            "labels": 1200,
            "difference": 0.02,
            "noise": 0.01,
        },
        "federated": SCORES,
        "local": SCORES,
        "table": [
            {
                "n_labels": size,
                "draws": 20,
                "target_only": 0.8,
                "rival": 0.81,
                "transfer": 0.84,
                "chosen": 0.83,
                "low": 0.01,
                "high": 0.07,
                "used": "transfer",
                "share_used": 0.9,
            }
            for size in (20, 50, 100)
        ],
        "imputation": {"filled": ["activity"], "roc_auc": 0.88, "left_out": 0.86},
        "directions": [],
    }
    part = {"job": {"scenario": "transfer", "task": "early_warning"}, "delta": None}
    empty: dict[str, Any] = {"sites": [], "rounds": [], "totals": {}, "privacy": {}, "quality": []}
    return Report.model_validate(
        {
            **part,
            **empty,
            "metrics": {"federated": SCORES, "pooled": None, "local": SCORES},
            "transfer": {**direction, **changes},
        }
    )


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ("The gate refused transfer", "0.870", "+0.040", "+0.010 to +0.070", "activity")),
        ("zh", ("门控拒绝迁移", "0.870", "+0.040", "+0.010 至 +0.070", "活跃度")),
    ],
)
def test_the_section_says_what_was_used_and_why(language: Language, said: tuple[str, ...]) -> None:
    page = render(report(), language)
    assert '<section id="transfer">' in page
    assert all(text in page for text in said)
    assert "report.json also holds" not in page


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("why", ["no_labels", "one_class", "gains", "within_noise"])
def test_every_verdict_has_words(language: Language, why: str) -> None:
    gate = {"used": "transfer", "why": why, "labels": 3, "difference": None, "noise": None}
    assert '<section id="transfer">' in render(report(gate=gate), language)


@pytest.mark.parametrize(
    ("language", "refused", "used"),
    [
        ("en", "polytechnic stays with its own model", "knowledge of oulad, used by polytechnic"),
        ("zh", "polytechnic 沿用自己的模型", "polytechnic 使用 oulad 的知识"),
    ],
)
def test_the_title_says_what_the_gate_decided(language: Language, refused: str, used: str) -> None:
    page = render(report(), language)
    assert refused in page
    assert used not in page
    gate = {"used": "transfer", "why": "gains", "labels": 3, "difference": None, "noise": None}
    page = render(report(gate=gate), language)
    assert used in page
    assert refused not in page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_neural_job_says_one_line(language: Language) -> None:
    row = report().model_dump()["transfer"]["table"][:1]
    page = render(report(zero_label=None, gate=None, table=row), language)
    assert "0.840" in page
    assert "0.800" in page


def test_other_directions_are_a_table() -> None:
    one = report().model_dump()["transfer"]
    other = {**one, "sources": ["higher"], "target": "basic", "local": None, "table": []}
    page = render(report(directions=[other]), "en")
    assert "Every direction" in page
    assert "higher" in page
