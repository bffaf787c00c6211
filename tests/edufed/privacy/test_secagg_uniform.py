"""What the coordinator receives says nothing: it is uniform, and new each round.

Masks come from the operating system's randomness, so a limit on p of 1e-12 fails by chance once in
10^12 looks; the control shows that the tests see what is not uniform.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from edufed.privacy.fixed_point import FixedPoint
from edufed.privacy.secagg.envelope import ENVELOPE_BYTES
from edufed.privacy.secagg.keyring import SEALED_SHARE_BYTES

CHANCE = 1e-12
LENGTH = 20_000


def byte_p(content: bytes) -> float:
    """Chance of counts of byte values at least as uneven, if bytes are uniform."""
    return float(chisquare(np.bincount(np.frombuffer(content, np.uint8), minlength=256)).pvalue)


def pair_p(content: bytes) -> float:
    """The same for neighbouring bytes, which also sees dependence between them."""
    pairs = np.frombuffer(content[: len(content) // 2 * 2], "<u2")
    return float(chisquare(np.bincount(pairs, minlength=1 << 16)).pvalue)


def words_p(words: np.ndarray) -> float:
    """Kolmogorov-Smirnov against the uniform distribution on the whole ring."""
    return float(kstest(words / 2.0 ** (8 * words.itemsize), "uniform").pvalue)


@pytest.mark.parametrize("codec", [FixedPoint(), FixedPoint(32, 16)], ids=["64 bits", "32 bits"])
@pytest.mark.parametrize("value", [0.0, 123.456])
def test_masked_vectors_are_uniform_even_for_equal_inputs(gather, codec, value):
    party = gather(5, rounds=2)
    party.set_up()
    values = {name: np.full(LENGTH, value) for name in party.sites}
    vectors = []
    for _ in range(2):
        total = party.add(values, codec, unsent=["site03"])
        assert np.abs(total - 4 * value).max() <= codec.error(4)
        for message in party.sent:
            body = message[ENVELOPE_BYTES:]
            words = np.frombuffer(body[5 * SEALED_SHARE_BYTES :], codec.dtype)
            assert byte_p(body) > CHANCE
            assert pair_p(body) > CHANCE
            assert words_p(words) > CHANCE
            vectors.append(words)
    # Between any two messages, of one round or two, nothing is shared and the difference says
    # nothing either, although every input is the same.
    for at, one in enumerate(vectors):
        for other in vectors[:at]:
            assert byte_p((one - other).tobytes()) > CHANCE
            same = int((one == other).sum())
            assert same <= (0 if codec.bits == 64 else 3)


def test_the_control_is_not_uniform():
    words = FixedPoint().encode(np.random.default_rng(1).normal(size=LENGTH) * 1e9, 3)
    for p in (byte_p(words.tobytes()), pair_p(words.tobytes()), words_p(words)):
        assert p < CHANCE


def test_two_rounds_share_no_masked_value(gather):
    party = gather(3, rounds=2)
    party.set_up()
    values = {name: np.zeros(LENGTH) for name in party.sites}
    rounds = []
    for _ in range(2):
        party.add(values)
        cut = ENVELOPE_BYTES + 3 * SEALED_SHARE_BYTES
        rounds.append(np.concatenate([np.frombuffer(m[cut:], "<u8") for m in party.sent]))
    assert not np.intersect1d(*rounds).size
