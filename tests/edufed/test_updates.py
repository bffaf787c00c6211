from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edufed.updates import clip_update, update_norm

weights = arrays(np.float32, (2, 3), elements=st.floats(-1e3, 1e3, width=32))


def _model(array: np.ndarray) -> dict[str, np.ndarray]:
    return {"w": array[:, :2], "b": array[:, 2]}


def test_the_norm_is_over_all_weights() -> None:
    incoming = {"w": np.zeros((2, 2), np.float32), "b": np.zeros(1, np.float32)}
    model = {"w": np.full((2, 2), 1.0, np.float32), "b": np.full(1, 2.0, np.float32)}
    assert update_norm(model, incoming) == pytest.approx(np.sqrt(8.0))


@given(weights, weights, st.floats(1e-9, 1e4))
def test_clipping_shortens_to_the_bound_and_keeps_the_direction(
    before: np.ndarray, after: np.ndarray, bound: float
) -> None:
    incoming, model = _model(before), _model(after)
    clipped = clip_update(model, incoming, bound)
    norm = update_norm(model, incoming)
    assert update_norm(clipped, incoming) <= bound
    if norm <= bound:
        assert clipped is model
        return
    assert all(array.dtype == np.float32 for array in clipped.values())
    for name, start in incoming.items():
        wanted = start + bound / norm * (model[name].astype(float) - start)
        np.testing.assert_allclose(clipped[name], wanted, rtol=1e-6, atol=1e-6 * bound + 1e-3)


def test_a_bound_below_the_precision_of_the_weights_lets_nothing_through() -> None:
    incoming = {"w": np.full(3, 1000.0, np.float32)}
    model = {"w": np.full(3, 1001.0, np.float32)}
    np.testing.assert_array_equal(clip_update(model, incoming, 1e-12)["w"], incoming["w"])


def test_an_update_beyond_all_numbers_is_infinitely_far() -> None:
    incoming, model = {"w": np.zeros(2)}, {"w": np.full(2, 1e300)}
    assert update_norm(model, incoming) == np.inf
    assert update_norm(clip_update(model, incoming, 1.0), incoming) <= 1.0
