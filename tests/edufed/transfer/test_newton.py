from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from edufed.transfer.newton import Curvature, curvature, step
from edufed.transfer.prior import losses, scores


def learners(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 4))
    return x, (rng.random(n) < expit(x[:, 0] - 0.5 * x[:, 2])).astype(float)


def total(parts: list[Curvature]) -> Curvature:
    return Curvature(
        sum(p.gradient for p in parts),  # type: ignore[arg-type]
        sum(p.hessian for p in parts),  # type: ignore[arg-type]
        sum(p.loss for p in parts),  # type: ignore[arg-type]
    )


def test_sums_over_sites_give_the_pooled_model() -> None:
    sites = [learners(seed) for seed in range(3)]
    w = np.zeros(5)
    used = np.array([True, True, True, False])
    for _ in range(8):
        w, size = step(total([curvature(x, y, w) for x, y in sites]), w, used, l2=0.01)
    assert size < 1e-6
    x, y = (np.concatenate(part) for part in zip(*sites, strict=True))
    pooled = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-10).fit(x[:, :3], y)
    assert w[1:4] == pytest.approx(pooled.coef_[0], abs=1e-4)
    assert w[0] == pytest.approx(pooled.intercept_[0], abs=1e-4)
    assert w[4] == 0


def test_derivatives_are_those_of_the_loss() -> None:
    x, y = learners(7)
    w = np.array([0.1, -0.3, 0.2, 0.5, 0.0])
    found = curvature(x, y, w)
    for number in range(5):
        nudge = np.zeros(5)
        nudge[number] = 1e-5
        up, down = (losses(y, scores(x, w + sign * nudge)).sum() for sign in (1, -1))
        assert found.gradient[number] == pytest.approx((up - down) / 2e-5, abs=1e-4)
        slope = (curvature(x, y, w + nudge).gradient - found.gradient) / 1e-5
        assert found.hessian[number] == pytest.approx(slope, abs=1e-3)
    assert found.loss[1] == 120


def test_nobody_adds_nothing() -> None:
    empty = curvature(np.zeros((0, 4)), np.zeros(0), np.ones(5))
    assert not empty.gradient.any()
    assert not empty.loss.any()
    w, size = step(empty, np.zeros(5), np.ones(4, dtype=bool), l2=0.01)
    assert np.isfinite(w).all()
    assert size == pytest.approx(0, abs=1e-9)
