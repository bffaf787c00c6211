from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.products import (
    Dealer,
    DealtFeature,
    DealtLabel,
    FeatureParty,
    LabelParty,
    PreparedLabel,
    ProductError,
    Scale,
    Shape,
)
from edufed.privacy.products import prepared as ahead

Matrix = np.ndarray
Protocol = Callable[[Matrix, Matrix, Scale], Matrix]


def encrypted(matrix: Matrix, residual: Matrix, scale: Scale) -> Matrix:
    label = LabelParty(Shape(*matrix.shape, residual.shape[1]), scale)
    feature = FeatureParty(matrix, label.public_key(), residual.shape[1], scale)
    return feature.gradient(label.add_up(feature.multiply(label.ask(residual, 7))))


def prepared(matrix: Matrix, residual: Matrix, scale: Scale) -> Matrix:
    label = PreparedLabel(Shape(*matrix.shape, residual.shape[1]), scale)
    feature = FeatureParty(matrix, label.public_key(), residual.shape[1], scale)
    for number in (1, 2):
        label.keep(feature.multiply(label.ask(number)))
    ahead.gradient(feature, label.send(np.zeros_like(residual), 1))
    return ahead.gradient(feature, label.send(residual, 2))


def dealt(matrix: Matrix, residual: Matrix, scale: Scale) -> Matrix:
    shape = Shape(*matrix.shape, residual.shape[1])
    dealer = Dealer(shape, 2)
    label = DealtLabel(shape, dealer.for_label(), scale)
    feature = DealtFeature(matrix, dealer.for_feature(), residual.shape[1], scale)
    label.take(feature.hidden())
    feature.gradient(label.send(np.zeros_like(residual), 1))
    return feature.gradient(label.send(residual, 2))


PROTOCOLS: list[Protocol] = [encrypted, prepared, dealt]


def exact(matrix: Matrix, residual: Matrix, scale: Scale) -> Matrix:
    whole = np.rint(matrix * 2.0**scale.feature_bits).astype(np.int64)
    other = np.rint(residual * 2.0**scale.residual_bits).astype(np.int64)
    return (whole.T @ other) * 2.0 ** -(scale.feature_bits + scale.residual_bits)


shapes = st.tuples(st.integers(1, 40), st.integers(1, 12), st.integers(1, 3))
sizes = st.sampled_from([0.0, 1e-4, 1.0, 31.99])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=15, deadline=None)
@given(shape=shapes, size=sizes, seed=st.integers(0, 2**32 - 1))
def test_products_are_exact(
    protocol: Protocol, shape: tuple[int, int, int], size: float, seed: int
) -> None:
    rows, features, labels = shape
    draw = np.random.default_rng(seed)
    matrix = draw.uniform(-size, size, (rows, features))
    residual = draw.choice([-1.0, 1.0, 0.0, 0.3, -1e-5], (rows, labels))
    found = protocol(matrix, residual, Scale())
    assert np.array_equal(found, exact(matrix, residual, Scale()))


@pytest.mark.parametrize(("rows", "features"), [(9000, 5), (8192, 1), (20_000, 40), (300, 300)])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_products_over_several_blocks_are_exact(
    protocol: Protocol, rows: int, features: int
) -> None:
    draw = np.random.default_rng(rows)
    matrix = draw.normal(size=(rows, features)).clip(-8, 8)
    residual = draw.uniform(-1, 1, (rows, 1))
    assert np.array_equal(protocol(matrix, residual, Scale()), exact(matrix, residual, Scale()))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_products_at_the_very_limit_are_exact(protocol: Protocol) -> None:
    # 67,000 rows of the largest feature and the largest residual nearly fill 45 bits.
    scale = Scale(feature_bits=10, residual_bits=14)
    matrix = np.full((67_000, 2), 31.0) * [1, -1]
    for sign in (1.0, -1.0):
        residual = np.full((len(matrix), 1), sign)
        assert np.array_equal(protocol(matrix, residual, scale), exact(matrix, residual, scale))


def test_a_vector_of_residuals_is_one_label() -> None:
    label = LabelParty(Shape(3, 2))
    feature = FeatureParty(np.eye(3, 2), label.public_key())
    sums = label.add_up(feature.multiply(label.ask(np.array([0.5, 0.25, 1]), 1)))
    assert feature.gradient(sums).tolist() == [[0.5], [0.25]]


def test_features_that_do_not_fit_are_refused() -> None:
    scale = Scale()
    for bad in (32.0, np.nan, -np.inf):
        with pytest.raises(ProductError, match="1 feature values in 1 columns are not finite or"):
            scale.features(np.array([[0.0, bad], [1.0, 2.0]]))
    with pytest.raises(ProductError, match="gradient of 1 columns could overflow ±524288 with"):
        scale.features(np.full((20_000, 2), 30.0) * [1, 0.1])


def test_residuals_that_do_not_fit_are_refused() -> None:
    label = LabelParty(Shape(2, 1))
    for bad in (1.01, np.nan):
        with pytest.raises(ProductError, match="1 residuals are not finite or beyond 1"):
            label.ask([0.0, bad], 1)
    with pytest.raises(ProductError, match=r"shape \(3, 1\), not \(2, 1\)"):
        label.ask(np.zeros(3), 1)


def test_a_site_goes_on_from_its_stored_state() -> None:
    shape, matrix = Shape(4, 3), np.eye(4, 3)
    label = LabelParty(shape)
    feature = FeatureParty(matrix, label.public_key())
    reply = feature.multiply(label.ask([1, 0, 0, 0], 1))
    sums = LabelParty(shape, secret=label.secret).add_up(reply)
    again = FeatureParty(matrix, label.public_key(), pending=feature.pending)
    assert again.gradient(sums).ravel().tolist() == [1, 0, 0]

    before = PreparedLabel(shape)
    feature = FeatureParty(matrix, before.public_key())
    before.keep(feature.multiply(before.ask(1)))
    after = PreparedLabel(shape, secret=before.secret, shares=before.shares)
    assert ahead.gradient(feature, after.send([0, 1, 0, 0], 1)).ravel().tolist() == [0, 1, 0]


def test_no_round_is_answered_twice() -> None:
    label = LabelParty(Shape(2, 1))
    feature = FeatureParty([[1], [1]], label.public_key())
    request = label.ask([0, 1], 1)
    sums = label.add_up(feature.multiply(request))
    with pytest.raises(ProductError, match="round 1 was asked for twice"):
        feature.multiply(request)
    feature.gradient(sums)
    with pytest.raises(ProductError, match="round 1 does not wait"):
        feature.gradient(sums)

    before = PreparedLabel(Shape(2, 1))
    feature = FeatureParty([[1], [1]], before.public_key())
    before.keep(feature.multiply(before.ask(1)))
    before.send([0, 1], 1)
    with pytest.raises(ProductError, match="not prepared, or was used"):
        before.send([1, 1], 1)

    dealer = Dealer(Shape(2, 1), 1)
    dealt_label = DealtLabel(Shape(2, 1), dealer.for_label())
    with pytest.raises(ProductError, match="has not sent its hidden"):
        dealt_label.send([0, 1], 1)
    dealt_label.take(DealtFeature([[1], [1]], dealer.for_feature()).hidden())
    dealt_label.send([0, 1], 1)
    for number in (0, 1, 2):
        with pytest.raises(ProductError, match="not dealt, or was used"):
            dealt_label.send([0, 1], number)


def test_messages_that_do_not_belong_are_refused() -> None:
    label = LabelParty(Shape(2, 1))
    feature = FeatureParty([[1], [1]], label.public_key())
    request = label.ask([0, 1], 1)
    with pytest.raises(ProductError, match="for 2 rows, 1 features and 1 labels, not 3, 1 and 1"):
        FeatureParty(np.ones((3, 1)), label.public_key())
    with pytest.raises(ProductError, match="cut short"):
        FeatureParty([[1], [1]], label.public_key()[:-1])
    with pytest.raises(ProductError, match="expected the message ask and got one of kind 1"):
        feature.multiply(label.public_key())
    with pytest.raises(ProductError, match="not the message ask: too short"):
        feature.multiply(b"")
    with pytest.raises(ProductError, match="not the size it must have"):
        feature.multiply(request[:-1])
    reply = feature.multiply(request)
    with pytest.raises(ProductError, match="not the size it must have"):
        label.add_up(reply + b"1")
    sums = label.add_up(reply)
    with pytest.raises(ProductError, match="where 1 values belong"):
        feature.gradient(sums[:-1])
    with pytest.raises(ProductError, match="beyond the modulus"):
        feature.gradient(sums[:-1] + b"\xff")
    with pytest.raises(ProductError, match="at least one row"):
        Shape(0, 1)


def test_bytes_of_a_round_stay_small() -> None:
    label = LabelParty(Shape(16_384, 34))
    feature = FeatureParty(np.zeros((16_384, 34)), label.public_key())
    request = label.ask(np.zeros(16_384), 1)
    reply = feature.multiply(request)
    assert len(request) < 0.6e6
    assert len(reply) < 1.0e6
    assert len(label.add_up(reply)) < 300
