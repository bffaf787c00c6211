"""Sums of feature parties' scores that only the label party sees, and only as sums.

Each party adds masks to its vector, one for each other party, which the other subtracts (Bonawitz
et al. 2017, doi:10.1145/3133956.3133982, without the part for parties that drop out): a round in
which one drops out gives no sum, and the next round's masks are of those that are left. A mask
belongs to one round and one list of parties, and is used once.

With one party there is nobody to mask with: the label party sees that party's vector.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from edufed.privacy.fixed_point import FixedPoint
from edufed.privacy.masks import add_masks
from edufed.vertical.logistic import Array

#: Scores within ±2^22 over all parties, each off by at most 2^-41.
POINT = FixedPoint(bits=64, fraction=40)

#: Another party and the purpose -> 32 bytes that these two alone have.
Shared = Callable[[str, str], bytes]


class SumError(Exception):
    """A vector that cannot be added; the message is one line and holds no score."""


def masked(values: Array, me: str, parties: Collection[str], round_: int, shared: Shared) -> bytes:
    """Write this party's vector under its masks.

    Parameters
    ----------
    values : array, shape (count,)
    me : str
        This party's name.
    parties : collection of str
        Everybody whose vectors are added, this party included.
    round_ : int
        Never the same number twice in a job.
    shared : callable

    Raises
    ------
    RangeError
        A value is too large, or not finite.
    """
    words = POINT.encode(values, len(parties)).copy()
    purpose = "/".join(["vertical sum", str(round_), *sorted(parties)])
    keys = {peer: shared(peer, purpose) for peer in parties if peer != me}
    add_masks(
        words,
        (key for peer, key in keys.items() if peer > me),
        (key for peer, key in keys.items() if peer < me),
    )
    return words.tobytes()


def add_up(parts: Sequence[bytes], count: int) -> Array:
    """Add all parties' masked vectors: their sum, shape (count,).

    Raises
    ------
    SumError
        A vector of another length.
    """
    total = np.zeros(count, POINT.dtype)
    for part in parts:
        if len(part) != total.nbytes:
            raise SumError(f"scores take {len(part)} bytes, not {total.nbytes}")
        total += np.frombuffer(part, POINT.dtype)
    return POINT.decode(total)
