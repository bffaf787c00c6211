from __future__ import annotations

import numpy as np
import pytest

from edufed.privacy.dp.randomness import RandomSource
from edufed.vertical.neural import FeatureNetwork, LabelNetwork, Plan, batch, protected

RNG = np.random.default_rng(5)
PLAN = Plan(hidden=(6,), embedding=3, l2=0.0, learning_rate=0.01, steps=2)


def test_batches_go_through_every_row_once_an_epoch() -> None:
    rows = np.flatnonzero(RNG.random(230) < 0.5)
    each = -(-len(rows) // 50)
    drawn = [batch(rows, number, 50, seed=3) for number in range(2 * each)]
    assert max(map(len, drawn)) <= 50
    for epoch in (drawn[:each], drawn[each:]):
        assert np.array_equal(np.sort(np.concatenate(epoch)), rows)
    assert not np.array_equal(drawn[0], drawn[each])


def test_gradients_leave_clipped_and_noised() -> None:
    gradients = RNG.standard_normal((20_000, 4)) * RNG.exponential(1, (20_000, 1))
    clipped = protected(gradients, 0.5, 0.0, RandomSource())
    length = np.linalg.norm(gradients, axis=1)
    assert np.linalg.norm(clipped, axis=1) == pytest.approx(np.minimum(length, 0.5))
    noised = protected(gradients, 0.5, 3.0, RandomSource.repeatable(1))
    assert (noised - clipped).std() == pytest.approx(1.5, rel=0.02)
    again = protected(gradients, 0.5, 3.0, RandomSource.repeatable(1))
    assert np.array_equal(noised, again)


def test_a_party_adds_nothing_for_learners_it_lacks_and_goes_on_from_its_state() -> None:
    x, present = RNG.standard_normal((30, 5)), (RNG.random(30) < 0.5).astype(float)
    party = FeatureNetwork(x, present, PLAN, seed=1)
    rows = np.arange(30)
    assert np.array_equal(party.embed(rows).any(axis=1), present == 1)
    party.learn(rows, np.ones((30, 3)))
    other = FeatureNetwork(x, present, PLAN, seed=2, state=party.state)
    for network in (party, other):
        network.learn(rows, np.ones((30, 3)))
    assert np.array_equal(party.embed(rows), other.embed(rows))


def test_the_label_party_gives_each_row_s_gradient_before_its_first_step() -> None:
    x, y = RNG.standard_normal((40, 5)), (RNG.random(40) < 0.5).astype(float)
    others, rows = RNG.standard_normal((40, 3)), np.arange(0, 40, 2)
    label = LabelNetwork(x, y, PLAN, seed=1)
    before = LabelNetwork(x, y, PLAN, seed=1)
    found = label.learn(rows, others[rows])
    assert label.loss(others[rows], rows) < before.loss(others[rows], rows)
    step = 1e-6
    for at in range(3):
        moved = others[rows[:1]] + step * np.eye(3)[at]
        rise = before.loss(moved, rows[:1]) - before.loss(others[rows[:1]], rows[:1])
        assert found[0, at] == pytest.approx(rise / step, abs=1e-4)
