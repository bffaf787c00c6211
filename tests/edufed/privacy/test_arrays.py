from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edufed.privacy.arrays import Layout, weighted, weighted_mean

shapes = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
floats = arrays(np.float32, shapes, elements=st.floats(-100, 100, width=32))
integers = arrays(np.int64, shapes, elements=st.integers(-(2**40), 2**40))


@given(st.dictionaries(st.text(min_size=1), floats | integers, max_size=5))
def test_arrays_come_back_as_they_were(named):
    layout = Layout.of(named)
    vector = layout.flatten(named)
    assert vector.shape == (layout.size,)
    back = layout.unflatten(vector)
    assert back.keys() == named.keys()
    for name, array in named.items():
        assert back[name].shape == array.shape
        assert back[name].dtype == (np.int64 if array.dtype.kind == "i" else np.float64)
        assert (back[name] == array).all()


def test_the_order_of_the_names_does_not_matter():
    one, two = {"a": [1.0], "b": [2.0]}, {"b": [2.0], "a": [1.0]}
    assert Layout.of(one) == Layout.of(two)
    assert (Layout.of(one).flatten(two) == [1, 2]).all()


def test_other_arrays_or_lengths_are_refused():
    layout = Layout.of({"a": np.zeros(2)})
    for other in ({"b": np.zeros(2)}, {"a": np.zeros(3)}, {"a": np.zeros(2, int)}):
        with pytest.raises(ValueError, match="not those of the layout"):
            layout.flatten(other)
    with pytest.raises(ValueError, match="for 2 values"):
        layout.unflatten(np.zeros(3))


def test_the_weighted_mean_needs_sums_alone():
    values, weights = [np.array([1.0, 2.0]), np.array([3.0, 5.0])], [1, 3]
    each = [weighted({"w": v}, n) for v, n in zip(values, weights, strict=True)]
    layout = Layout.of(each[0])
    total = layout.unflatten(sum(layout.flatten(arrays) for arrays in each))
    assert weighted_mean(total)["w"].tolist() == [2.5, 4.25]
    with pytest.raises(ValueError, match="add up to zero"):
        weighted_mean({"w": values[0], "weight": np.zeros(())})
    with pytest.raises(ValueError, match="own name"):
        weighted({"weight": values[0]}, 2)
