from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from edufed.transfer.prior import Prior, choose, crossed, fit, folds, losses, scores


def rows(n: int, w: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, len(w) - 1))
    y = (rng.random(n) < expit(scores(x, w))).astype(float)
    return x, y


W = np.array([-0.5, 1.0, -2.0, 0.5])


def test_about_zero_it_is_scikit_learns_ridge_regression() -> None:
    x, y = rows(200, W)
    found = fit(x, y, Prior.about(np.zeros(3), np.full(3, 2.5)))
    theirs = LogisticRegression(C=1 / 2.5, tol=1e-10, max_iter=1000).fit(x, y)
    assert found[1:] == pytest.approx(theirs.coef_[0], abs=1e-3)
    assert found[0] == pytest.approx(theirs.intercept_[0], abs=1e-3)


def test_a_prior_about_weights_is_one_about_zero_with_an_offset() -> None:
    x, y = rows(80, W)
    prior = Prior.about(np.array([3.0, 0.0, -1.0]), np.array([4.0, 2.0, 9.0]))
    w = fit(x, y, prior)
    gradient = x.T @ (expit(scores(x, w)) - y) + prior.strength[1:] * (w[1:] - prior.centre[1:])
    assert gradient == pytest.approx(np.zeros(3), abs=1e-5)


@pytest.mark.parametrize(("strength", "centre"), [(1e8, True), (1e-6, False)])
def test_strength_goes_from_the_source_to_the_data(strength: float, centre: bool) -> None:
    x, y = rows(4000, W)
    source = np.array([0.3, 0.7, -0.1])
    w = fit(x, y, Prior.about(source, np.full(3, strength)))
    expected = source if centre else W[1:]
    assert w[1:] == pytest.approx(expected, abs=1e-4 if centre else 0.2)


def test_one_intercept_alone_is_the_log_odds_of_the_share() -> None:
    y = np.array([1.0, 0, 0, 0])
    w = fit(np.zeros((4, 0)), y, Prior(np.zeros(1), np.zeros(1)))
    assert w == pytest.approx([np.log(1 / 3)], abs=1e-6)


def test_classes_that_part_have_finite_weights() -> None:
    x = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    w = fit(x, np.array([0.0, 0, 1, 1]), Prior.about(np.zeros(1), np.full(1, 0.1)))
    assert np.isfinite(w).all()
    assert w[1] > 0


def test_folds_hold_each_class_evenly() -> None:
    y = np.array([1.0] * 7 + [0.0] * 13)
    part = folds(y, 5, np.random.default_rng(1))
    ones = np.bincount(part[y == 1], minlength=5)
    assert (ones.min(), ones.max()) == (1, 2)
    assert np.bincount(part).sum() == 20


def test_a_row_is_judged_by_a_fit_that_did_not_see_it() -> None:
    x, y = rows(30, W)
    prior = Prior.about(np.zeros(3), np.ones(3))
    part = folds(y, 3, np.random.default_rng(0))
    held = part == 1
    alone = losses(y[held], scores(x[held], fit(x[~held], y[~held], prior)))
    assert crossed(x, y, prior, [part])[held] == pytest.approx(alone)


def test_the_prior_with_the_least_held_out_loss_is_chosen() -> None:
    x, y = rows(40, W, seed=3)
    true = Prior.about(W[1:], np.full(3, 100.0))
    wrong = Prior.about(-W[1:], np.full(3, 100.0))
    parts = [folds(y, 5, np.random.default_rng(0))]
    chosen = choose(x, y, [wrong, true], parts)
    assert chosen.prior is true
    assert chosen.losses.mean() < crossed(x, y, wrong, parts).mean()
