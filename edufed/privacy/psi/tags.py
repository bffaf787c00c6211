"""Values F(x) of the oblivious function, and the parts that are used of each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edufed.privacy.psi.curve import POINT_BYTES

Bytes = npt.NDArray[np.uint8]

#: Bytes of F(x) that hide a share, that find its place in a table, and that name x to who knows it.
PAD, KEY, TAG = slice(0, 8), slice(8, 32), slice(32, 48)
DIGEST_BYTES = 64
TAG_BYTES = TAG.stop - TAG.start


def digests(context: bytes, values: Sequence[str], points: bytes) -> Bytes:
    """Hash values with their multiplied points.

    Returns
    -------
    uint8 array, shape (len(values), DIGEST_BYTES)
    """
    start = hashlib.sha512(b"edufed psi tag" + context)
    out = bytearray()
    for at, value in enumerate(values):
        digest = start.copy()
        digest.update(points[at * POINT_BYTES : (at + 1) * POINT_BYTES] + value.encode())
        out += digest.digest()
    return np.frombuffer(bytes(out), np.uint8).reshape(-1, DIGEST_BYTES)


def words(columns: Bytes) -> npt.NDArray[np.uint64]:
    """Bytes of shape (n, 8m) as words of shape (n, m)."""
    return np.ascontiguousarray(columns).view("<u8")


def positions(tags: bytes, own: Bytes) -> npt.NDArray[np.int64]:
    """Where each of the `tags` stands among the tags of `own` digests, or -1.

    Raises
    ------
    ValueError
        The tags are cut short.
    """
    if len(tags) % TAG_BYTES:
        raise ValueError("a list of tags is cut short")
    at = {bytes(digest[TAG]): row for row, digest in enumerate(own)}
    starts = range(0, len(tags), TAG_BYTES)
    return np.array([at.get(tags[s : s + TAG_BYTES], -1) for s in starts], np.int64)
