from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_curve as curve_of_rows

from edufed.fairness.abroca import abroca, error_bound, holm, p_value, shuffle
from edufed.metrics import score_summary


def plain_abroca(y, risk, group, points=50_001):
    """ABROCA as Gardner et al. define it: both curves on a fine grid, difference summed."""
    grid = (np.arange(points) + 0.5) / points
    curves = []
    for member in (group, ~group):
        false, true, _ = curve_of_rows(y[member], risk[member], drop_intermediate=False)
        curves.append(np.interp(grid, false, true))
    return float(np.abs(curves[0] - curves[1]).mean())


@st.composite
def two_groups(draw, least=8, most=300):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(least, most))
    group = rng.random(n) < draw(st.floats(0.2, 0.8))
    y = (rng.random(n) < 0.4).astype(float)
    y[:4], group[:4] = [0, 1, 0, 1], [True, True, False, False]
    shift = draw(st.sampled_from([0.0, 0.5, 2.0]))
    risk = 1 / (1 + np.exp(-(rng.normal(size=n) + y * (1 + shift * group))))
    if draw(st.booleans()):
        risk = np.round(risk * 8) / 8
    return y, risk, group


def counts(y, risk, member, bins):
    return score_summary(y[member], risk[member], bins)[..., 0].astype(np.int64)


@given(two_groups(), st.sampled_from([50, 400, 2000]))
@settings(max_examples=60, deadline=None)
def test_it_is_the_plain_one_within_its_stated_bound(case, bins):
    y, risk, group = case
    one, other = counts(y, risk, group, bins), counts(y, risk, ~group, bins)
    assert abs(abroca(one, other) - plain_abroca(y, risk, group)) <= error_bound(one, other) + 1e-4


@given(two_groups())
@settings(max_examples=40, deadline=None)
def test_it_is_exact_where_no_two_risks_share_a_bin(case):
    y, _, group = case
    # Each learner in the middle of a bin of their own.
    risk = np.sin((np.random.default_rng(1).permutation(2000)[: len(y)] + 0.5) / 2000 * np.pi / 2)
    risk = risk**2
    one, other = counts(y, risk, group, 2000), counts(y, risk, ~group, 2000)
    assert error_bound(one, other) == 0
    assert abroca(one, other) == pytest.approx(plain_abroca(y, risk, group), abs=2e-4)


@given(two_groups())
@settings(max_examples=30, deadline=None)
def test_it_is_symmetric_between_0_and_1_and_bounds_the_difference_of_areas(case):
    y, risk, group = case
    one, other = counts(y, risk, group, 400), counts(y, risk, ~group, 400)
    found = abroca(one, other)
    assert found == pytest.approx(abroca(other, one), abs=1e-12)
    assert abroca(one, one) == 0
    areas = [auc(c) for c in (one, other)]
    assert abs(areas[0] - areas[1]) - 1e-12 <= found <= 1


def auc(c):
    below = np.cumsum(c[0]) - c[0] / 2
    return c[1] @ below / (c[0].sum() * c[1].sum())


def test_drawing_from_histograms_is_shuffling_the_learners():
    """The randomisation test from two histograms alone, against one that shuffles every row."""
    rng = np.random.default_rng(3)
    n = 600
    group, y = rng.random(n) < 0.3, (rng.random(n) < 0.4).astype(float)
    risk = 1 / (1 + np.exp(-(rng.normal(size=n) + y)))
    one, other = counts(y, risk, group, 400), counts(y, risk, ~group, 400)
    drawn = shuffle(one, other, np.zeros(400), 800, np.random.default_rng(4)).abroca
    rows = []
    for _ in range(800):
        mixed = group.copy()
        for label in (0, 1):
            mixed[y == label] = rng.permutation(group[y == label])
        rows.append(abroca(counts(y, risk, mixed, 400), counts(y, risk, ~mixed, 400)))
    assert stats.ks_2samp(drawn, rows).pvalue > 0.01
    assert drawn.mean() > 0.01  # by chance alone it is far from 0: that is why there is a test


def test_shuffled_caseloads_are_as_far_apart_as_chance_makes_them():
    rng = np.random.default_rng(5)
    one, other = rng.integers(0, 9, (2, 40)), rng.integers(0, 30, (2, 40))
    caught = np.r_[np.zeros(30), 0.5, np.ones(9)]
    drawn = shuffle(one, other, caught, 4000, rng).caseload
    assert abs(drawn.mean()) < 0.01
    positives = np.repeat(caught, (one + other)[1])
    n, m = one[1].sum(), other[1].sum()
    expected = np.sqrt(positives.var(ddof=1) * (1 / n + 1 / m))
    assert drawn.std() == pytest.approx(expected, rel=0.05)


def test_the_test_finds_a_difference_and_leaves_chance_alone():
    """With one ROC curve for both groups, p-values are uniform; with two, small."""
    found = {}
    for gap in (0.0, 1.0):
        values = []
        for seed in range(40):
            rng = np.random.default_rng([seed, int(gap)])
            group, y = rng.random(500) < 0.4, (rng.random(500) < 0.4).astype(float)
            # Risks may well differ by group: what is asked is how they order outcomes.
            logit = rng.normal(size=500) + y * (1.0 + gap * group)
            risk = 1 / (1 + np.exp(-logit))
            one, other = counts(y, risk, group, 100), counts(y, risk, ~group, 100)
            chance = shuffle(one, other, np.zeros(100), 49, rng).abroca
            values.append(p_value(abroca(one, other), chance))
        found[gap] = np.array(values)
    assert stats.kstest(found[0.0], "uniform").pvalue > 0.001
    assert (found[1.0] < 0.05).mean() > 0.6


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_against_its_definition(values):
    adjusted = holm(values)
    m = len(values)
    for value, got in zip(values, adjusted, strict=True):
        below = sorted(values)
        steps = [min(1.0, (m - k) * v) for k, v in enumerate(below) if v <= value]
        assert got == pytest.approx(max(steps))


def test_a_p_value_is_never_0():
    assert p_value(5.0, np.zeros(99)) == 0.01
    assert p_value(0.0, np.zeros(99)) == 1.0
