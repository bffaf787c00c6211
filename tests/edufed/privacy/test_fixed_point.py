from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edufed.privacy.fixed_point import FixedPoint, RangeError


@given(
    bits=st.sampled_from([32, 64]),
    fraction=st.integers(0, 20),
    sites=st.integers(3, 50),
    data=st.data(),
)
def test_the_sum_of_encoded_values_is_within_the_stated_error(bits, fraction, sites, data):
    codec = FixedPoint(bits, fraction)
    limit = codec.limit(sites)
    floats = st.floats(-limit, limit, allow_nan=False)
    values = [data.draw(arrays(np.float64, 5, elements=floats)) for _ in range(sites)]
    words = np.zeros(5, codec.dtype)
    for value in values:
        words += codec.encode(value, sites)
    for column, got in zip(zip(*values, strict=True), codec.decode(words), strict=True):
        exact = sum(map(Fraction, column))
        rounding = abs(exact) / 2**52  # float64's own, in the result
        assert abs(Fraction(got) - exact) <= Fraction(codec.error(sites)) + rounding


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint32, np.int64, np.uint64, float])
def test_whole_numbers_are_exact(dtype):
    codec = FixedPoint()
    values = np.array([0, 1, 1], dtype)
    assert (codec.decode(codec.encode(values, 10)) == [0, 1, 1]).all()
    large = int(codec.limit(3))
    assert codec.decode(codec.encode(np.array([large, -large]), 3)).tolist() == [large, -large]


def test_the_sum_of_the_largest_values_does_not_wrap():
    for codec in (FixedPoint(), FixedPoint(32, 12)):
        for sites in (3, 7, 50):
            words = codec.encode([codec.limit(sites)], sites) * codec.dtype.type(sites)
            assert codec.decode(words)[0] == pytest.approx(sites * codec.limit(sites))


@pytest.mark.parametrize(
    "bad",
    [
        [np.nan],
        [np.inf],
        [1e300],
        [-1e12],
        np.array([2**40]),
        np.array([-(2**62)]),
        np.array([2**63], np.uint64),
        np.float32([3e38]),
    ],
)
def test_what_the_range_cannot_hold_is_refused_without_naming_the_value(bad):
    with pytest.raises(RangeError, match="the most a site may send with 10 sites") as error:
        FixedPoint().encode(bad, 10)
    assert "e+12" not in str(error.value)


def test_clipping_is_an_explicit_choice_and_not_for_what_is_no_number():
    codec = FixedPoint(32, 16)
    got = codec.decode(codec.encode([1e9, -1e9, 0.5], 4, clip=True))
    assert got.tolist() == [codec.limit(4), -codec.limit(4), 0.5]
    whole = codec.decode(codec.encode(np.array([10**9, 7]), 4, clip=True))
    assert whole.tolist() == [int(codec.limit(4)), 7]
    for bad in ([np.nan, 1.0], [np.inf, 1.0]):
        with pytest.raises(RangeError):
            codec.encode(bad, 4, clip=True)


@pytest.mark.parametrize("wrong", [{"bits": 16}, {"fraction": -1}, {"bits": 32, "fraction": 31}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        FixedPoint(**wrong)
