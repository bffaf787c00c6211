from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.acting.effect import compare, e_value, strata_of


def world(seed, effect, n=3000):
    """Teachers contact those at high risk; contact adds `effect` to the chance of the outcome."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(2, 3, n)
    contacted = rng.random(n) < 0.1 + 0.7 * risk
    outcome = rng.random(n) < np.clip(risk + effect * contacted, 0, 1)
    return risk, contacted, outcome, np.arange(n)


def test_adjusting_finds_the_effect_that_the_plain_comparison_hides():
    found = compare(*world(0, -0.1), np.random.default_rng(0), 300)
    assert found["unadjusted"].gap > 0  # the contacted were at higher risk
    assert found["adjusted"].low < -0.1 < found["adjusted"].high
    assert found["adjusted"].high < -0.04
    assert found["on_contacted"].low < -0.1 < found["on_contacted"].high
    assert found["overlap"] == 1
    assert found["e_value"] > 1


def test_without_an_effect_the_interval_holds_zero_about_as_often_as_it_says():
    inside = 0
    for seed in range(40):
        # Risk within a stratum still differs: ten strata leave a little of it.
        found = compare(*world(seed, 0.0, 800), np.random.default_rng(seed), 120)["adjusted"]
        inside += found.low <= 0 <= found.high
    assert inside >= 33


@given(st.integers(0, 2**32 - 1), st.integers(30, 400))
@settings(max_examples=40, deadline=None)
def test_standardising_is_weighting_by_the_inverse_share_of_the_stratum(seed, n):
    risk, contacted, outcome, person = world(seed, -0.1, n)
    found = compare(risk, contacted, outcome, person, np.random.default_rng(0), 3)
    stratum = strata_of(risk)
    usable = np.array([row["compared"] for row in found["strata"]])
    if found["adjusted"] is None:
        assert not usable.any()
        return
    keep = usable[stratum]
    share = np.array([contacted[stratum == s].mean() for s in range(len(usable))])[stratum]
    rates = [
        np.average(outcome[keep & mask], weights=1 / p[keep & mask])
        for mask, p in ((contacted, share), (~contacted, 1 - share))
    ]
    assert found["adjusted"].contacted == pytest.approx(rates[0])
    assert found["adjusted"].others == pytest.approx(rates[1])
    assert found["unadjusted"].gap == pytest.approx(
        outcome[contacted].mean() - outcome[~contacted].mean()
    )
    assert sum(row["contacted"] + row["others"] for row in found["strata"]) == n


def test_strata_without_both_kinds_are_left_out():
    risk = np.repeat([0.1, 0.9], 50)
    contacted = risk > 0.5
    found = compare(risk, contacted, contacted.copy(), np.arange(100), np.random.default_rng(0), 20)
    assert found["adjusted"] is None
    assert found["e_value"] is None
    assert found["overlap"] == 0
    assert found["unadjusted"].gap == 1


def test_a_learner_with_many_alerts_counts_as_one_person():
    risk, contacted, outcome, _ = world(1, 0.0, 300)
    each = compare(risk, contacted, outcome, np.arange(300), np.random.default_rng(0), 200)
    many = [np.repeat(values, 5) for values in (risk, contacted, outcome, np.arange(300))]
    found = compare(*many, np.random.default_rng(0), 200)
    wide = each["adjusted"].high - each["adjusted"].low
    assert found["adjusted"].high - found["adjusted"].low == pytest.approx(wide, rel=0.2)


def test_the_e_value_of_the_paper():
    assert e_value(0.39, 0.10) == pytest.approx(7.26, abs=0.01)  # VanderWeele & Ding's ratio of 3.9
    assert e_value(0.2, 0.2) == 1
    assert e_value(0.0, 0.2) is None
