"""Vectors of whole numbers encrypted by CKKS (Cheon et al. 2017) with TenSEAL, for sums alone.

Ring degree 4096, a modulus of 60 bits for data and a special prime of 40: 100 bits in all, under
the 109 that the homomorphic encryption standard (2018) allows at 128-bit security. Encryption is
under the secret key, which every site has anyway: no public key exists, so nobody else can make
ciphertexts, and there is less noise than with one.

CKKS is approximate, and what it decrypts to carries noise from which the secret key follows for
who has the ciphertexts too (Li & Micciancio 2021). So only whole numbers are encrypted, 2^20 of
them to CKKS's one, and what is decrypted is rounded to whole numbers before anyone sees it: the
result is exact, a function of what was encrypted, and holds none of the noise. A fresh encryption's
noise has a standard deviation of 2.2e-9, whatever the values are; half a whole number is
2^-21 = 4.8e-7, which is 60 deviations of a sum over 13 sites, 32 over 50 and 7 over 1000.

Range: a sum holds values up to 2^43, so each of n sites may send up to `limit(n)` = 2^42 / n in
size, with a factor of two to spare.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.privacy.secagg.plan import SecAggError

_DEGREE = 4096
_PRIMES = [60, 40]
_SCALE = 2.0**36
_SLOTS = _DEGREE // 2
#: How finely whole numbers stand in CKKS's range.
_GRID = 2.0**-20
_MOST = 2**42


class HeError(SecAggError):
    """Encrypted summing that cannot go on; the message is one line and holds no value."""


class HeRangeError(HeError):
    """Values that cannot be encrypted; the message counts them, and is for the site alone."""


def limit(sites: int) -> int:
    """Largest size of a whole number that each of `sites` sites may send."""
    return _MOST // sites


def check_installed() -> None:
    """Find out that there is TenSEAL.

    Raises
    ------
    HeError
        There is none.
    """
    _tenseal()


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
        except (ValueError, RuntimeError, TypeError):
            raise HeError("the encryption context is damaged") from None

    @property
    def has_key(self) -> bool:
        """Whether the secret key is in the context."""
        return bool(self._context.has_secret_key())

    def encrypt(self, values: npt.NDArray[np.int64]) -> bytes:
        """Encrypt `values`, shape (m,), none larger than `limit`; 2048 of them a ciphertext."""
        tenseal = _tenseal()
        padded = np.zeros(-(-len(values) // _SLOTS) * _SLOTS)
        padded[: len(values)] = values * _GRID
        return _join(
            tenseal.ckks_vector(self._context, part).serialize()
            for part in padded.reshape(-1, _SLOTS)
        )

    def decrypt(self, content: bytes | memoryview, length: int) -> npt.NDArray[np.int64]:
        """Decrypt what `encrypt` made, or a sum of it, to exact whole numbers: shape (length,)."""
        parts = [vector.decrypt() for vector in self.read(content, length)]
        noisy = np.concatenate([np.zeros(0), *map(np.asarray, parts)])[:length]
        with np.errstate(invalid="ignore"):  # of a made-up ciphertext; its tag gives it away
            whole: npt.NDArray[np.int64] = np.rint(noisy / _GRID).astype(np.int64)
        return whole

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
