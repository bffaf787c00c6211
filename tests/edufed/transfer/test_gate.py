from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from edufed.transfer.gate import judge
from edufed.transfer.prior import scores
from edufed.transfer.target import Standard, fit_target


@pytest.mark.parametrize(
    ("behind", "spread", "used", "why"),
    [
        (-0.1, 1.0, "transfer", "gains"),
        (0.05, 1.0, "transfer", "within_noise"),
        (0.2, 1.0, "target_only", "loses"),
        (0.01, 0.0, "target_only", "loses"),
    ],
)
def test_the_gate_allows_one_standard_error(
    behind: float, spread: float, used: str, why: str
) -> None:
    off = spread * np.tile([-1.0, 1.0], 50)
    verdict = judge(1.0 + behind + off, np.ones(100))
    assert (verdict.used, verdict.why, verdict.labels) == (used, why, 100)
    assert verdict.difference == pytest.approx(behind)
    assert verdict.noise == pytest.approx(off.std(ddof=1) / 10)


SOURCE = np.array([0.0, 1.5, -1.0, 0.8, 0.0])


def learners(n: int, sign: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    canonical, private = rng.standard_normal((n, 4)), rng.standard_normal((n, 10))
    y = (rng.random(n) < expit(sign * scores(canonical, SOURCE))).astype(float)
    return canonical, private, y


def test_few_labels_and_a_related_source_give_transfer() -> None:
    used = []
    for seed in range(5):
        canonical, private, y = learners(40, 1.0, seed)
        fitted = fit_target(canonical, private, y, SOURCE, 5, np.random.default_rng(seed))
        used.append(fitted.verdict.used)
    assert used.count("transfer") >= 4


def test_a_source_turned_round_is_refused() -> None:
    for seed in range(4):
        canonical, private, y = learners(80, -1.0, seed)
        fitted = fit_target(canonical, private, y, SOURCE, 5, np.random.default_rng(seed))
        assert (fitted.verdict.used, fitted.verdict.why) == ("target_only", "loses")
        assert fitted.chosen() is fitted.rival


@pytest.mark.parametrize(("labels", "why"), [(0, "no_labels"), (5, "one_class")])
def test_without_labels_to_judge_by_the_source_is_used_as_it_is(labels: int, why: str) -> None:
    canonical, private, _ = learners(labels, 1.0, 0)
    fitted = fit_target(canonical, private, np.zeros(labels), SOURCE, 5, np.random.default_rng(0))
    assert (fitted.verdict.used, fitted.verdict.why) == ("transfer", why)
    assert fitted.target_only is None
    assert fitted.transfer.tolist() == [*SOURCE.tolist(), *[0.0] * 10]


def test_private_columns_are_scaled_and_dull_ones_left_out() -> None:
    x = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan], [np.nan, 5.0, np.nan]])
    assert Standard.of(x).apply(x).tolist() == [[-1.0], [1.0], [0.0]]
    assert Standard.of(np.zeros((3, 0))).apply(np.zeros((3, 0))).shape == (3, 0)
