"""The map's figures against their definitions, on drawn data."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edufed.privacy.fixed_point import FixedPoint
from edufed.quality import exact
from edufed.quality.estimates import notable
from edufed.quality.inequality import coefficient_of_variation, gini, theil
from edufed.quality.measures import cell_sums, mean, standard_error, variance
from edufed.quality.parity import adjusted, parity
from edufed.quality.shrinkage import shrink

Float64Array = npt.NDArray[np.float64]
amounts = arrays(np.float64, st.integers(2, 60), elements=st.floats(0, 1e4, width=32))
reals = arrays(np.float64, st.integers(1, 50), elements=st.floats(-1e12, 1e12))


def in_units(x: Float64Array, seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, 4, len(x))


@given(amounts, st.integers(0, 99))
def test_sums_give_mean_and_standard_error(x: Float64Array, seed: int) -> None:
    cells = in_units(x, seed)
    sums = cell_sums(x, cells, 4, "amount")
    for unit in range(4):
        ours = x[cells == unit]
        if len(ours):
            assert mean(sums)[unit] == pytest.approx(ours.mean(), abs=1e-9)
        if len(ours) > 1:
            scale = 1e-9 * max(1.0, float((ours**2).sum()))
            assert variance(sums)[unit] == pytest.approx(ours.var(ddof=1), abs=scale)
            assert standard_error(sums)[unit] >= 0


@given(amounts, st.integers(0, 99))
def test_theil_is_that_of_the_learners_and_its_parts_add_up(x: Float64Array, seed: int) -> None:
    cells = in_units(x, seed)
    split = theil(cell_sums(x, cells, 4, "amount"))
    if not x.sum() > 0:
        assert math.isnan(split.total)
        return
    share = x[x > 0] / x.mean()
    assert split.total == pytest.approx((share * np.log(share)).sum() / len(x), abs=1e-9)
    assert split.between + split.within == pytest.approx(split.total, abs=1e-9)
    assert split.between > -1e-12
    assert split.within > -1e-9


@given(amounts, st.integers(0, 99))
def test_gini_and_variation_are_those_of_learners_with_their_units_means(
    x: Float64Array, seed: int
) -> None:
    counts = np.random.default_rng(seed).integers(1, 9, len(x)).astype(float)
    everyone = np.repeat(x, counts.astype(int))
    if not everyone.mean() > 1e-6:
        return
    differences = np.abs(everyone[:, None] - everyone[None, :]).mean()
    assert gini(x, counts) == pytest.approx(differences / (2 * everyone.mean()), abs=1e-9)
    expected = everyone.std() / everyone.mean()
    assert coefficient_of_variation(x, counts) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_units_that_are_equal_are_not_unequal() -> None:
    same, counts = np.full(5, 0.7), np.arange(1.0, 6.0)
    assert coefficient_of_variation(same, counts) == pytest.approx(0.0, abs=1e-12)
    assert gini(same, counts) == pytest.approx(0.0, abs=1e-12)


@given(
    arrays(np.float64, 12, elements=st.floats(0, 1)),
    arrays(np.float64, 12, elements=st.floats(5, 500)),
    st.floats(0.01, 1),
)
def test_estimates_lie_between_the_unit_and_the_common_mean(
    y: Float64Array, counts: Float64Array, within: float
) -> None:
    found = shrink(y, counts, within)
    low, high = np.minimum(y, found.centre), np.maximum(y, found.centre)
    assert ((found.estimate >= low - 1e-12) & (found.estimate <= high + 1e-12)).all()
    assert (found.error <= np.sqrt(within / counts) + 1e-9).all()
    assert found.between >= 0


def test_estimates_are_nearer_the_truth_and_their_intervals_hold() -> None:
    rng = np.random.default_rng(5)
    raw, shrunk, held = 0.0, 0.0, []
    for _ in range(200):
        counts = rng.integers(8, 120, 30).astype(float)
        truth = 0.6 + 0.08 * rng.standard_normal(30)
        y = truth + 0.45 / np.sqrt(counts) * rng.standard_normal(30)
        found = shrink(y, counts, 0.45**2)
        raw += float(((y - truth) ** 2).sum())
        shrunk += float(((found.estimate - truth) ** 2).sum())
        held.append(np.abs(found.estimate - truth) <= 1.96 * found.error)
    assert shrunk < 0.8 * raw
    assert 0.92 < np.mean(held) < 0.97


def test_without_a_second_unit_nothing_is_shrunk() -> None:
    found = shrink(np.array([0.4, np.nan]), np.array([10.0, 0.0]), 0.25)
    assert found.estimate[0] == 0.4
    assert np.isnan(found.estimate[1])


@given(st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0, 0.1), st.floats(0, 0.1))
def test_parity_is_even_handed(one: float, other: float, se: float, se_other: float) -> None:
    index, turned = parity(one, se, other, se_other), parity(other, se_other, one, se)
    assert index is not None
    assert turned is not None
    assert index.index == pytest.approx(1 / turned.index)
    assert index.adjusted - 1 == pytest.approx(1 - turned.adjusted, abs=1e-9)
    assert index.low <= index.adjusted <= index.high
    assert 0 < index.adjusted < 2


def test_parity_by_hand() -> None:
    index = parity(0.45, 0.0, 0.6, 0.0)
    assert index is not None
    assert (index.index, index.adjusted) == (pytest.approx(0.75), pytest.approx(0.75))
    assert adjusted(1.25) == pytest.approx(1.2)
    assert parity(0.0, 0.1, 0.5, 0.1) is None


@given(reals)
def test_whole_numbers_stand_for_real_ones(x: Float64Array) -> None:
    assert np.abs(exact.join(exact.split(x)) - x).max() <= 2.0**-41 + 2.0**-52 * np.abs(x).max()


@given(arrays(np.float64, 5, elements=st.floats(-1e9, 1e9)), st.integers(3, 12))
def test_a_secure_sum_of_them_is_exact(x: Float64Array, sites: int) -> None:
    codec = FixedPoint()
    total = sum(codec.encode(exact.split(x * place).ravel(), sites) for place in range(sites))
    summed = exact.join(np.rint(codec.decode(total)).astype(np.int64).reshape(-1, 3))
    expected = x * sum(range(sites))
    assert np.abs(summed - expected).max() <= sites * 2.0**-40 + 1e-15 * np.abs(expected).max()


def test_what_cannot_be_split_is_refused() -> None:
    for value in (np.nan, np.inf, 1e14):
        with pytest.raises(ValueError, match="a sum is not finite or larger than"):
            exact.split(np.array([value]))


def test_few_of_many_tests_stand_out() -> None:
    p = np.array([0.001, 0.2, 0.012, 0.9, 0.04, 0.5])
    assert notable(p).tolist() == [True, False, True, False, False, False]
    assert not notable(np.array([0.3, 0.9])).any()
