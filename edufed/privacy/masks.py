"""Masks: cryptographic streams added to a vector of ring elements.

A stream is AES-256 in counter mode under a key of 256 bits that is used for one mask only, so
without the key a masked vector is indistinguishable from uniform. `benchmarks/privacy.py`
measures it beside ChaCha20 and beside Flower's generator.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

#: All masks are made and added piece by piece, and a piece stays in the processor's cache.
_PIECE = 1 << 17
_ZEROS = bytes(_PIECE)
_NONCE = bytes(16)


def add_masks(
    words: npt.NDArray[np.unsignedinteger[Any]],
    added: Iterable[bytes] = (),
    subtracted: Iterable[bytes] = (),
) -> None:
    """Add the masks of some keys to `words`, shape (m,), and subtract others', in place.

    Arithmetic wraps around in the ring; each key has 32 bytes.
    """
    streams: list[tuple[Any, np.ufunc]] = [(_stream(key), np.add) for key in added]
    streams += [(_stream(key), np.subtract) for key in subtracted]
    buffer = bytearray(_PIECE + 15)
    mask = np.frombuffer(buffer, words.dtype, _PIECE // words.itemsize)
    for start in range(0, len(words), len(mask)):
        piece = words[start : start + len(mask)]
        zeros = memoryview(_ZEROS)[: piece.nbytes]
        for stream, change in streams:
            stream.update_into(zeros, buffer)
            change(piece, mask[: len(piece)], out=piece)


def _stream(key: bytes) -> Any:
    if len(key) != 32:
        raise ValueError(f"a mask key has 32 bytes, not {len(key)}")
    return Cipher(algorithms.AES(key), modes.CTR(_NONCE)).encryptor()
