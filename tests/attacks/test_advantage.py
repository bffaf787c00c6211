import numpy as np
import pytest

from edufed.privacy.attacks.advantage import (
    by_threshold,
    difference_of_rates,
    rate_above_chance,
)


def test_interval_of_a_difference_is_newcombes():
    # Newcombe 1998, table II, contrast (a), method 10.
    gained = difference_of_rates("a", 56, 70, 48, 80)
    assert gained.value == pytest.approx(0.2)
    assert (gained.low, gained.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_choosing_a_threshold_gains_nothing_where_there_is_nothing_to_gain():
    rng = np.random.default_rng(0)
    gains = [
        by_threshold("a", rng.standard_normal(60), rng.standard_normal(60), seed)
        for seed in range(200)
    ]
    assert abs(np.mean([g.value for g in gains])) < 0.02
    assert np.mean([g.low <= 0 <= g.high for g in gains]) > 0.9


def test_a_perfect_score_is_an_advantage_of_one():
    gained = by_threshold("a", np.arange(100, 200.0), np.arange(100.0))
    assert gained.value == pytest.approx(1.0, abs=0.05)
    assert gained.measurable


def test_luck_is_no_advantage():
    gained = rate_above_chance("a", 25, 100, 0.25)
    assert gained.value == 0
    assert gained.low < 0 < gained.high
    assert rate_above_chance("a", 100, 100, 0.25).value == 1
