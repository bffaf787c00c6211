from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from edufed.recommend.ranker import Likelihood, Newton, likelihood

FEATURES = 5


def learners(count: int, items: int = 12, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    # Features of very different size, the last one the same for every candidate of a learner.
    x = rng.normal(size=(count, items, FEATURES)) * [1, 30, 0.01, 2, 1] + [0, -500, 0, 0, 0]
    x[:, :, 4] = rng.normal(size=(count, 1))
    candidates = rng.random((count, items)) < 0.8
    candidates[:, 0] = True
    truth = x @ np.array([1.0, 0.02, 80.0, 0.0, 0.0]) + rng.gumbel(size=(count, items))
    truth[~candidates] = -np.inf
    relevant = truth >= np.sort(truth, axis=1)[:, [-2]]
    return x.astype(np.float32), candidates, relevant & candidates


def fit(parts: list[tuple[np.ndarray, ...]], l2: float = 1e-3) -> tuple[Newton, int]:
    newton, rounds = Newton(np.zeros(FEATURES), l2), 0
    while not newton.done:
        newton.tell(reduce(add, (likelihood(newton.asked, *part) for part in parts)))
        rounds += 1
        assert rounds < 60
    return newton, rounds


def test_gradient_and_curvature_are_the_derivatives() -> None:
    data, at = learners(30), np.array([0.3, 0.01, -5.0, 0.2, 0.0])
    found = likelihood(at, *data)
    slope = approx_fprime(at, lambda w: likelihood(w, *data).value, 1e-6)
    np.testing.assert_allclose(found.gradient, slope, rtol=1e-3, atol=1e-3)
    bend = np.array(
        [
            (
                likelihood(at + 1e-5 * axis, *data).gradient
                - likelihood(at - 1e-5 * axis, *data).gradient
            )
            / 2e-5
            for axis in np.eye(FEATURES)
        ]
    )
    np.testing.assert_allclose(found.curvature, -bend, rtol=1e-3, atol=1e-3)
    assert found.learners == 30


def test_newton_finds_the_maximum_whatever_the_features_are_measured_in() -> None:
    data = learners(400)
    newton, rounds = fit([data], 1e-6)
    scale = np.array([1, 30, 0.01, 2, 1])
    brute = minimize(
        lambda v: -likelihood(v / scale, *data).value / 400,
        np.zeros(FEATURES),
        jac=lambda v: -likelihood(v / scale, *data).gradient / scale / 400,
        tol=1e-10,
    )
    value = likelihood(newton.weights, *data).value / 400
    assert value == pytest.approx(-brute.fun, abs=1e-6)
    assert rounds < 15
    assert newton.weights[4] == 0  # nothing is learned from what does not tell candidates apart
    twice = (data[0] * np.float32(1024), *data[1:])
    np.testing.assert_allclose(fit([twice], 1e-6)[0].weights * 1024, newton.weights, rtol=1e-6)


def test_the_fit_over_sites_is_the_fit_on_all_learners() -> None:
    whole = learners(90)
    parts = [tuple(a[site::3] for a in whole) for site in range(3)]
    parts.append(tuple(a[:0] for a in whole))
    np.testing.assert_allclose(fit(parts)[0].weights, fit([whole])[0].weights, rtol=1e-9)


def test_a_step_that_loses_is_taken_back() -> None:
    newton = Newton(np.zeros(1), 1e-6)
    flat = Likelihood(-1.0, np.array([1.0]), np.array([[1e-9]]), 1)
    newton.tell(flat)
    first = newton.asked.copy()
    newton.tell(Likelihood(-5.0, np.array([-1.0]), np.array([[1.0]]), 1))
    assert newton.weights == 0
    assert abs(newton.asked) < abs(first)


def test_nobody_to_learn_from_ends_it() -> None:
    newton = Newton(np.ones(FEATURES), 1e-3)
    newton.tell(Likelihood.none(FEATURES))
    assert newton.done
    np.testing.assert_array_equal(newton.weights, np.ones(FEATURES))
