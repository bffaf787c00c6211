from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from edufed.privacy.products import FeatureParty, LabelParty, Shape
from edufed.vertical import (
    FeatureBlock,
    LabelBlock,
    log_loss,
    probability,
    residual,
    train_together,
)
from edufed.vertical.subspace import search

RIDGE = 1e-3


def drawn(
    rows: int = 800, columns: tuple[int, ...] = (4, 6, 5), labels: int = 1, seed: int = 0
) -> tuple[list[np.ndarray], np.ndarray]:
    """Standardised features of each party, strongly correlated between parties, and targets."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=(rows, 3))
    features = [
        common @ draw.normal(size=(3, c)) / 2 + draw.normal(size=(rows, c)) for c in columns
    ]
    features = [(x - x.mean(axis=0)) / x.std(axis=0) for x in features]
    z = sum(x @ draw.normal(size=(x.shape[1], labels)) for x in features) - 1
    return features, (draw.uniform(size=z.shape) < probability(z)).astype(float)


def pooled(features: list[np.ndarray], targets: np.ndarray, ridge: float) -> np.ndarray:
    """Objective at the optimum by scikit-learn, shape (labels,)."""
    x = np.hstack(features)
    found = []
    for y in targets.T:
        model = LogisticRegression(C=1 / (ridge * len(y)), tol=1e-10, max_iter=5000).fit(x, y)
        z = model.decision_function(x)
        found.append(log_loss(z, y) + ridge / 2 * (model.coef_**2).sum())
    return np.array(found)


def parties(
    features: list[np.ndarray], targets: np.ndarray, ridge: float = RIDGE
) -> tuple[LabelBlock, list[FeatureBlock]]:
    labels = targets.shape[1]
    blocks = [FeatureBlock(x, labels, ridge) for x in features[1:]]
    return LabelBlock(features[0], targets, ridge), blocks


def plain(features: list[np.ndarray]):
    return lambda at, r: features[at + 1].T @ r


def test_logistic_functions_hold_at_the_extremes() -> None:
    z = np.array([[-800.0], [0.0], [800.0]])
    assert probability(z).ravel().tolist() == [0.0, 0.5, 1.0]
    assert log_loss(z, np.array([[0.0], [1.0], [1.0]])) == pytest.approx([np.log(2) / 3])
    assert residual(z, np.ones((3, 1))).ravel().tolist() == [-1.0, -0.5, 0.0]


@pytest.mark.parametrize("labels", [1, 3])
def test_parties_together_come_to_the_pooled_optimum(labels: int) -> None:
    features, targets = drawn(labels=labels)
    label, blocks = parties(features, targets)

    objectives = np.array(list(train_together(label, blocks, plain(features), 30)))

    optimum = pooled(features, targets, RIDGE)
    assert np.all(objectives[7] - optimum < 1e-4)
    assert np.all(abs(objectives[-1] - optimum) < 1e-7)
    assert np.all(np.diff(objectives, axis=0) < 1e-12)  # and no round makes it worse


def test_the_label_party_starts_as_its_own_best_model() -> None:
    features, targets = drawn()
    label = LabelBlock(features[0], targets, RIDGE)
    assert label.objective == pytest.approx(pooled(features[:1], targets, RIDGE), abs=1e-8)


def test_the_objective_is_that_of_the_weights() -> None:
    features, targets = drawn(labels=2)
    label, blocks = parties(features, targets)
    *_, objective = train_together(label, blocks, plain(features), 3)

    z = label.scores(features[0])
    weights = [label.weights[:-1]]
    for block, x in zip(blocks, features[1:], strict=True):
        z = z + block.scores(x)
        weights.append(block.weights)

    penalty = RIDGE / 2 * (np.vstack(weights) ** 2).sum(axis=0)
    assert objective == pytest.approx(log_loss(z, targets) + penalty, abs=1e-12)
    assert label.total == pytest.approx(z)


def test_encrypted_products_give_the_same_training() -> None:
    features, targets = drawn(rows=400)
    exchanges = []
    for x in features[1:]:
        party = LabelParty(Shape(*x.shape))
        exchanges.append((party, FeatureParty(x.clip(-8, 8), party.public_key())))
    rounded = [features[0], *(other.features for _, other in exchanges)]
    numbers = iter(range(1000))

    def products(at: int, r: np.ndarray) -> np.ndarray:
        label_side, feature_side = exchanges[at]
        reply = feature_side.multiply(label_side.ask(r, next(numbers)))
        return feature_side.gradient(label_side.add_up(reply))

    objectives = [
        list(train_together(*parties(rounded, targets), how, 8))
        for how in (products, plain(rounded))
    ]
    assert np.allclose(objectives[0], objectives[1], atol=1e-6)


def test_a_party_that_is_gone_keeps_its_block_and_the_others_go_on() -> None:
    features, targets = drawn()
    label, (first, second) = parties(features, targets)
    for _ in train_together(label, [first, second], plain(features), 2):
        pass
    kept = second.weights
    before = label.objective
    label.forget_step()

    for _ in train_together(label, [first], plain(features[:2]), 5):
        pass

    assert np.array_equal(second.weights, kept)
    assert np.all(label.objective < before)
    z = label.scores(features[0]) + first.scores(features[1]) + second.scores(features[2])
    assert label.total == pytest.approx(z)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-3, 1.0, 30.0]))
def test_no_round_ever_raises_the_objective(seed: int, scale: float) -> None:
    draw = np.random.default_rng(seed)
    features = [scale * draw.normal(size=(30, 3)) ** 3 for _ in range(3)]
    features[2][:, 0] = features[1][:, 0]  # a column that two parties have
    features[1][:, 1] = 0.0
    targets = draw.integers(0, 2, (30, 1)).astype(float)
    label, blocks = parties(features, targets)
    objectives = [label.objective, *train_together(label, blocks, plain(features), 6)]
    assert np.isfinite(objectives).all()
    assert np.all(np.diff(np.array(objectives), axis=0) < 1e-10)


def test_search_is_newtons_method_to_the_end() -> None:
    draw = np.random.default_rng(1)
    columns = draw.normal(size=(200, 4))
    y = (draw.uniform(size=200) < probability(columns @ [2.0, -1, 0, 0.5])).astype(float)
    found = search(columns, np.zeros(200), y, 0.01 * np.eye(4), np.zeros(4), np.zeros(4))
    slope = columns.T @ (probability(columns @ found) - y) / 200 + 0.01 * found
    assert np.abs(slope).max() < 1e-6
