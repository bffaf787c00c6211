from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from server.report.contract import Metrics, Report

CONTRACT = {
    "job": {"id", "scenario", "task", "data", "model", "strategy", "federation", "config"},
    "metrics": {"federated", "pooled", "local"},
    "totals": {
        "rounds",
        "messages",
        "bytes_up",
        "bytes_down",
        "seconds",
        "seconds_features",
        "stopped_by",
    },
    "privacy": {"secagg", "he", "dp", "ledger"},
}
ROWS = {
    "sites": {"site", "n_train", "n_test", "status", "federated", "local"},
    "rounds": {"round", "seconds", "bytes_up", "bytes_down", "messages", "metrics"},
    "quality": {"site", "rows", "rejected", "reasons"},
}


def _written(report: dict[str, Any]) -> dict[str, Any]:
    text = Report.model_validate(report).model_dump_json()
    found: dict[str, Any] = json.loads(text)
    return found


def test_round_trip(full: dict[str, Any]) -> None:
    report = Report.model_validate(full)
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert Report.model_validate(report) == report


def test_every_key_of_the_contract_is_written(
    full: dict[str, Any], minimal: dict[str, Any]
) -> None:
    for given in (full, minimal):
        written = _written(given)
        assert set(written) >= {"job", "metrics", "delta", "sites", "rounds", "totals"}
        assert set(written) >= {"privacy", "quality"}
        for part, keys in CONTRACT.items():
            assert set(written[part]) >= keys, part
        for part, keys in ROWS.items():
            for row in written[part]:
                assert set(row) >= keys, part


def test_no_value_is_null_and_not_missing(minimal: dict[str, Any]) -> None:
    written = _written(minimal)
    assert written["delta"] is None
    assert written["metrics"] == {"federated": None, "pooled": None, "local": None}
    assert written["sites"][0]["n_train"] is None
    assert written["privacy"]["dp"] is None
    assert written["totals"]["seconds"] is None


def test_metrics_always_have_the_four(full: dict[str, Any]) -> None:
    full["metrics"]["local"] = {"roc_auc": 0.7}
    local = _written(full)["metrics"]["local"]
    assert local["roc_auc"] == 0.7
    assert all(local[key] is None for key in ("pr_auc", "brier", "ece"))


def test_numbers_that_are_not_finite_become_null(full: dict[str, Any]) -> None:
    full["metrics"]["federated"]["ece"] = math.nan
    full["rounds"][0]["metrics"]["loss"] = np.float32("inf")
    full["delta"]["roc_auc"] = -math.inf
    full["vertical"] = {"deep": [{"er": np.nan}]}
    written = _written(full)
    assert written["metrics"]["federated"]["ece"] is None
    assert written["rounds"][0]["metrics"]["loss"] is None
    assert written["delta"]["roc_auc"] is None
    assert written["vertical"] == {"deep": [{"er": None}]}
    assert Metrics(roc_auc=math.nan).roc_auc is None


def test_numpy_values_are_plain(full: dict[str, Any]) -> None:
    full["sites"][0]["n_train"] = np.int64(12)
    full["totals"]["rounds"] = np.int32(17)
    full["transfer"] = {"weights": np.arange(3), "gate": np.bool_(True)}
    written = _written(full)
    assert written["sites"][0]["n_train"] == 12
    assert written["transfer"] == {"gate": True, "weights": [0, 1, 2]}


def test_scenarios_add_sections_and_numbers(full: dict[str, Any]) -> None:
    full["vertical"] = {"aligned": 4000}
    full["metrics"]["federated"]["macro_f1"] = 0.6
    report = Report.model_validate(full)
    assert report.more == {"vertical": {"aligned": 4000}}
    assert report.metrics.federated is not None
    assert report.metrics.federated.more == {"macro_f1": 0.6}
    assert list(_written(full))[-1] == "vertical"


def test_key_order_does_not_depend_on_the_order_given(full: dict[str, Any]) -> None:
    turned = dict(reversed(full.items()))
    turned["job"] = dict(reversed(full["job"].items()))
    turned["job"]["config"] = dict(reversed(full["job"]["config"].items()))
    first, second = (Report.model_validate(given).model_dump_json() for given in (full, turned))
    assert first == second


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("sites", [{"n_train": 3}]),
        ("rounds", [{"round": "first"}]),
        ("metrics", {"federated": {"roc_auc": "high"}}),
        ("job", None),
        ("vertical", object()),
    ],
)
def test_what_breaks_the_contract_is_refused(full: dict[str, Any], part: str, value: Any) -> None:
    full[part] = value
    with pytest.raises(ValidationError):
        Report.model_validate(full)


def test_a_missing_part_is_refused(full: dict[str, Any]) -> None:
    del full["rounds"]
    with pytest.raises(ValidationError, match="rounds"):
        Report.model_validate(full)
