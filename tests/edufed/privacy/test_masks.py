from __future__ import annotations

import os

import numpy as np
import pytest
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

from edufed.privacy.masks import add_masks


def stream(key: bytes, count: int = 1000, dtype: str = "<u8") -> np.ndarray:
    words = np.zeros(count, dtype)
    add_masks(words, [key])
    return words


def test_seeds_that_collapse_in_flower_give_different_masks_here():
    seed = os.urandom(32)
    # Flower folds a seed to 32 bits by XOR of its eight words: two equal words cancel out.
    flipped = bytes(byte ^ 0xA5 for byte in seed[:8]) + seed[8:]
    swapped = seed[4:8] + seed[:4] + seed[8:]
    for other in (flipped, swapped):
        assert other != seed
        theirs = [pseudo_rand_gen(s, 1 << 32, [(100,)])[0] for s in (seed, other)]
        assert (theirs[0] == theirs[1]).all()
        assert not np.intersect1d(stream(seed), stream(other)).size


def test_every_bit_of_the_key_counts():
    seed = bytes(range(32))
    masks = [stream(seed, 4)]
    for bit in range(256):
        changed = bytearray(seed)
        changed[bit // 8] ^= 1 << (bit % 8)
        masks.append(stream(bytes(changed), 4))
    assert len({mask.tobytes() for mask in masks}) == 257


@pytest.mark.parametrize("dtype", ["<u4", "<u8"])
@pytest.mark.parametrize("count", [0, 1, 3, 1 << 14, (1 << 15) + 5, 100_001])
def test_a_mask_comes_off_again_and_does_not_depend_on_the_length(dtype, count):
    key = os.urandom(32)
    plain = np.arange(count, dtype=dtype)
    words = plain.copy()
    add_masks(words, [key])
    assert (stream(key, count, dtype) == stream(key, count + 100, dtype)[:count]).all()
    assert count == 0 or (words != plain).any()
    add_masks(words, [], [key])
    assert (words == plain).all()


def test_shorter_keys_are_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        stream(bytes(16))
