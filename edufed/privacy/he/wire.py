"""What both sides of encrypted summing read and write."""

from __future__ import annotations

import hashlib
import struct

from edufed.privacy.secagg.plan import SecAggError, SecAggPlan

REQUEST = struct.Struct(">Q")  # values in the vector
SUM = struct.Struct(">QH")  # the same, and sites in the sum


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
