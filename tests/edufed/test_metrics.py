from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from edufed.metrics import (
    BINS,
    calibration_curve,
    caseload_curve,
    error_bounds,
    metrics_from_summary,
    roc_auc_interval,
    score_summary,
)


@st.composite
def scored(draw, least=2):
    """Targets of both classes and risks: spread, crowded, tied or at the very ends."""
    n = draw(st.integers(least, 400))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["spread", "rare", "crowded", "tied", "yes or no"]))
    y = (rng.random(n) < draw(st.floats(0.05, 0.95))).astype(float)
    y[:2] = 0.0, 1.0
    risk = {
        "spread": lambda: rng.random(n),
        "rare": lambda: rng.random(n) ** 8,
        "crowded": lambda: 0.4 + 0.002 * rng.random(n),
        "tied": lambda: rng.integers(0, 5, n) / 4.0,
        "yes or no": lambda: rng.integers(0, 2, n).astype(float),
    }[kind]()
    order = rng.permutation(n)
    return y[order], risk[order]


@given(scored(), st.integers(0, 400))
@settings(deadline=None)
def test_summaries_add_up_and_forget_order(data, cut):
    y, risk = data
    whole = score_summary(y, risk)
    parts = score_summary(y[cut:], risk[cut:]) + score_summary(y[:cut], risk[:cut])
    np.testing.assert_allclose(parts, whole, atol=1e-9)
    assert np.array_equal(score_summary(y[::-1], risk[::-1])[..., 0], whole[..., 0])


@given(scored())
@settings(max_examples=300, deadline=None)
def test_within_the_stated_bounds_of_scikit_learn(data):
    y, risk = data
    summary = score_summary(y, risk)
    metrics, bounds = metrics_from_summary(summary), error_bounds(summary)
    assert abs(metrics["roc_auc"] - roc_auc_score(y, risk)) <= bounds["roc_auc"] + 1e-12
    assert abs(metrics["pr_auc"] - average_precision_score(y, risk)) <= bounds["pr_auc"] + 1e-12
    assert metrics["brier"] == pytest.approx(brier_score_loss(y, risk), abs=1e-12)
    assert (metrics["n"], metrics["positives"]) == (len(y), int(y.sum()))


def test_errors_are_tiny_at_the_size_of_a_federation():
    rng = np.random.default_rng(0)
    logit = rng.normal(-0.7, 1.1, 10_000)
    risk = 1.0 / (1.0 + np.exp(-logit))
    y = (rng.random(10_000) < risk).astype(float)
    summary = score_summary(y, risk)
    metrics, bounds = metrics_from_summary(summary), error_bounds(summary)
    assert bounds["roc_auc"] < 5e-4
    assert bounds["pr_auc"] < 2e-3
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(y, risk), abs=2e-5)
    assert metrics["pr_auc"] == pytest.approx(average_precision_score(y, risk), abs=4e-4)
    assert metrics["ece"] == pytest.approx(_exact_ece(y, risk), abs=1e-3)


def _exact_ece(y, risk):
    order = np.argsort(risk)
    gaps = [
        abs(y[part].mean() - risk[part].mean()) * len(part) for part in np.array_split(order, 10)
    ]
    return sum(gaps) / len(y)


@given(scored())
@settings(deadline=None)
def test_top_tenth_matches_a_direct_count_where_no_tie_crosses_it(data):
    y, risk = data
    k = int(np.ceil(0.1 * len(y)))
    order = np.argsort(-risk, kind="stable")
    summary = score_summary(y, risk)
    tops = summary[..., 0].sum(axis=0)[::-1].cumsum()
    metrics = metrics_from_summary(summary)
    if k in tops:
        assert metrics["precision_at_10"] == pytest.approx(y[order[:k]].mean())
        assert metrics["recall_at_10"] == pytest.approx(y[order[:k]].sum() / y.sum())
    assert 0.0 <= metrics["precision_at_10"] <= 1.0 + 1e-12


def test_ties_across_the_border_count_in_expectation():
    y, risk = np.r_[np.ones(25), np.zeros(75)], np.full(100, 0.3)
    metrics = metrics_from_summary(score_summary(y, risk))
    assert metrics["precision_at_10"] == pytest.approx(0.25)
    assert metrics["recall_at_10"] == pytest.approx(0.1)
    assert metrics["roc_auc"] == pytest.approx(0.5)
    assert metrics["ece"] == pytest.approx(0.05)


def test_undefined_is_none_and_json():
    for y in ([], [1.0, 1.0], [0.0]):
        metrics = metrics_from_summary(score_summary(y, np.full(len(y), 0.2)))
        assert metrics["roc_auc"] is None
        assert metrics["pr_auc"] is None
        assert "NaN" not in json.dumps(metrics)
    assert metrics["recall_at_10"] is None
    assert metrics["brier"] == pytest.approx(0.04)
    empty = metrics_from_summary(score_summary([], []))
    assert [value for key, value in empty.items() if key not in ("n", "positives")] == [None] * 6
    assert error_bounds(score_summary([], [])) == {"roc_auc": None, "pr_auc": None}
    assert calibration_curve(score_summary([], [])) == {"risk": [], "observed": [], "learners": []}
    assert caseload_curve(score_summary([0.0], [0.1])) == {
        "share": [],
        "precision": [],
        "recall": [],
    }


@pytest.mark.parametrize(
    ("y", "risk"),
    [
        ([1.0], [np.nan]),
        ([1.0], [1.1]),
        ([1.0], [-0.1]),
        ([0.5], [0.5]),
        ([np.nan], [0.5]),
        ([1.0], [0.5, 0.5]),
    ],
)
def test_what_is_no_score_is_refused(y, risk):
    with pytest.raises(ValueError, match="metrics:"):
        score_summary(y, risk)


def test_a_summary_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="a summary has shape"):
        metrics_from_summary(np.zeros((2, BINS, 2)))


@given(scored())
@settings(deadline=None)
def test_calibration_curve_holds_everyone(data):
    y, risk = data
    curve = calibration_curve(score_summary(y, risk))
    learners, observed = np.array(curve["learners"]), np.array(curve["observed"])
    assert learners.sum() == pytest.approx(len(y))
    assert learners @ observed == pytest.approx(y.sum())
    assert learners @ np.array(curve["risk"]) == pytest.approx(risk.sum())


@given(scored())
@settings(deadline=None)
def test_caseload_curve_ends_at_everyone(data):
    y, risk = data
    curve = caseload_curve(score_summary(y, risk))
    assert len(curve["share"]) == 100
    assert curve["recall"][-1] == pytest.approx(1.0)
    assert curve["precision"][-1] == pytest.approx(y.mean())
    assert (np.diff(curve["recall"]) >= -1e-12).all()


def test_interval_covers_the_true_area():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(300):
        y = np.r_[np.ones(60), np.zeros(140)]
        risk = 1.0 / (1.0 + np.exp(-rng.normal(y, 1.0)))  # true area: Phi(1 / sqrt(2))
        low, high = roc_auc_interval(score_summary(y, risk))
        covered += low <= 0.7602 <= high
    assert 0.91 <= covered / 300 <= 0.99


def test_interval_of_too_few_or_perfect():
    assert roc_auc_interval(score_summary([1.0, 0.0, 0.0], [0.5, 0.2, 0.1])) is None
    assert roc_auc_interval(score_summary([1.0, 1.0, 0.0, 0.0], [0.9, 0.8, 0.2, 0.1])) == (1, 1)


def test_rounding_and_noise_of_secure_sums_do_no_harm():
    rng = np.random.default_rng(1)
    risk = rng.random(1_000)
    summary = score_summary((rng.random(1_000) < risk).astype(float), risk)
    exact = metrics_from_summary(summary)
    rounded = metrics_from_summary(summary + rng.uniform(-1e-7, 1e-7, summary.shape))
    assert rounded["n"] == 1_000
    assert rounded["roc_auc"] == pytest.approx(exact["roc_auc"], abs=1e-5)
    assert rounded["ece"] == pytest.approx(exact["ece"], abs=1e-3)
    noisy = metrics_from_summary(summary + rng.normal(0.0, 3.0, summary.shape))
    assert all(np.isfinite(value) for value in noisy.values())


def test_a_million_learners_in_a_moment():
    rng = np.random.default_rng(0)
    y, risk = (rng.random(1_000_000) < 0.3).astype(float), rng.random(1_000_000)
    start = time.process_time()
    metrics_from_summary(score_summary(y, risk))
    assert time.process_time() - start < 2.0
