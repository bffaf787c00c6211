from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edufed.config import compose_job
from edufed.config.strategy import StrategySettings
from server.aggregation import aggregate, beyond, build_strategy

CURRENT = {"w": np.zeros((2, 2), np.float32), "b": np.zeros(1, np.float32)}


def _model(value: float) -> dict:
    return {name: np.full_like(array, value) for name, array in CURRENT.items()}


@given(
    st.lists(st.tuples(st.floats(-5, 5, width=32), st.integers(1, 10_000)), min_size=1, max_size=8)
)
def test_fedavg_is_the_mean_weighted_by_rows(sites: list[tuple[float, int]]) -> None:
    strategy = build_strategy(_named("fedavg"))
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


@cache
def _named(name: str, *overrides: str) -> StrategySettings:
    return compose_job(["out=x", f"strategy={name}", *overrides]).strategy


def _moved(steps: list[float], spread: float = 0.01) -> list[tuple[dict, float]]:
    """Models that moved by about one along each weight, but for the factor of each site."""
    rng = np.random.default_rng(1)
    return [
        (
            {
                name: (step * (1.0 + spread * rng.normal(size=array.shape))).astype(np.float32)
                for name, array in CURRENT.items()
            },
            100.0,
        )
        for step in steps
    ]


@pytest.mark.parametrize(
    ("name", "holds"),
    [("fedavg", False), ("fedmedian", True), ("fedtrimmedavg", True), ("krum", True)],
)
@pytest.mark.parametrize("poison", [100.0, -100.0, 3e38])
@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_one_poisoned_update_of_five(name: str, holds: bool, poison: float, place: int) -> None:
    steps = [1.0] * 5
    steps[place] = poison
    got = aggregate(build_strategy(_named(name)), 1, CURRENT, _moved(steps, 1e-3))
    near = all(np.allclose(array, 1.0, atol=0.01) for array in got.values())
    assert near == holds


@given(st.floats(-1e6, 1e6), st.integers(0, 6), st.integers(0, 6))
def test_krum_withstands_as_many_as_it_is_set_to(value: float, one: int, other: int) -> None:
    steps = [1.0] * 7
    steps[one], steps[other] = value, value
    settings = _named("krum", "strategy.malicious_sites=2", "scenario.min_sites=7")
    got = aggregate(build_strategy(settings), 1, CURRENT, _moved(steps))
    assert np.allclose(got["w"], 1.0, atol=0.1)


def test_krum_tells_small_steps_from_large_weights_apart() -> None:
    """Squared distances in single precision would be lost beside weights of a thousand."""
    large = {name: array + 1000.0 for name, array in CURRENT.items()}
    updates = [
        ({name: array + large[name] for name, array in model.items()}, weight)
        for model, weight in _moved([0.1, 0.1, 0.1, 0.3, 0.1])
    ]
    got = aggregate(build_strategy(_named("krum")), 1, large, updates)
    np.testing.assert_allclose(got["w"] - 1000.0, 0.1, atol=0.01)
    assert got["w"].dtype == np.float32


def test_the_trimmed_mean_is_that_of_the_middle() -> None:
    updates = [(_model(value), 1.0) for value in (-50.0, 1.0, 2.0, 3.0, 90.0)]
    got = aggregate(build_strategy(_named("fedtrimmedavg")), 1, CURRENT, updates)
    np.testing.assert_allclose(got["b"], 2.0)
    got = aggregate(build_strategy(_named("fedmedian")), 1, CURRENT, updates)
    np.testing.assert_allclose(got["b"], 2.0)


def test_an_update_beyond_the_bound_is_named() -> None:
    assert beyond(None, _model(1e30), CURRENT) is None
    assert beyond(5.0, _model(2.0), CURRENT) is None
    assert beyond(4.0, _model(2.0), CURRENT) == (
        "its update has norm 4.472, more than strategy.max_update_norm (4)"
    )
