import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.dp.randomness import RandomSource
from edufed.privacy.dp.sums import (
    bounded_sum,
    overshoot,
    release,
    release_share,
    share_deviation,
)
from edufed.privacy.fixed_point import FixedPoint


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.1, 20.0))
def test_a_learner_changes_a_sum_by_no_more_than_the_clip(seed, clip):
    rng = np.random.default_rng(seed)
    rows, cells = rng.standard_normal((40, 5)) * 3, rng.integers(0, 4, 40)
    learners = rng.integers(0, 12, 40).astype(str).astype(object)
    without = learners != learners[0]
    whole = bounded_sum(rows, learners, clip, cells=cells, shape=4)
    less = bounded_sum(rows[without], learners[without], clip, cells=cells[without], shape=4)
    assert np.linalg.norm(whole - less) <= clip * (1 + 1e-9)


def test_contributions_shorter_than_the_clip_are_summed_as_they_are():
    rows, cells = np.arange(12.0).reshape(6, 2), np.array([0, 1, 1, 2, 2, 2])
    learners = np.array(list("aabbcc"), object)
    summed = bounded_sum(rows, learners, 1e6, cells=cells, shape=3)
    assert np.allclose(summed, [[0, 1], [6, 8], [24, 27]])


def test_rows_of_one_learner_in_one_cell_count_by_the_length_of_their_sum():
    rows = np.array([[3.0], [-3.0], [5.0]])
    assert bounded_sum(rows, np.array(["a", "a", "b"], object), 2.0)[0, 0] == pytest.approx(2.0)


def test_released_sums_carry_the_noise_that_the_ledger_is_charged_for():
    noise = release(np.zeros((100, 500)), 4.0, 2.5, RandomSource.repeatable(0))
    assert noise.std() == pytest.approx(10.0, rel=0.02)


@pytest.mark.parametrize("sites", [3, 9, 13])
def test_any_sum_that_is_opened_carries_enough_noise_and_the_largest_not_much_more(sites):
    fewest = sites - sites // 3
    source = RandomSource.repeatable(sites)
    grid = 2.0**-24
    shares = [release_share(np.zeros(20_000), 2.0, 5.0, fewest, grid, source) for _ in range(sites)]
    after_drops, whole = np.std(sum(shares[:fewest])), np.std(sum(shares))
    assert after_drops == pytest.approx(10.0, rel=0.03)
    assert whole == pytest.approx(10.0 * overshoot(sites, fewest), rel=0.03)
    assert overshoot(sites, fewest) <= 1.5**0.5


def test_shares_go_through_fixed_point_without_rounding():
    codec = FixedPoint()
    share = release_share(
        np.linspace(-1, 1, 1000), 1.0, 3.0, 7, 2.0**-codec.fraction, RandomSource.repeatable(1)
    )
    assert np.array_equal(codec.decode(codec.encode(share, 10)), share)


def test_noise_shared_by_nobody_is_refused():
    with pytest.raises(ValueError, match="at least one site"):
        share_deviation(1.0, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_has_no_length_is_left_out(value):
    rows, learners = np.array([[1.0, value], [2.0, 3.0]]), np.array(["a", "b"], object)
    assert np.array_equal(bounded_sum(rows, learners, 10.0)[0], [2.0, 3.0])
