"""Masks: a cryptographic stream added to a vector of ring elements.

The stream is AES-256 in counter mode under a key of 256 bits that is used for one mask only, so
without the key a masked vector is indistinguishable from uniform. `benchmarks/privacy.py`
measures it beside ChaCha20 and beside Flower's generator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

#: The stream is made and added in pieces that stay in the processor's cache.
_PIECE = 1 << 17
_ZEROS = bytes(_PIECE)
_NONCE = bytes(16)


def add_mask(words: npt.NDArray[np.unsignedinteger[Any]], key: bytes, *, subtract: bool) -> None:
    """Add (or subtract) the mask of `key` to `words`, shape (m,), in place, with wrap-around."""
    if len(key) != 32:
        raise ValueError(f"a mask key has 32 bytes, not {len(key)}")
    stream = Cipher(algorithms.AES(key), modes.CTR(_NONCE)).encryptor()
    buffer = bytearray(_PIECE + 15)
    mask = np.frombuffer(buffer, words.dtype, _PIECE // words.itemsize)
    change = np.subtract if subtract else np.add
    for start in range(0, len(words), len(mask)):
        piece = words[start : start + len(mask)]
        stream.update_into(memoryview(_ZEROS)[: piece.nbytes], buffer)
        change(piece, mask[: len(piece)], out=piece)
