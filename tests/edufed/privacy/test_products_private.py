"""What each party of the products receives, and what an attack makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from edufed.privacy.products import (
    Dealer,
    DealtFeature,
    DealtLabel,
    FeatureParty,
    LabelParty,
    PreparedLabel,
    Shape,
    draws,
    lattice,
    ring,
)
from edufed.privacy.products.scale import from_bytes

P = 2.0**lattice.PLAIN_BITS
#: Masks and noise are of the operating system's generator: so seldom chance fails each of 20 looks.
CHANCE = 1e-8
ROWS, FEATURES = 600, 5
MATRIX = np.random.default_rng(0).normal(size=(ROWS, FEATURES)).clip(-8, 8)
RESIDUAL = np.random.default_rng(1).uniform(-1, 1, ROWS)


def looks_uniform(values: np.ndarray) -> bool:
    return bool(stats.kstest(values.ravel() / P, "uniform").pvalue > CHANCE)


def bytes_look_uniform(content: bytes) -> bool:
    counts = np.bincount(np.frombuffer(content, np.uint8), minlength=256)
    return bool(stats.chisquare(counts).pvalue > CHANCE)


# The label party


def test_what_the_label_party_decrypts_is_uniform() -> None:
    shape = Shape(ROWS, FEATURES)
    label = LabelParty(shape)
    feature = FeatureParty(MATRIX, label.public_key())
    request = label.ask(RESIDUAL, 0)
    sums = []
    for _ in range(150):  # one request over and over: nothing but the masks changes
        feature.pending.clear()
        sums.append(label.sums(feature.multiply(request))[1])
    assert looks_uniform(np.array(sums))
    assert all(looks_uniform(np.array(sums)[:, column]) for column in range(FEATURES))


def test_a_reply_is_noise_but_for_its_size() -> None:
    shape = Shape(ROWS, FEATURES)
    label = LabelParty(shape)
    key = label.public_key()
    request = label.ask(RESIDUAL, 0)
    replies = [FeatureParty(x, key).multiply(request) for x in (MATRIX, np.zeros_like(MATRIX))]
    assert len(replies[0]) == len(replies[1])
    assert all(bytes_look_uniform(reply[19:]) for reply in replies)


def seen_in_full(plains: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the owner of the key has of products of one ciphertext of zeros.

    `lattice.multiply` runs with every coefficient sent, at the full modulus.

    Returns
    -------
    noise : shape (products, N), below the messages
    own : shape (N,), the ciphertext's own noise
    second, own_second : second halves, shape (products, N, LIMBS) and (N, LIMBS)
    """
    key = lattice.SecretKey(bytes(32))
    seed, first = key.encrypt(np.zeros((1, ring.DEGREE), np.uint64))
    second = draws.uniform(seed, 1, ring.DEGREE)
    got = lattice.multiply(
        lattice.spread(np.stack([first, second], axis=1)),
        lattice.spread(key.public().pair()),
        plains[:, None],
        np.zeros((len(plains), ring.DEGREE), np.uint64),
        np.arange(ring.DEGREE),
    )
    noise = [centred(opened(key, f, s)) for f, s in zip(*got, strict=True)]
    own = centred(opened(key, first[0], second[0]))
    return np.array(noise), own, got[1], second[0]


def opened(key: lattice.SecretKey, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    sums = ring.inverse(ring.transform_limbs(second) * key._secret)
    return ring.carry(sums + first.T.astype(np.int64))


def centred(limbs: np.ndarray) -> np.ndarray:
    """Values of coefficients modulo 2^128, as floats around zero."""
    weights = 2.0 ** (ring.LIMB_BITS * np.arange(ring.LIMBS))
    negative = limbs[:, -1] >= 2 ** (ring.LIMB_BITS - 1)
    # Negated first: a small negative number would lose its digits in a float.
    return np.where(negative, -1 - (~limbs).astype(float) @ weights, limbs.astype(float) @ weights)


def divided(noise: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The polynomial by which `own` was multiplied to give `noise`."""
    return ring.inverse(ring.transform(noise) / ring.transform(own))


def product(second: np.ndarray, plain: np.ndarray) -> np.ndarray:
    return ring.carry(ring.inverse(ring.transform_limbs(second) * ring.transform(plain)))


FULL = np.random.default_rng(2).integers(-(2**13), 2**13, (2, ring.DEGREE))


@pytest.fixture
def _full_modulus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lattice, "_switched", ring.carry)


@pytest.fixture
def _unprotected(monkeypatch: pytest.MonkeyPatch, _full_modulus: None) -> None:
    """Products as a library returns them: neither re-randomised nor flooded."""
    multiply = lattice.multiply

    def bare(*arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(draws, "noise", lambda _, *shape: np.zeros(shape, np.int64))
            patch.setattr(draws, "ternary", lambda _, *shape: np.zeros(shape, np.int64))
            return multiply(*arguments)

    monkeypatch.setattr(lattice, "_add_flood", lambda _: None)
    monkeypatch.setattr(lattice, "multiply", bare)


@pytest.mark.usefixtures("_unprotected")
def test_an_unprotected_product_gives_all_features_away() -> None:
    # So the attacks on the protected one below are such as can succeed.
    noise, own, second, own_second = seen_in_full(FULL)
    for at, plain in enumerate(FULL):
        assert np.array_equal(divided(noise[at], own), plain)
        assert np.array_equal(second[at], product(own_second, plain))


@pytest.mark.usefixtures("_full_modulus")
def test_a_protected_product_gives_no_feature_away() -> None:
    noise, own, second, own_second = seen_in_full(FULL)
    for at, plain in enumerate(FULL):
        guess = divided(noise[at] / 2.0**50, own)  # scaled down, for whole numbers to hold it
        assert abs(stats.pearsonr(guess, plain).statistic) < 6 / np.sqrt(ring.DEGREE)
        # Knowing the features does not even help to recognise them.
        rest = second[at].astype(np.int64) - product(own_second, plain)
        assert bytes_look_uniform((rest & 0xFFFF).astype("<u2").tobytes())


@pytest.mark.usefixtures("_full_modulus")
def test_the_noise_has_one_distribution_for_all_features() -> None:
    plains = np.stack([np.zeros(ring.DEGREE, np.int64), np.full(ring.DEGREE, 2**15 - 1)])
    noise = seen_in_full(plains)[0] / 2.0**79 + 0.5
    assert stats.kstest(noise[0], "uniform").pvalue > CHANCE
    assert stats.kstest(noise[1], "uniform").pvalue > CHANCE


# The feature party


def test_the_residual_leaves_encrypted_or_shifted() -> None:
    # Bytes and numbers that leave the label party, for the same residual over and over.
    shape = Shape(ROWS, FEATURES)
    label, before = LabelParty(shape), PreparedLabel(shape)
    assert all(bytes_look_uniform(label.ask(np.ones(ROWS), n)[19:]) for n in range(3))
    assert bytes_look_uniform(label.public_key()[19:])

    feature = FeatureParty(MATRIX, before.public_key())
    shifted = []
    for number in range(20):
        before.keep(feature.multiply(before.ask(number)))
        body = before.send(np.ones(ROWS), number)[19:]
        shifted.append(from_bytes(body, ROWS + FEATURES))
    assert looks_uniform(np.array(shifted))


def test_shares_and_shifted_features_of_dealt_numbers_are_uniform() -> None:
    shape = Shape(ROWS, FEATURES)
    dealer = Dealer(shape, 20)
    label = DealtLabel(shape, dealer.for_label())
    feature = DealtFeature(np.ones((ROWS, FEATURES)), dealer.for_feature())
    hidden = feature.hidden()
    label.take(hidden)
    sent = [from_bytes(label.send(np.ones(ROWS), n)[19:], ROWS + FEATURES) for n in range(1, 21)]
    assert looks_uniform(from_bytes(hidden[19:], ROWS, FEATURES))
    assert looks_uniform(np.array(sent))


def test_noise_and_secrets_have_the_distribution_they_should() -> None:
    noise = draws.noise(bytes(32), 200_000)
    assert abs(noise.mean()) < 0.05
    assert noise.std() == pytest.approx(np.sqrt(21 / 2), rel=0.01)
    counts = np.bincount(draws.ternary(bytes(32), 90_000) + 1)
    assert stats.chisquare(counts).pvalue > 1e-6
