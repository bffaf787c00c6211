from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edufed.config import compose_job
from server.aggregation import aggregate, build_strategy

CURRENT = {"w": np.zeros((2, 2), np.float32), "b": np.zeros(1, np.float32)}


def _model(value: float) -> dict:
    return {name: np.full_like(array, value) for name, array in CURRENT.items()}


@given(
    st.lists(st.tuples(st.floats(-5, 5, width=32), st.integers(1, 10_000)), min_size=1, max_size=8)
)
def test_fedavg_is_the_mean_weighted_by_rows(sites: list[tuple[float, int]]) -> None:
    strategy = build_strategy(compose_job(["out=x"]).strategy)
    got = aggregate(strategy, 1, CURRENT, [(_model(v), float(n)) for v, n in sites])
    expected = np.average([v for v, _ in sites], weights=[n for _, n in sites])
    np.testing.assert_allclose(got["w"], expected, atol=1e-5)
    assert got["w"].dtype == np.float32


@pytest.mark.parametrize("name", ["fedavg", "fedprox", "fedper"])
def test_these_average_alike(name: str) -> None:
    strategy = build_strategy(compose_job(["out=x", f"strategy={name}"]).strategy)
    got = aggregate(strategy, 1, CURRENT, [(_model(1.0), 1.0), (_model(4.0), 3.0)])
    np.testing.assert_allclose(got["b"], 3.25)


def test_fedadam_takes_adaptive_steps_along_the_mean_update() -> None:
    settings = compose_job(["out=x", "strategy=fedadam"]).strategy
    strategy = build_strategy(settings)
    model = CURRENT
    for number in range(1, 4):
        ahead = {name: array + 1.0 for name, array in model.items()}
        new = aggregate(strategy, number, model, [(ahead, 1.0)])
        step = new["w"] - model["w"]
        assert (step > 0).all()
        assert (step < 3 * settings.server_learning_rate).all()
        model = new
