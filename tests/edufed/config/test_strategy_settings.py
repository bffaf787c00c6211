from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edufed.config import SettingsError, compose_job
from edufed.config.strategy import FedTrimmedAvgSettings, RobustSettings


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["strategy=krum", "privacy=secagg"], "strategy=krum compares single updates, which"),
        (["strategy=fedmedian", "privacy=secagg"], "choose privacy=none, or another strategy"),
        (["strategy=krum", "strategy.malicious_sites=2"], "set scenario.min_sites=7"),
        (["strategy=fedmedian", "scenario.min_sites=2"], "set scenario.min_sites=3"),
        (["strategy=fedtrimmedavg", "strategy.beta=0.1"], "set scenario.min_sites=10"),
        (["strategy=fedtrimmedavg", "strategy.beta=0.5"], "strategy.beta: Input should be less"),
        (["strategy=krum", "strategy.malicious_sites=0"], "strategy.malicious_sites: Input should"),
        (["strategy.max_update_norm=0"], "strategy.max_update_norm: Input should be greater"),
        (["strategy=fedmedian", "strategy.beta=0.1"], "unknown setting 'strategy.beta'"),
    ],
)
def test_what_cannot_withstand_anything_is_one_clear_line(overrides: list[str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        compose_job(["out=x", *overrides])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["fedmedian", "fedtrimmedavg", "krum"])
def test_a_robust_strategy_asks_for_the_sites_that_it_needs(name: str) -> None:
    job = compose_job(["out=x", f"strategy={name}"])
    assert isinstance(job.strategy, RobustSettings)
    assert job.scenario.min_sites == job.strategy.least_sites


@given(st.floats(0.01, 0.49) | st.integers(3, 100).map(lambda sites: 1 / sites))
def test_the_trimmed_mean_leaves_somebody_out_at_either_end(beta: float) -> None:
    settings = FedTrimmedAvgSettings(
        name="fedtrimmedavg",
        beta=beta,
        local_epochs=1,
        batch_size=1,
        learning_rate=1.0,
        max_update_norm=None,
    )
    # int(beta * sites) is how many Flower leaves out at either end.
    assert int(beta * settings.least_sites) >= 1
    assert int(beta * (settings.least_sites - 1)) == 0
