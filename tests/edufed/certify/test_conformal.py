from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.certify.conformal import (
    BINS,
    Bounds,
    bins_of,
    bounds,
    count,
    covered,
    interval,
    stack,
    tally,
    unstack,
)

SITES = st.lists(
    st.lists(st.tuples(st.floats(-30, 30), st.booleans()), max_size=40), min_size=1, max_size=5
)


def arrays(learners: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return (
        bins_of(np.array([logit for logit, _ in learners], dtype=float)),
        np.array([passed for _, passed in learners], dtype=bool),
    )


def by_sorting(scores: list[int], coverage: float) -> int | None:
    """The quantile as the textbook has it: sort nonconformity scores, take the k-th."""
    rank = math.ceil(round(coverage * (len(scores) + 1), 9))
    return sorted(scores)[rank - 1] if rank <= len(scores) else None


@settings(deadline=None)
@given(SITES, st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_the_federations_bounds_are_those_of_all_learners_in_one_place(
    sites: list[list[tuple[float, bool]]], coverage: float
) -> None:
    summed = sum(count(*arrays(site)) for site in sites)
    bins, passed = arrays([learner for site in sites for learner in site])
    low = by_sorting((-bins[passed]).tolist(), coverage)
    high = by_sorting(bins[~passed].tolist(), coverage)
    assert bounds(summed, coverage) == Bounds(
        0 if low is None else -low, BINS - 1 if high is None else high
    )


@settings(deadline=None)
@given(SITES, st.sampled_from([0.5, 0.9, 0.95]))
def test_calibration_learners_themselves_are_covered(
    sites: list[list[tuple[float, bool]]], coverage: float
) -> None:
    bins, passed = arrays([learner for site in sites for learner in site])
    with_pass, with_fail = bounds(count(bins, passed), coverage).holds(bins)
    for part, held in ((passed, with_pass), (~passed, with_fail)):
        if part.any():
            assert held[part].mean() >= coverage - 1e-9


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("n", [19, 60])
def test_coverage_over_many_draws_lies_within_the_theorems_bounds(coverage: float, n: int) -> None:
    """By class: at least `coverage`, and at most 1 / (n + 1) above where scores do not tie."""
    rng = np.random.default_rng(3)
    right = {True: 0, False: 0}
    draws = 4000
    for _ in range(draws):
        passed = np.repeat([True, False], n + 1)
        logit = rng.normal(np.where(passed, 1.0, -1.0), 2.0)
        bins = bins_of(logit)
        rest = np.ones(2 * n + 2, dtype=bool)
        rest[[0, n + 1]] = False
        limits = bounds(count(bins[rest], passed[rest]), coverage)
        with_pass, with_fail = limits.holds(bins[~rest])
        right[True] += int(with_pass[0])
        right[False] += int(with_fail[1])
    noise = 4 * math.sqrt(coverage * (1 - coverage) / draws)
    ties = 0.01
    for hits in right.values():
        assert coverage - noise <= hits / draws <= coverage + 1 / (n + 1) + ties + noise


def test_too_few_learners_of_a_result_bound_nothing() -> None:
    bins = bins_of(np.linspace(-3, 3, 18))
    limits = bounds(count(bins, np.ones(18, dtype=bool)), 0.95)
    assert limits == Bounds(0, BINS - 1)
    assert set(limits.kinds(bins).tolist()) == {3}


def test_a_float_that_is_almost_whole_is_whole() -> None:
    # 0.95 * 20 is 19: of 19 learners the least conforming is still inside, and all decide.
    bins = np.arange(100, 119)
    assert bounds(count(bins, np.ones(19, dtype=bool)), 0.95).least_pass == 100


def test_kinds_and_their_tally() -> None:
    limits = Bounds(least_pass=600, most_fail=700)
    bins = np.array([599, 600, 700, 701])
    assert limits.kinds(bins).tolist() == [2, 3, 3, 1]
    assert Bounds(700, 600).kinds(np.array([650])).tolist() == [0]
    tallied = tally(limits.kinds(bins), np.array([True, True, False, False]))
    assert tallied.tolist() == [[0, 0, 1, 1], [0, 1, 0, 1]]
    assert covered(tallied) == (4, 2)
    assert unstack(stack([limits])) == [limits]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_the_exact_interval_holds_its_share(found: tuple[int, int]) -> None:
    learners, right = found
    low, high = interval(right, learners)
    assert 0 <= low <= right / learners <= high <= 1
