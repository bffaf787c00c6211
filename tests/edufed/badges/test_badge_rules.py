from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from badge_examples import RULES, coverage, row, rules, stated

from edufed.badges.rules import History, load_rules, objections
from edufed.config import SettingsError

NOTHING = History(0.0, frozenset())


def test_evidence_that_suffices() -> None:
    assert objections(rules(), row(), stated(), NOTHING) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"set": "both"}, "abstains: too uncertain"),
        ({"set": "neither"}, "abstains: too uncertain"),
        ({"set": "fail"}, "the evidence is of failing"),
        ({"low": 0.89}, "low is below 0.9"),
        ({"submitted": 2.0}, "submitted is below 3"),
        ({"submitted_share": float("nan")}, "submitted_share is below 0.8"),
        ({"score_mean": 0.49}, "score_mean is below 0.5"),
    ],
)
def test_a_learners_evidence_that_does_not(changes: dict[str, Any], line: str) -> None:
    assert objections(rules(), row(**changes), stated(), NOTHING) == [line]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"overall": coverage(0.93)},
            "coverage over all sites is 0.930, more than 0.01 below 0.95",
        ),
        ({"site": coverage(0.9)}, "coverage at this site is 0.900, more than 0.03 below 0.95"),
        ({"earlier": coverage(0.9)}, "coverage by earlier courses is 0.900"),
        ({"site": coverage(n=99)}, "on fewer than 100 learners"),
        ({"site": None}, "on fewer than 100 learners"),
    ],
)
def test_a_statement_under_which_nobody_is_recognised(changes: dict[str, Any], line: str) -> None:
    (found,) = objections(rules(), row(), stated(**changes), NOTHING)
    assert line in found


def test_no_more_than_half_of_a_programme_and_nothing_twice() -> None:
    assert objections(rules(), row(), stated(), History(150.0, frozenset())) == []
    (found,) = objections(rules(), row(), stated(), History(151.0, frozenset()))
    assert "more than 50% of the programme's 360 credits" in found
    (found,) = objections(rules(), row(), stated(), History(0.0, frozenset({"AAA_2014J"})))
    assert "issued for it already" in found


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("credits", "largest_share"), 0.6, "credits.largest_share"),
        (("approvers",), [], "approvers"),
        (("issuer", "status_list"), "http://x", "issuer.status_list"),
        (("evidence", "unknown"), 1, "evidence.unknown"),
        (("alignment",), [], "alignment"),
    ],
)
def test_rules_that_may_not_be(
    tmp_path: Path, path: tuple[str, ...], value: Any, line: str
) -> None:
    raw = yaml.safe_load(RULES.read_text())
    part = raw
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(raw))
    with pytest.raises(SettingsError, match=line):
        load_rules(file)


@pytest.mark.parametrize("text", ["", "{", "- 1"])
def test_a_file_that_is_no_rules(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match="rules"):
        load_rules(file)
    with pytest.raises(SettingsError, match="No such file"):
        load_rules(tmp_path / "none.yaml")
