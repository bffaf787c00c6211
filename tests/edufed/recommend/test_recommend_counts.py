from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_course import CUTOFF, course, shared_out

from edufed.recommend.counts import Counts, count, courses, flat, flat_like


def assert_equal(one: Counts, other: Counts) -> None:
    for name in ("gram", "follows", "used", "begun"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("sums", "cohort"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12)


@given(st.integers(0, 30), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_counts_of_sites_add_up_to_those_of_all_learners(
    learners: int, resources: int, seed: int
) -> None:
    whole = course(learners, resources, seed)
    parts = [count(part, CUTOFF) for part in shared_out(whole, 4)]
    assert_equal(reduce(add, parts), count(whole, CUTOFF))


@given(st.integers(0, 12), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_counts_are_those_of_a_plain_loop(learners: int, resources: int, seed: int) -> None:
    seen = course(learners, resources, seed)
    found = count(seen, CUTOFF)
    assert found.learners == learners
    for i in range(resources):
        for j in range(resources):
            both = sum(row[i] < np.inf and row[j] < np.inf for row in seen.first)
            waits = [row[j] - row[i] for row in seen.first if row[i] < np.inf and row[j] < np.inf]
            assert found.gram[i, j] == both
            assert found.follows[i, j] == sum(0 < wait <= 14 for wait in waits)
        assert found.used[2, i] == sum(row[i] > CUTOFF - 7 for row in seen.last)
        assert found.begun[0, i] == sum(CUTOFF - 3 < row[i] < np.inf for row in seen.first)


def test_what_is_sent_is_read_again_course_by_course() -> None:
    counts = [count(course(20, size, size), CUTOFF) for size in (5, 1, 8)]
    sent = flat(counts)
    like = flat_like([5, 1, 8])
    assert {name: (a.shape, a.dtype.kind) for name, a in sent.items()} == {
        name: (a.shape, a.dtype.kind) for name, a in like.items()
    }
    for one, other in zip(courses(sent, [5, 1, 8]), counts, strict=True):
        assert_equal(one, other)
