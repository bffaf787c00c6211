from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.fixed_point import RangeError
from edufed.vertical.sums import POINT, SumError, add_up, masked


def secret_of(me: str):
    """Secrets that two parties share, made up from their names."""

    def shared(peer: str, purpose: str) -> bytes:
        return hashlib.sha256("/".join([*sorted((me, peer)), purpose]).encode()).digest()

    return shared


def write(values: dict[str, np.ndarray], round_: int = 1) -> list[bytes]:
    return [masked(v, name, list(values), round_, secret_of(name)) for name, v in values.items()]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 50), st.integers(0, 2**32 - 1))
def test_masks_cancel_in_the_sum(parties: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = {
        f"p{at}": rng.normal(size=count) * 10.0 ** rng.integers(-9, 4) for at in range(parties)
    }
    total = add_up(write(values), count)
    assert np.abs(total - np.sum(list(values.values()), axis=0)).max(initial=0) < 1e-11


def test_one_vector_alone_is_noise() -> None:
    values = {"a": np.zeros(4000), "b": np.zeros(4000)}
    words = np.frombuffer(write(values)[0], POINT.dtype)
    bits = np.unpackbits(words.view(np.uint8))
    assert abs(bits.mean() - 0.5) < 0.01
    assert len(set(words.tolist())) == 4000


def test_masks_differ_between_rounds_and_between_lists_of_parties() -> None:
    values = {"a": np.zeros(3), "b": np.zeros(3), "c": np.zeros(3)}
    fewer = {name: values[name] for name in "ab"}
    assert len({write(values, 1)[0], write(values, 2)[0], write(fewer, 1)[0]}) == 3


def test_what_cannot_be_added_is_refused() -> None:
    with pytest.raises(SumError, match="bytes"):
        add_up([b"123"], 2)
    for value in (np.nan, np.inf, 1e9):
        with pytest.raises(RangeError):
            masked(np.array([value]), "a", ["a", "b"], 1, secret_of("a"))
