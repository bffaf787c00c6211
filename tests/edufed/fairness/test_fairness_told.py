from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.fairness.groups import ATTRIBUTES, COLUMNS, GROUPS, members, memberships, slots
from edufed.fairness.summaries import group_counts
from edufed.fairness.told import told_groups


@st.composite
def learners(draw):
    """Outcomes and the five columns; values may be missing, and groups of any size."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 400))
    values = {
        "female": rng.random(n) < draw(st.floats(0, 1)),
        "age": rng.choice([0, 18, 35, 55], n, p=[0.3, 0.5, 0.15, 0.05]),
        "support_need": rng.random(n) < draw(st.floats(0, 0.2)),
        "education_level": rng.integers(0, 9, n),
        "means": rng.random(n),
    }
    missing = draw(st.sampled_from([0.0, 0.02, 0.4]))
    columns = {
        name: np.where(rng.random(n) < missing, np.nan, given) for name, given in values.items()
    }
    return (rng.random(n) < draw(st.floats(0, 1))).astype(float), columns


@given(learners())
@settings(max_examples=100, deadline=None)
def test_what_is_told_and_what_is_left_of_all_have_enough_of_either_outcome(case):
    y, columns = case
    codes = memberships(columns)
    told = told_groups(group_counts(y, codes), 10)
    for attribute in ATTRIBUTES:
        own = slots(attribute)
        here = [group for group in told if own.start <= group < own.stop]
        assert len(here) != 1
        left = np.ones(len(y), dtype=bool)
        for group in here:
            row = members(codes, group)
            assert min((y[row] == 0).sum(), (y[row] == 1).sum()) >= 10
            left &= ~row
        if here and left.any():
            assert min((y[left] == 0).sum(), (y[left] == 1).sum()) >= 10


def test_a_group_that_follows_from_another_is_not_told():
    counts = np.zeros((len(GROUPS) + 1, 2))
    counts[slots("gender")] = [[500, 300], [400, 300]]
    counts[-1] = [900, 600]
    assert told_groups(counts, 10) == [0, 1]
    counts[-1] = [903, 600]  # three learners whose gender is not stated would follow
    assert told_groups(counts, 10) == []
    counts[slots("means")] = [[200, 100], [400, 300], [300, 197]]
    assert [GROUPS[g][1] for g in told_groups(counts, 10)] == ["middle", "richest"]


@given(learners())
@settings(max_examples=30, deadline=None)
def test_each_learner_is_in_one_group_of_what_is_stated(case):
    y, columns = case
    codes = memberships(columns)
    assert codes.shape == (len(y), len(ATTRIBUTES))
    for place, (attribute, column) in enumerate(zip(ATTRIBUTES, COLUMNS, strict=True)):
        own = slots(attribute)
        known = ~np.isnan(columns[column])
        assert (codes[~known, place] == -1).all()
        assert ((codes[known, place] >= own.start) & (codes[known, place] < own.stop)).all()
    assert group_counts(y, codes)[-1].sum() == len(y)


def test_borders_of_groups_are_as_on_the_quality_map():
    columns = {
        "female": [1.0, 0.0, 0.0],
        "age": [35.0, 34.0, np.nan],
        "support_need": [1.0, 0.0, 0.0],
        "education_level": [2.0, 3.0, 5.0],
        "means": [0.19, 0.2, 0.8],
    }
    codes = memberships({name: np.array(values) for name, values in columns.items()})
    named = [[GROUPS[code][1] if code >= 0 else None for code in row] for row in codes]
    assert named == [
        ["female", "older", "need", "lower_secondary", "poorest"],
        ["not_female", "younger", "no_need", "upper_secondary", "middle"],
        ["not_female", None, "no_need", "tertiary", "richest"],
    ]
    assert (memberships({"female": np.array([1.0])})[0, 1:] == -1).all()
