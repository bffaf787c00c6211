"""`edufed run privacy=dp` as a process: the report that it leaves, and the figures on real data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
from dp_accounting.pld import PLDAccountant
from simulating import SMALL, edufed, run

pytestmark = pytest.mark.e2e


def recomputed(dp: dict[str, Any]) -> float:
    """ε by dp-accounting, of what a report says was answered."""
    accountant = PLDAccountant(value_discretization_interval=1e-4)
    for entry in dp["entries"]:
        event = GaussianDpEvent(entry["noise_multiplier"])
        if entry["sampling_rate"] < 1:
            event = PoissonSampledDpEvent(entry["sampling_rate"], event)
        accountant.compose(event, entry["steps"])
    return float(accountant.get_epsilon(dp["delta"]))


@pytest.mark.parametrize("privacy", ["dp", "secagg_dp"])
def test_a_private_run_says_what_it_cost_and_which_scores_are_released(
    tmp_path: Path, privacy: str
) -> None:
    ran = run(*SMALL, f"privacy={privacy}", "privacy.epsilon=2", out=tmp_path / "out")
    assert ran.code == 0, ran.said
    report = ran.report
    dp = report["privacy"]["dp"]
    assert 1.95 < dp["epsilon"] <= 2.0
    assert dp["epsilon"] == pytest.approx(recomputed(dp), rel=0.01)
    exact, noisy = report["metrics"]["federated"], dp["released"]
    assert exact["released"] is False
    assert abs(exact["roc_auc"] - noisy["roc_auc"]) < 0.01 + 6 * noisy["roc_auc_deviation"]
    assert report["metrics"]["pooled"]["roc_auc"] > 0.5
    assert all(site["n_train"] is None and site["federated"] for site in report["sites"])
    for state in sorted((tmp_path / "out/sites").iterdir()):
        (ledger,) = state.rglob("ledger.jsonl")  # the job's alone: federation.state is not set
        assert ledger.stat().st_mode & 0o777 == 0o600


@pytest.mark.data
def test_on_oulad_little_is_lost_at_the_stated_budgets(shared_data: Path, tmp_path: Path) -> None:
    common = (
        *("run", "scenario=horizontal", "task=early_warning", "data=oulad"),
        *(f"data.path={shared_data / 'oulad'}", f"federation.state={tmp_path / 'state'}"),
        *("privacy=dp", "federation.cpus_per_site=2"),
    )
    for epsilon, least in ((4, 0.795), (1, 0.775)):
        out = tmp_path / str(epsilon)
        done = edufed(*common, f"privacy.epsilon={epsilon}", f"out={out}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        report = json.loads((out / "report.json").read_text())
        dp = report["privacy"]["dp"]
        assert (dp["epsilon"] <= epsilon, dp["delta"]) == (True, 1e-5)
        assert dp["epsilon"] == pytest.approx(recomputed(dp), rel=0.01)
        assert report["metrics"]["federated"]["roc_auc"] >= least
        assert len(report["sites"]) == 13
    # The same sites, twice: their ledgers add up.
    assert all(row["jobs"] == 2 for row in report["privacy"]["ledger"])
    assert all(4 < row["epsilon"] < 5 for row in report["privacy"]["ledger"])
