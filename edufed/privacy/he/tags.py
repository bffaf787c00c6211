"""Tags that tell whether a sum is of the vectors that sites sent, and of whose.

A one-time linear authenticator in the manner of Wegman & Carter (1981): a site's tag is
k·x + b modulo p, with k drawn anew each round and b anew for each site and round, from a key that
the sites share. Tags add up as vectors do, so the coordinator can add them, and none of its other
choices fits: to have a false sum, or another list of sites, accepted it must guess, and is
right with a chance of about 2^-120. Without that check, a site would decrypt for the
coordinator whatever it makes up.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from edufed.privacy.keys import derive
from edufed.privacy.masks import add_masks

_PRIME = np.uint64(2**31 - 1)
_COUNT = 4
#: Size of a tag.
TAG_BYTES = 4 * _COUNT

Tag = npt.NDArray[np.uint64]


def tag(key: bytes, round_: int, site: int, values: npt.NDArray[np.int64]) -> Tag:
    """Tag of one site's vector, shape (m,), in one round."""
    return (_product(key, round_, values) + _blind(key, round_, site)) % _PRIME


def tag_of_sum(key: bytes, round_: int, sites: Iterable[int], total: npt.NDArray[np.int64]) -> Tag:
    """Tag that a sum, shape (m,), must have if it is of the vectors of `sites` in that round."""
    result = _product(key, round_, total)
    for site in sites:
        result = (result + _blind(key, round_, site)) % _PRIME
    return result


def add_tags(one: Tag, other: Tag) -> Tag:
    """Sum of two tags."""
    return (one + other) % _PRIME


def write_tag(value: Tag) -> bytes:
    """Write a tag as `TAG_BYTES` bytes."""
    return value.astype("<u4").tobytes()


def read_tag(content: bytes | memoryview) -> Tag:
    """Read what `write_tag` wrote."""
    return np.frombuffer(content, "<u4").astype(np.uint64) % _PRIME


def _product(key: bytes, round_: int, values: npt.NDArray[np.int64]) -> Tag:
    reduced = np.mod(values, np.int64(_PRIME)).astype(np.uint64)
    factors = _draw(derive(key, b"tag factors" + struct.pack(">I", round_)), _COUNT * len(values))
    sums = (factors.reshape(_COUNT, -1) * reduced % _PRIME).sum(axis=1)
    return np.asarray(sums % _PRIME)


def _blind(key: bytes, round_: int, site: int) -> Tag:
    return _draw(derive(key, b"tag blind" + struct.pack(">IH", round_, site)), _COUNT)


def _draw(key: bytes, count: int) -> Tag:
    """Numbers below the prime, shape (count,); two in 2^32 are a trifle likelier than the rest."""
    words = np.zeros(count, np.uint32)
    add_masks(words, [key])
    return words.astype(np.uint64) % _PRIME
