from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.recommend.private import (
    EVALUATION_CLIP,
    MODELS,
    bounded_counts,
    capped,
    counts_of,
    evaluation_sums,
    judged,
    parts,
    penalty,
    semidefinite,
)
from edufed.recommend.usage import Interactions


@st.composite
def sites(draw):
    """Learners of two courses, some in both; what they used and when."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people = draw(st.integers(2, 12))
    ids, seen, start = [], [], 0
    for resources in (7, 5):
        here = np.flatnonzero(rng.random(people) < 0.8)
        used = rng.random((len(here), resources)) < draw(st.floats(0, 1))
        first = np.where(used, rng.integers(0, 60, used.shape), np.inf)
        last = np.where(used, np.where(used, first, 0) + rng.integers(0, 5, used.shape), -np.inf)
        later = ~used & (rng.random(used.shape) < 0.4)
        rows = np.arange(start, start + len(here))
        start += len(here)
        ids += [f"p{who}" for who in here]
        seen.append(Interactions(rows, first, last, later))
    return seen, np.array(ids, dtype=object)


def without(seen, ids, who):
    return [part.part(ids[part.rows] != who) for part in seen]


@given(sites(), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_no_learner_changes_the_counts_by_more_than_is_paid_for(case, items):
    seen, ids = case
    clips = {part.name: part.clip for part in parts(items)}

    def counted(those):
        return bounded_counts(those, capped(those, ids, items), 60.0)

    gram, recent = counted(seen)
    for who in set(ids.tolist()):
        other_gram, other_recent = counted(without(seen, ids, who))
        assert np.linalg.norm(gram - other_gram) <= clips["gram"] + 1e-9
        assert np.linalg.norm(recent - other_recent) <= clips["recent"] + 1e-9


@given(sites(), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_the_last_uses_are_kept_over_all_courses(case, items):
    seen, ids = case
    kept = capped(seen, ids, items)
    for who in set(ids.tolist()):
        days, inside = [], []
        for part, mask in zip(seen, kept, strict=True):
            mine = ids[part.rows] == who
            assert not (mask & ~part.used).any()
            days += part.last[mine][part.used[mine]].tolist()
            inside += part.last[mine][mask[mine]].tolist()
        assert len(inside) == min(items, len(days))
        assert sorted(inside) == sorted(days)[len(days) - len(inside) :]


@given(sites())
@settings(max_examples=40, deadline=None)
def test_no_learner_changes_the_scores_by_more_than_is_paid_for(case):
    seen, ids = case
    rng = np.random.default_rng(0)
    wanted = [part.part(part.later.any(axis=1)) for part in seen]
    columns = [part.first.shape[1] for part in wanted]
    order = {model: [rng.random(n) for n in columns] for model in MODELS}

    def summed(those):
        scores = [
            {m: np.broadcast_to(order[m][c], part.first.shape) for m in MODELS}
            for c, part in enumerate(those)
        ]
        return evaluation_sums(scores, those, ids)

    whole = summed(wanted)
    assert whole[0] == pytest.approx(len({ids[r] for part in wanted for r in part.rows}))
    for who in set(ids.tolist()):
        assert np.linalg.norm(whole - summed(without(wanted, ids, who))) <= EVALUATION_CLIP + 1e-9


def test_without_noise_or_cap_the_counts_are_the_exact_ones():
    rng = np.random.default_rng(1)
    used = rng.random((30, 6)) < 0.4
    first = np.where(used, 10.0, np.inf)
    seen = [Interactions(np.arange(30), first, np.where(used, 55.0, -np.inf), ~used)]
    ids = np.array([f"p{i}" for i in range(30)], dtype=object)
    kept = capped(seen, ids, 100)
    gram, recent = bounded_counts(seen, kept, 60.0)
    (made,) = counts_of(gram, recent, [6])
    x = used.astype(int)
    np.testing.assert_array_equal(made.gram, x.T @ x)
    np.testing.assert_array_equal(made.used[0], used.sum(axis=0))
    np.testing.assert_array_equal(made.begun[0], np.zeros(6))


def test_noise_is_symmetric_and_leaves_a_matrix_that_ease_can_invert():
    rng = np.random.default_rng(2)
    n, deviation = 60, 25.0
    x = (rng.random((400, n)) < 0.1).astype(float)
    gram = x.T @ x
    noisy = gram[np.triu_indices(n)] + rng.normal(0, deviation, n * (n + 1) // 2)
    (made,) = counts_of(noisy, np.zeros((2, n)), [n])
    np.testing.assert_array_equal(made.gram, made.gram.T)
    l2 = penalty(10.0, deviation, [n])
    assert np.linalg.eigvalsh(made.gram + l2 * np.eye(n)).min() > 0
    # The nearest semidefinite matrix is no further from the truth than the noisy one.
    whole = np.zeros((n, n))
    whole[np.triu_indices(n)] = noisy
    whole += np.triu(whole, 1).T
    assert np.linalg.norm(semidefinite(whole) - gram) <= np.linalg.norm(whole - gram)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(300):
        ndcg = rng.beta(1, 2, 400)
        sums = np.concatenate([[400.0], np.full(2 * len(MODELS), ndcg.sum())])
        found = judged(sums + rng.normal(0, 15.0, len(sums)), 15.0).ndcg["ease"]
        inside += found[1] <= 1 / 3 <= found[2]
    assert inside >= 280
