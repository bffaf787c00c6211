"""A learner's evidence and a site's rules, as badges are made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clients.badges import Badges
from clients.site import Site
from edufed.badges.rules import Rules, load_rules
from edufed.certify.statement import Coverage, Group, Statement
from edufed.config import SiteSettings
from edufed.privacy.simulated import simulated_roster

RULES = Path(__file__).parents[1] / "conf" / "rules" / "recognition.yaml"
APPROVER = "Example Approver"
KEYS = simulated_roster(["north", "south", "wales"])
LEARNER, IDENTITY = "learner-4711", "ada@example.org"


def rules(**changes: Any) -> Rules:
    """The example rules, with parts replaced."""
    return Rules.model_validate({**load_rules(RULES).model_dump(), **changes})


def coverage(share: float = 0.951, n: int = 900) -> Coverage:
    return Coverage(n=n, coverage=share, low=share - 0.01, high=share + 0.01)


def stated(**changes: Any) -> Statement:
    whole: dict[str, Any] = {
        "language": "en",
        "job": "20260101-000000-certify-00000000",
        "created": "2026-01-01",
        "edufed": "0.1.0",
        "issuing_site": "north",
        "education_type": "higher",
        "target": "The course's final result is a pass.",
        "assessed_what": "Records.",
        "assessed_how": "A model.",
        "until_day": 200.0,
        "estimate_by": "Venn-Abers.",
        "nominal": 0.95,
        "overall": coverage(n=9000),
        "education": coverage(),
        "site": coverage(),
        "earlier": coverage(0.942),
        "calibration_group": "all",
        "calibration_passed": 6000,
        "calibration_failed": 3000,
        "calibration_drawn": "Folds.",
        "regions": [Group(group="north", **coverage().model_dump())],
        "subgroups": [Group(group="women", **coverage(n=400).model_dump())],
        "model": "mlp",
        "strategy": "fedavg",
        "model_sha256": "0" * 64,
        "features_version": "1",
        "data": "oulad",
        "data_version": "1",
        "privacy": {"secagg": None},
        "does_not_establish": ["It is no examination."],
    }
    return Statement.model_validate({**whole, **changes})


def row(**changes: Any) -> dict[str, Any]:
    """A line of an evidence list that the example rules allow."""
    return {
        "learner_id": LEARNER,
        "course_id": "AAA_2014J",
        "probability": 0.98,
        "low": 0.96,
        "high": 0.99,
        "set": "pass",
        "submitted": 5.0,
        "submitted_share": 1.0,
        "score_mean": 0.8,
        **changes,
    }


def badges(folder: Path, name: str = "north") -> Badges:
    settings = SiteSettings(name=name, adapter={}, state=folder / name, simulated=True)
    return Badges(Site(settings))
