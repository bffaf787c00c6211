from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edufed.narrow import narrowed, widened


@given(hnp.arrays(np.int64, hnp.array_shapes(min_side=0), elements=st.integers(-5, 2**40)))
def test_nothing_is_lost(array: np.ndarray) -> None:
    small = narrowed(array)
    assert small.nbytes <= array.nbytes
    assert widened(small).dtype == np.int64
    np.testing.assert_array_equal(small, array)
    np.testing.assert_array_equal(widened(small), array)


@pytest.mark.parametrize(
    ("most", "kind"),
    [(255, np.uint8), (256, np.uint16), (65_536, np.uint32), (2**32, np.int64), (-1, np.int64)],
)
def test_the_smallest_type_that_holds_them(most: int, kind: type) -> None:
    assert narrowed(np.array([0, most])).dtype == kind


def test_fractions_stay_as_they_are() -> None:
    array = np.array([0.5, 1.0])
    assert narrowed(array) is array
    assert widened(array) is array
