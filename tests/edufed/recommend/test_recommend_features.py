from __future__ import annotations

import numpy as np
import pytest
from small_course import CUTOFF, course

from edufed.recommend.counts import count
from edufed.recommend.features import FEATURES, MATTERS, features, standing
from edufed.recommend.items import Items
from edufed.recommend.usage import Interactions
from edufed.records import RESOURCE_KINDS

RESOURCES = 10
KINDS = np.array([RESOURCE_KINDS.index("quiz" if i % 2 else "content") for i in range(RESOURCES)])


def test_every_feature_is_finite_also_where_nothing_was_used() -> None:
    for learners in (0, 1, 60):
        seen = course(learners, RESOURCES, 3)
        counts = count(seen, CUTOFF)
        made = features(seen, counts, Items.of(counts, 100.0), KINDS, CUTOFF)
        assert made.shape == (learners, RESOURCES, len(FEATURES))
        assert np.isfinite(made).all()


def test_the_cold_start_is_ranked_by_what_the_course_uses() -> None:
    seen = course(60, RESOURCES, 3)
    counts = count(seen, CUTOFF)
    new = Interactions(
        np.arange(2), np.full((2, RESOURCES), np.inf), np.full((2, RESOURCES), -np.inf), seen.later
    )
    made = features(new, counts, Items.of(counts, 100.0), KINDS, CUTOFF)
    np.testing.assert_array_equal(made[0], made[1])
    personal = [*MATTERS["follows"], *MATTERS["together"], *MATTERS["kind"]]
    assert not made[0][:, [FEATURES.index(name) for name in personal]].any()
    popular = made[0][:, FEATURES.index("used_14")]
    assert (np.argsort(-popular, kind="stable") == np.argsort(-counts.used[3], kind="stable")).all()


def test_a_learners_features_do_not_depend_on_who_else_is_at_the_site() -> None:
    seen = course(60, RESOURCES, 3)
    counts = count(seen, CUTOFF)
    items = Items.of(counts, 100.0)
    alone = features(seen.part(np.arange(60) == 7), counts, items, KINDS, CUTOFF)
    np.testing.assert_array_equal(alone[0], features(seen, counts, items, KINDS, CUTOFF)[7])


def test_standing_is_a_rank() -> None:
    values = np.random.default_rng(0).normal(3, 2, 4000)
    found = standing(values, values.sum(), (values**2).sum(), len(values))
    ranks = values.argsort().argsort() / len(values)
    assert np.abs(found - ranks).max() < 0.03
    assert standing(np.array([5.0]), 5.0, 25.0, 1.0) == pytest.approx(0.5)
