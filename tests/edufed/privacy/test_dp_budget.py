import json
import math

import pytest

from edufed.privacy.dp.accounting import Part
from edufed.privacy.dp.budget import JobBudget, horizontal_parts
from edufed.privacy.ledger import Budget, BudgetError, Ledger

PARTS = [
    Part("statistics", 1, clip=8.0),
    Part("training", 4, 0.5, 20, clip=3.0),
    Part("evaluation", 1),
]


@pytest.fixture(scope="module")
def budget():
    return JobBudget.of("site", 4.0, 1e-5, PARTS)


def test_a_job_spends_what_it_says_over_everything_that_leaves(budget):
    assert 3.96 < budget.epsilon <= 4.0
    assert [entry.name for entry in budget.entries] == ["statistics", "training", "evaluation"]


def test_noise_is_multiplier_times_clip(budget):
    training = budget["training"]
    assert training.deviation == training.charge.noise_multiplier * 3.0


def test_the_report_holds_figures_and_words_and_is_json(budget):
    report = json.loads(json.dumps(budget.report()))
    assert report["kind"] == "site"
    assert report["epsilon"] == pytest.approx(budget.epsilon)
    assert (report["delta"], report["accountant"]) == (1e-5, "prv")
    assert (report["sampling_rate"], report["clipping"]) == (0.5, 3.0)
    assert report["noise_multiplier"] == budget["training"].charge.noise_multiplier
    assert [e["steps"] for e in report["entries"]] == [1, 20, 1]
    assert all(0 < e["epsilon"] < report["epsilon"] for e in report["entries"])
    odds = f"{math.exp(report['epsilon']):.3g}"
    assert odds in report["words"]["en"]
    assert odds in report["words"]["zh"]


def test_words_say_from_whom_learners_are_protected(budget):
    of_sums = JobBudget("sum", budget.delta, budget.entries).report()["words"]
    assert "secure aggregation" in of_sums["en"]
    assert "安全聚合" in of_sums["zh"]


def test_the_ledger_grants_a_job_its_whole_budget_once(budget, tmp_path):
    ledger = Ledger(tmp_path / "ledger", Budget(4.0, 1e-5))
    ledger.reserve("first", "learners", budget.charges)
    with pytest.raises(BudgetError):
        ledger.reserve("second", "learners", budget.charges)


def test_a_horizontal_job_has_a_share_for_everything_that_leaves():
    parts = horizontal_parts(steps=50, sampling_rate=0.5, clip=3.0)
    assert [part.name for part in parts] == ["counts", "statistics", "training", "evaluation"]
    assert sum(part.share for part in parts) == pytest.approx(1.0)
