"""Vectors encrypted by CKKS (Cheon et al. 2017) with TenSEAL, for sums and nothing else.

Ring degree 4096, a modulus of 60 bits for data and a special prime of 40: 100 bits in all, under
the 109 that the homomorphic encryption standard (2018) allows at 128-bit security. Encryption is
under the secret key, which every site has anyway: no public key exists, so nobody else can make
ciphertexts, and there is less noise than with one.

Range: a sum over n sites holds values up to 2^23, so a site may send up to `limit(n)` = 2^22 / n in
size, with a factor of two to spare. Error: CKKS is approximate. The noise of fresh
encryptions has a standard deviation of 2e-9 a site and value, so a sum over s sites is off by at
most `error(s)` = 2^-26 √s, seven deviations, besides 2^-40 of its own size.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

_DEGREE = 4096
_PRIMES = [60, 40]
_SCALE = 2.0**36
_SLOTS = _DEGREE // 2
_MOST = 2.0**22


class HeError(Exception):
    """Encrypted summing that cannot go on; the message is one line and holds no value."""


def limit(sites: int) -> float:
    """Largest size of a value that each of `sites` sites may send."""
    return _MOST / sites


def error(sites: int) -> float:
    """Largest error of a sum over `sites` sites, besides 2^-40 of its size."""
    return float(2.0**-26 * np.sqrt(sites))


def new_key() -> tuple[bytes, bytes]:
    """Make a key: the secret context for the sites, and the keyless one for who adds."""
    tenseal = _tenseal()
    context = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS,
        _DEGREE,
        coeff_mod_bit_sizes=_PRIMES,
        encryption_type=tenseal.ENCRYPTION_TYPE.SYMMETRIC,
    )
    context.global_scale = _SCALE
    keys = {"save_public_key": False, "save_galois_keys": False, "save_relin_keys": False}
    return (
        context.serialize(save_secret_key=True, **keys),
        context.serialize(save_secret_key=False, **keys),
    )


class Cipher:
    """What can be done with a context: a secret one encrypts and decrypts, any adds."""

    def __init__(self, context: bytes) -> None:
        try:
            self._context = _tenseal().context_from(context)
        except (ValueError, RuntimeError):
            raise HeError("the encryption context is damaged") from None

    @property
    def has_key(self) -> bool:
        """Whether the secret key is in the context."""
        return bool(self._context.has_secret_key())

    def encrypt(self, values: npt.NDArray[np.float64]) -> bytes:
        """Encrypt `values`, shape (m,), 2048 of them a ciphertext."""
        tenseal = _tenseal()
        padded = np.zeros(-(-len(values) // _SLOTS) * _SLOTS)
        padded[: len(values)] = values
        return _join(
            tenseal.ckks_vector(self._context, part).serialize()
            for part in padded.reshape(-1, _SLOTS)
        )

    def decrypt(self, content: bytes | memoryview, length: int) -> npt.NDArray[np.float64]:
        """Decrypt what `encrypt` made, or a sum of it: shape (length,)."""
        parts = [vector.decrypt() for vector in self.read(content, length)]
        return np.concatenate([np.asarray(part) for part in parts])[:length]

    def read(self, content: bytes | memoryview, length: int) -> list[Any]:
        """Ciphertexts of a vector of `length` values.

        Raises
        ------
        HeError
            Damaged, or a vector of another length.
        """
        tenseal = _tenseal()
        try:
            vectors = [tenseal.ckks_vector_from(self._context, p) for p in _split(content)]
        except (ValueError, RuntimeError, struct.error):
            raise HeError("an encrypted vector is damaged") from None
        if len(vectors) != -(-length // _SLOTS) or any(v.size() != _SLOTS for v in vectors):
            raise HeError("an encrypted vector has another length than was asked for")
        return vectors


def write(vectors: list[Any]) -> bytes:
    """Bytes of ciphertexts, as `Cipher.read` takes them."""
    return _join(vector.serialize() for vector in vectors)


def _tenseal() -> Any:
    try:
        import tenseal
    except ImportError:
        raise HeError("TenSEAL is not installed: install edufed[he]") from None
    return tenseal


def _join(parts: Any) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _split(content: bytes | memoryview) -> list[bytes]:
    parts, start = [], 0
    while start < len(content):
        (size,) = struct.unpack_from(">I", content, start)
        part = bytes(content[start + 4 : start + 4 + size])
        if len(part) != size:
            raise ValueError("cut short")
        parts.append(part)
        start += 4 + size
    return parts
