import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from edufed.metrics import metrics_from_summary
from edufed.privacy.dp.evaluation import (
    BINS,
    SCORES_CLIP,
    auc_deviation,
    score_counts,
    summary_from_counts,
)
from edufed.privacy.dp.randomness import RandomSource
from edufed.privacy.dp.sums import release


def scored(rows=6000, seed=0):
    rng = np.random.default_rng(seed)
    risk = 1 / (1 + np.exp(-rng.normal(-0.5, 1.2, rows)))
    return (rng.random(rows) < risk).astype(float), risk, np.arange(rows).astype(str).astype(object)


def test_scores_from_counts_without_noise_are_close_to_exact_ones():
    target, risk, learners = scored()
    counts = score_counts(target, risk, learners)
    scores = metrics_from_summary(summary_from_counts(counts))
    assert counts.shape == (2, BINS)
    assert scores["n"] == 6000
    assert scores["positives"] == target.sum()
    assert scores["roc_auc"] == pytest.approx(roc_auc_score(target, risk), abs=0.003)
    assert scores["brier"] == pytest.approx(np.mean((risk - target) ** 2), abs=0.002)


def test_a_learner_with_many_rows_counts_as_one():
    counts = score_counts([0, 1, 1], [0.1, 0.5, 0.9], np.array(["a"] * 3, object))
    assert np.linalg.norm(counts) == pytest.approx(SCORES_CLIP)


def test_the_noise_in_roc_auc_is_no_more_than_stated_and_not_much_less():
    counts = score_counts(*scored())
    noisy = [release(counts, SCORES_CLIP, 12.0, RandomSource.repeatable(s)) for s in range(200)]
    areas = [metrics_from_summary(summary_from_counts(n))["roc_auc"] for n in noisy]
    assert np.std(areas) < np.mean([auc_deviation(n, 12.0) for n in noisy]) < 2 * np.std(areas)
    exact = metrics_from_summary(summary_from_counts(counts))["roc_auc"]
    assert np.mean(areas) == pytest.approx(exact, abs=np.std(areas))


def test_noise_alone_makes_no_negative_learners_and_no_crash():
    noisy = release(np.zeros((2, BINS)), SCORES_CLIP, 5.0, RandomSource.repeatable(1))
    summary = summary_from_counts(noisy)
    assert (summary >= 0).all()
    assert summary[..., 0].sum() == pytest.approx(np.maximum(noisy.sum(axis=1), 0).sum())
    assert summary_from_counts(-np.ones((2, BINS))).sum() == 0
    assert auc_deviation(noisy, 5.0) >= 0


def test_a_risk_that_is_no_number_counts_in_the_middle():
    counts = score_counts([0.0, 1.0], [np.nan, 0.5], np.array(["a", "b"], object))
    assert counts[:, BINS // 2].tolist() == [1.0, 1.0]
