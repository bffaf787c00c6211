from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from edufed.transfer.imputer import (
    Imputer,
    PairMoments,
    filled_ranks,
    normal_scores,
    pair_moments,
    rank_intervals,
)

CORRELATION = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, -0.2], [0.3, -0.2, 1.0]])


def drawn(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).multivariate_normal(np.zeros(3), CORRELATION, n)


def total(*parts: PairMoments) -> PairMoments:
    return PairMoments(
        *(
            np.sum([getattr(p, name) for p in parts], axis=0)
            for name in ("count", "first", "second")
        )
    )


def test_pairs_measured_at_different_sites_give_one_covariance() -> None:
    """No site has all three features: each pair is known to one site alone."""
    parts = []
    for site, lacks in enumerate((0, 1, 2)):
        x = drawn(40_000, site)
        x[:, lacks] = np.nan
        parts.append(pair_moments(x))
    imputer = Imputer.from_moments(total(*parts))
    assert imputer.covariance == pytest.approx(CORRELATION, abs=0.02)
    assert imputer.mean == pytest.approx(np.zeros(3), abs=0.01)


def test_what_is_filled_in_is_the_conditional_normal() -> None:
    imputer = Imputer(np.zeros(3), CORRELATION, np.ones(3, dtype=bool))
    filled, deviation = imputer.conditional(np.array([[1.0, np.nan, np.nan], [0.5, 1.0, -1.0]]))
    assert filled[0] == pytest.approx([1.0, 0.6, 0.3])
    assert deviation[0] == pytest.approx([0.0, 0.8, np.sqrt(1 - 0.09)])
    assert filled[1].tolist() == [0.5, 1.0, -1.0]
    given = np.array([[np.nan, 0.7, -0.4]])
    slope = np.linalg.solve(CORRELATION[1:, 1:], CORRELATION[1:, 0])
    filled, deviation = imputer.conditional(given)
    assert filled[0, 0] == pytest.approx(slope @ [0.7, -0.4])
    assert deviation[0, 0] ** 2 == pytest.approx(1 - slope @ CORRELATION[1:, 0])


def test_nothing_known_gives_the_mean_and_what_nobody_has_stays_missing() -> None:
    known = np.array([True, True, False])
    imputer = Imputer(np.array([0.2, -0.1, 0.0]), CORRELATION, known)
    filled, deviation = imputer.conditional(np.full((1, 3), np.nan))
    assert filled[0, :2] == pytest.approx([0.2, -0.1])
    assert deviation[0, :2] == pytest.approx([1.0, 1.0])
    assert np.isnan(filled[0, 2])


def test_intervals_cover_as_often_as_they_say() -> None:
    truth = norm.cdf(drawn(20_000, 5))
    placed = truth.copy()
    placed[:, 1] = np.nan
    low, high = rank_intervals(Imputer(np.zeros(3), CORRELATION, np.ones(3, dtype=bool)), placed)
    inside = (low[:, 1] <= truth[:, 1]) & (truth[:, 1] <= high[:, 1])
    assert inside.mean() == pytest.approx(0.95, abs=0.01)
    assert low[:, 0] == pytest.approx(truth[:, 0])


def test_filling_in_beats_the_middle_rank() -> None:
    truth = norm.cdf(drawn(5_000, 6))
    placed = truth.copy()
    placed[:, 1] = np.nan
    filled = filled_ranks(Imputer(np.zeros(3), CORRELATION, np.ones(3, dtype=bool)), placed)
    assert np.mean((filled[:, 1] - truth[:, 1]) ** 2) < 0.7 * np.mean((0.5 - truth[:, 1]) ** 2)


def test_a_matrix_of_pairs_that_contradict_one_another_is_mended() -> None:
    # Correlations .9, .9 and -.9 cannot hold together.
    contradictory = np.array([[1.0, 0.9, 0.9], [0.9, 1.0, -0.9], [0.9, -0.9, 1.0]])
    n = 1000.0
    moments = PairMoments(np.full((3, 3), n), np.zeros((3, 3)), n * contradictory)
    imputer = Imputer.from_moments(moments)
    assert np.linalg.eigvalsh(imputer.covariance)[0] > 0
    assert np.diag(imputer.covariance) == pytest.approx(np.ones(3))


def test_normal_scores_keep_off_infinity() -> None:
    scored = normal_scores(np.array([0.0, 0.5, 1.0, np.nan]))
    assert np.isfinite(scored[:3]).all()
    assert scored[1] == 0
    assert np.isnan(scored[3])
