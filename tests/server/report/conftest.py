"""A report with realistic figures: thirteen regions, early warning, federated averaging."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from server.report.contract import Report
from server.report.html import render
from server.report.words import LANGUAGES

# Region, learners trained on, tested on.
REGIONS = [
    ("East Anglian Region", 1263, 1320),
    ("East Midlands Region", 875, 941),
    ("Ireland", 445, 508),
    ("London Region", 1177, 1289),
    ("North Region", 644, 710),
    ("North Western Region", 1061, 1150),
    ("Scotland", 1314, 1371),
    ("South East Region", 843, 860),
    ("South Region", 1190, 1228),
    ("South West Region", 925, 981),
    ("Wales", 801, 826),
    ("West Midlands Region", 956, 1024),
    ("Yorkshire Region", 735, 790),
]
SHARES = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def _metrics(auc: float, n: int, lift: float = 0.0) -> dict[str, Any]:
    return {
        "roc_auc": auc,
        "pr_auc": auc - 0.045,
        "brier": 0.168 - (auc - 0.811) / 2,
        "ece": 0.031 + lift,
        "precision_at_10": 0.884 - lift,
        "recall_at_10": 0.231 - lift / 4,
        "n": n,
        "positives": round(n * 0.383),
    }


def _site(place: int, name: str, n_train: int, n_test: int, noise: Any) -> dict[str, Any]:
    auc = 0.811 + float(noise.normal(0, 0.014))
    alone = auc - 9.0 / n_train - 0.006 + float(noise.normal(0, 0.006))
    return {
        "site": name,
        "n_train": n_train,
        "n_test": n_test,
        "status": "ok",
        "federated": _metrics(auc, n_test),
        "local": _metrics(alone, n_test, 0.03),
        "pooled": _metrics(auc + float(noise.normal(0.001, 0.003)), n_test),
    }


def _round(number: int) -> dict[str, Any]:
    fall = math.exp(-number / 3.2)
    late = max(0, number - 12) * 0.0006
    return {
        "round": number,
        "seconds": 0.84 + 0.1 * math.sin(number) + (1.9 if number == 1 else 0),
        "bytes_up": 13 * 31_400,
        "bytes_down": 13 * 30_900,
        "messages": 26,
        "metrics": {"loss": 0.512 + 0.17 * fall + late, "roc_auc": 0.817 - 0.11 * fall - late},
    }


def _caseload(top: float) -> list[dict[str, float]]:
    points = []
    for share in SHARES:
        precision = 0.383 + (top - 0.383) * (1 - share) ** 1.3
        points.append(
            {"share": share, "precision": precision, "recall": min(1.0, precision * share / 0.383)}
        )
    return points


def _calibration(bend: float) -> list[dict[str, float]]:
    return [
        {
            "predicted": centre,
            "observed": centre + bend * math.sin(2 * math.pi * centre),
            "n": round(2600 * math.exp(-(((centre - 0.28) / 0.3) ** 2)) + 300),
        }
        for centre in (0.05 + 0.1 * step for step in range(10))
    ]


def sample_report() -> dict[str, Any]:
    """A full report as a scenario would hand it over."""
    noise = np.random.default_rng(7)
    sites = [_site(place, *region, noise) for place, region in enumerate(REGIONS)]
    tested = sum(site["n_test"] for site in sites)
    worst = min(sites, key=lambda site: site["federated"]["roc_auc"])
    rounds = [_round(number) for number in range(1, 18)]
    local = sum(site["local"]["roc_auc"] for site in sites) / len(sites)
    return {
        "job": {
            "id": "20250114-093012",
            "scenario": "horizontal",
            "task": "early_warning",
            "data": "oulad",
            "model": "mlp",
            "strategy": "fedavg",
            "federation": "simulation",
            "config": {
                "scenario": {"name": "horizontal", "rounds": 40, "patience": 5},
                "task": {"name": "early_warning", "cutoff": 60, "caseload": 0.1},
                "model": {"name": "mlp", "hidden": [32, 16], "dropout": 0.1},
                "strategy": {"name": "fedavg", "local_epochs": 1, "learning_rate": 0.002},
                "privacy": {"secagg": True, "dp": None},
                "seed": 7,
            },
        },
        "metrics": {
            "federated": _metrics(0.8203, tested),
            "pooled": _metrics(0.8222, tested),
            "local": _metrics(local, tested, 0.03),
        },
        "delta": {"roc_auc": 0.0019, "pr_auc": 0.0019},
        "sites": sites,
        "rounds": rounds,
        "totals": {
            "rounds": 17,
            "messages": 17 * 26 + 65,
            "bytes_up": sum(entry["bytes_up"] for entry in rounds),
            "bytes_down": sum(entry["bytes_down"] for entry in rounds),
            "seconds": 78.4,
            "seconds_features": 21.9,
            "stopped_by": "patience",
            "best_round": 12,
        },
        "privacy": {
            "secagg": True,
            "he": False,
            "dp": {"kind": "enrolment", "epsilon": 4.0, "delta": 1e-5},
            "ledger": [
                {"what": "scaling", "mechanism": "sum under masks", "epsilon": None},
                {"what": "training", "mechanism": "DP-SGD", "epsilon": 4.0},
            ],
        },
        "quality": [
            {
                "site": name,
                "rows": n_train * 690 + place * 1000,
                "rejected": 14 + 11 * place,
                "reasons": {
                    "enrolments.learner_id + course_id: given before": 4 + place,
                    "outcomes.score: not a number": 8 + 9 * place,
                    "events.time: outside -3650 to 3650": 2 + place,
                },
            }
            for place, (name, n_train, _) in enumerate(REGIONS)
        ],
        "worst_site": {"site": worst["site"], "roc_auc": worst["federated"]["roc_auc"]},
        "baselines": {
            "rule": {"name": "no visit for 7 days", **_metrics(0.681, tested, 0.22), "ece": None}
        },
        "curves": {
            "calibration": {"federated": _calibration(0.03), "pooled": _calibration(0.015)},
            "caseload": {
                "federated": _caseload(0.93),
                "pooled": _caseload(0.94),
                "rule": [{"share": 0.24, "precision": 0.61, "recall": 0.38}],
            },
        },
        "phases": [
            {"phase": "features", "seconds": 21.9},
            {"phase": "scaling", "seconds": 2.3},
            {"phase": "training", "seconds": 16.6},
            {"phase": "evaluation", "seconds": 3.1},
            {"phase": "baselines", "seconds": 31.7},
            {"phase": "report", "seconds": 2.8},
        ],
        "exclusions": [
            {"round": 3, "site": "Ireland", "reason": "no answer within 30 s"},
            {"round": 9, "site": "Wales", "reason": "a value in the update was not finite"},
        ],
        "refusals": [],
        "warnings": [],
    }


def minimal_report() -> dict[str, Any]:
    """The one site refused: no round, no model, no baseline."""
    return {
        "job": {"id": None, "scenario": "horizontal", "task": "early_warning"},
        "metrics": {"federated": None, "pooled": None, "local": None},
        "sites": [{"site": "north", "status": "refused"}],
        "rounds": [],
        "totals": {"rounds": 0, "stopped_by": "min_sites"},
        "privacy": {"secagg": False},
        "quality": [],
        "refusals": [{"site": "north", "reason": "policy: strategy fedavg is not allowed here"}],
    }


@pytest.fixture
def full() -> dict[str, Any]:
    return sample_report()


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """The full sample's page in each language, drawn once."""
    report = Report.model_validate(sample_report())
    return {language: render(report, language) for language in LANGUAGES}


@pytest.fixture
def minimal() -> dict[str, Any]:
    return minimal_report()
