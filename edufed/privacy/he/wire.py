"""What both sides of encrypted summing read and write."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import numpy.typing as npt

from edufed.privacy.secagg.plan import SecAggError, SecAggPlan

REQUEST = struct.Struct(">QB")  # values in the vector, binary digits after the point
SUM = struct.Struct(">H")  # position of the site that is to tell the values; flags, tag, sum follow
DIGEST_BYTES = 32
#: Most binary digits after the point.
MOST_FRACTION = 20


def fraction_for(learners: int) -> int:
    """Binary digits after the point for sums over so many learners.

    Then 2^14 a learner is within the range of a sum, and the rounding of a mean over learners is
    the same for few and for many.
    """
    return min(MOST_FRACTION, max(0, 28 - max(learners, 1).bit_length()))


def error(sites: int, fraction: int) -> float:
    """Largest error of a sum over `sites` sites: what rounding costs each of them."""
    return sites * 2.0 ** -(fraction + 1)


def digest_of_sum(whole: npt.NDArray[np.int64]) -> bytes:
    """Digest by which sites agree on a sum that one of them tells."""
    return hashlib.sha256(b"edufed ckks sum" + whole.astype("<i8").tobytes()).digest()


def digest(plan: SecAggPlan) -> bytes:
    """Digest that adverts carry: not the plan's own, so that those of secure sums do not fit."""
    return hashlib.sha256(b"edufed ckks 1" + plan.digest).digest()


def keyless(body: memoryview) -> tuple[bytes, bytes]:
    """Split a key message into the keyless context and what follows it."""
    try:
        (size,) = struct.unpack_from(">I", body)
    except struct.error:
        raise SecAggError("the encryption key message is too short") from None
    return bytes(body[4 : 4 + size]), bytes(body[4 + size :])
