from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edufed.ranking import coverage, interval, judge, novelty, poisson_weights, shown, top

K = 4


@st.composite
def ranked(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    learners, items = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(0, 4, (learners, items)).astype(float)  # many are equal
    candidates = rng.random((learners, items)) < 0.7
    return scores, candidates, candidates & (rng.random((learners, items)) < 0.4)


def slow_list(scores: np.ndarray, candidates: np.ndarray) -> list[int]:
    return sorted(np.flatnonzero(candidates), key=lambda item: (-scores[item], item))[:K]


def slow_ndcg(chosen: list[int], relevant: np.ndarray) -> float:
    gain = sum(1 / math.log2(place + 2) for place, item in enumerate(chosen) if relevant[item])
    best = sum(1 / math.log2(place + 2) for place in range(min(K, int(relevant.sum()))))
    return gain / best if best else math.nan


@given(ranked())
def test_lists_and_scores_are_those_of_a_plain_computation(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, candidates, relevant = case
    chosen = top(scores, candidates, K)
    judged = judge(chosen, relevant)
    for learner in range(len(scores)):
        expected = slow_list(scores[learner], candidates[learner])
        assert [item for item in chosen[learner] if item >= 0] == expected
        ndcg = slow_ndcg(expected, relevant[learner])
        assert judged.ndcg[learner] == pytest.approx(ndcg, nan_ok=True)
        hit = float(any(relevant[learner][item] for item in expected))
        assert judged.hit[learner] == pytest.approx(
            hit if relevant[learner].any() else math.nan, nan_ok=True
        )
    lists = [item for row in chosen.tolist() for item in row if item >= 0]
    times = shown(chosen, scores.shape[1])
    assert times.tolist() == [lists.count(item) for item in range(scores.shape[1])]
    assert coverage(times) == pytest.approx(len(set(lists)) / scores.shape[1])


@given(ranked())
def test_the_best_order_scores_one_and_the_scores_lie_between(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, candidates, relevant = case
    wanted = relevant.any(axis=1)
    perfect = judge(top(relevant.astype(float), candidates, K), relevant)
    assert np.allclose(perfect.ndcg[wanted], 1)
    judged = judge(top(scores, candidates, K), relevant)
    assert ((judged.ndcg[wanted] >= 0) & (judged.ndcg[wanted] <= 1)).all()
    assert ((judged.ndcg[wanted] > 0) == (judged.hit[wanted] == 1)).all()


def test_novelty_is_the_mean_information_of_what_is_shown() -> None:
    # Used by 7 of 7, by 3 of 7, by none: 0, 1 and 3 bits.
    users = np.array([7, 3, 0])
    assert novelty(np.array([1, 0, 0]), users, 7) == 0
    assert novelty(np.array([1, 2, 1]), users, 7) == pytest.approx((0 + 2 + 3) / 4)
    assert math.isnan(novelty(np.zeros(3, dtype=int), users, 7))


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_a_bootstrap_over_sites_is_the_one_over_all_learners(seed: int, learners: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random(learners)
    weights = poisson_weights(learners, 40, rng)
    cut = learners // 2
    sums = sum(values[part] @ weights[part] for part in (slice(cut), slice(cut, None)))
    together = interval(np.atleast_2d(sums), np.atleast_2d(weights.sum(axis=0)))
    assert together == pytest.approx(
        interval(np.atleast_2d(values @ weights), np.atleast_2d(weights.sum(axis=0)))
    )
    assert together[0] == pytest.approx(values.mean())
    assert together[1] <= together[2]


def test_an_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        values = rng.random((2, 60)) ** 2
        weights = poisson_weights(60, 200, rng)
        sums = values @ weights
        _, low, high = interval(sums, np.broadcast_to(weights.sum(axis=0), sums.shape))
        covered += low <= 1 / 3 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_a_course_without_learners_is_left_out() -> None:
    sums, weights = np.array([[2.0, 1.0], [0.0, 0.0]]), np.array([[4.0, 2.0], [0.0, 0.0]])
    assert interval(sums, weights) == (0.5, 0.5, 0.5)
    assert all(math.isnan(x) for x in interval(np.zeros((1, 3)), np.zeros((1, 3))))
