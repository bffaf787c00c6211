"""Linear homomorphic encryption (BFV) of polynomials, for one multiplication by plain ones.

Why not TenSEAL, which has BFV: a product of a ciphertext (c0, c1) and plain features x is
(c0·x, c1·x), and whoever made the ciphertext divides by its own c1 and has x. Masks added to the
message do not change that. What leaves here is therefore re-randomised by an encryption of zero
under the public key, and its noise, which the owner of the key can read and which depends on x
too, is flooded (Gentry 2009). TenSEAL gives Python no way to add noise. It also gives none to send
a few coefficients, or a power of two as modulus; here both save most of the bytes.

Parameters: degree 8192, modulus q = 2^128, ternary secret, noise of standard deviation 3.24; the
homomorphic encryption standard (2018) allows 218 bits of modulus at this degree for 128-bit
security. The plain modulus is p = 2^46. After a product the ciphertext is switched down to
q' = 2^56, seven bytes a coefficient.

Noise, in units of q = 2^128: a product adds N·blocks terms of 3.24·|x|, a standard deviation of
2^21 for 10^5 rows and features of a standard deviation of 2^10. Flooding is uniform in ±2^78, so
each coefficient that is sent tells of the product's noise at most 2^-57 of a standard deviation in
statistical distance. Switching down adds 21·2^72, 2^76.4. Decryption fails above 2^81, more than 20
deviations away.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.privacy.keys import derive
from edufed.privacy.products import draws
from edufed.privacy.products.ring import (
    DEGREE,
    LIMB_BITS,
    LIMBS,
    Complex,
    Limbs,
    Whole,
    blocks_at_once,
    carry,
    inverse,
    transform,
    transform_limbs,
)

#: Bits of the plain modulus p: messages are whole numbers modulo 2^46.
PLAIN_BITS = 46
PLAIN_MASK = np.uint64((1 << PLAIN_BITS) - 1)
#: Bits of the modulus q' in which products are sent.
SENT_BITS = 56
SENT_BYTES = SENT_BITS // 8
COEFFICIENT_BYTES = LIMBS * LIMB_BITS // 8
_FLOOD_BITS = 79  # of the interval from -2^78 to 2^78
_SHIFT = LIMBS * LIMB_BITS - PLAIN_BITS  # a message m stands as m·q/p

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class PublicKey:
    """What re-randomises: (b, a) with b = noise - a·s, and a drawn from a seed."""

    b: Limbs
    seed: bytes

    def pair(self) -> Limbs:
        """Both polynomials, shape (2, N, LIMBS)."""
        return np.stack([self.b, draws.uniform(self.seed, DEGREE)])

    def to_bytes(self) -> bytes:
        """128 KiB and the seed."""
        return self.seed + self.b.tobytes()

    @classmethod
    def of(cls, content: bytes) -> PublicKey:
        """Read what `to_bytes` wrote."""
        limbs = np.frombuffer(content[32:], "<u2").reshape(DEGREE, LIMBS)
        return cls(limbs, content[:32])


class SecretKey:
    """Encrypts, and decrypts what came of it.

    Parameters
    ----------
    seed : bytes
        32 random bytes, from which the key is drawn.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._secret = transform(draws.ternary(derive(seed, b"secret"), DEGREE))

    def public(self) -> PublicKey:
        """Give the public key, always the same."""
        seed = derive(self._seed, b"public")
        a = draws.uniform(seed, DEGREE)
        e = draws.noise(derive(self._seed, b"public noise"), DEGREE)
        return PublicKey(self._masked(a, e), seed)

    def encrypt(self, messages: Words) -> tuple[bytes, Limbs]:
        """Encrypt polynomials with coefficients modulo 2^46, shape (m, N).

        Returns
        -------
        seed : bytes
            Of the second halves.
        first : uint16 array, shape (m, N, LIMBS)
            First halves.
        """
        seed = os.urandom(32)
        a = draws.uniform(seed, *messages.shape)
        e = draws.noise(os.urandom(32), *messages.shape)
        return seed, self._masked(a, e, messages)

    def _masked(self, a: Limbs, e: Whole, messages: Words | None = None) -> Limbs:
        """e - a·s, plus messages where given."""
        out = np.empty_like(a)
        for at in np.ndindex(a.shape[:-2]):
            sums = -inverse(transform_limbs(a[at]) * self._secret)
            sums[0] += e[at]
            if messages is not None:
                _add_message(sums, messages[at])
            out[at] = carry(sums)
        return out

    def decrypt(self, first: Words, second: Words, where: npt.NDArray[np.int64]) -> Words:
        """Decrypt some coefficients of products.

        Parameters
        ----------
        first : uint64 array, shape (g, c)
            First halves, modulo q', at the coefficients that were sent.
        second : uint64 array, shape (g, N)
            Second halves, modulo q'.
        where : int64 array, shape (c,)
            Which coefficients were sent.

        Returns
        -------
        uint64 array, shape (g, c)
            Modulo 2^46.
        """
        out = np.empty_like(first)
        for at, whole in enumerate(second):
            limbs = whole.view("<u2").reshape(DEGREE, 4)
            sums = inverse(transform_limbs(limbs) * self._secret)[:, where].astype(np.uint64)
            shifts = np.arange(0, 64, LIMB_BITS, dtype=np.uint64)[:, None]
            out[at] = first[at] + (sums << shifts).sum(axis=0, dtype=np.uint64)
        below = SENT_BITS - PLAIN_BITS
        return ((out + np.uint64(1 << (below - 1))) >> np.uint64(below)) & PLAIN_MASK


def multiply(
    ciphertexts: Complex,
    key: Complex,
    plains: npt.NDArray[np.floating] | npt.NDArray[np.integer],
    masks: Words,
    where: npt.NDArray[np.int64],
) -> tuple[Words, Words]:
    """Add up products of ciphertexts and plain polynomials, and make the sums safe to send.

    Parameters
    ----------
    ciphertexts : complex array, shape (blocks, 2 * LIMBS, N/2)
        `spread` of ciphertexts.
    key : complex array, shape (2 * LIMBS, N/2)
        `spread` of the public key.
    plains : array, shape (g, blocks, N)
        Whole numbers below 2^15 in size.
    masks : uint64 array, shape (g, c)
        Uniform modulo 2^46; added to the message.
    where : int64 array, shape (c,)
        Coefficients to send.

    Returns
    -------
    first : uint64 array, shape (g, c)
    second : uint64 array, shape (g, N)
        Modulo q', re-randomised and flooded.
    """
    count = len(plains)
    chunk = blocks_at_once(float(np.sqrt((plains.astype(np.float64) ** 2).sum(axis=-1).max())))
    fresh = draws.ternary(os.urandom(32), count, DEGREE)
    sums = inverse(transform(fresh)[:, None] * key)
    for start in range(0, plains.shape[1], chunk):
        part = slice(start, start + chunk)
        # One small matrix product for each of the N/2 values.
        left = np.ascontiguousarray(np.moveaxis(transform(plains[:, part]), -1, 0))
        right = np.ascontiguousarray(np.moveaxis(ciphertexts[part], -1, 0))
        sums += inverse(np.ascontiguousarray(np.moveaxis(left @ right, 0, -1)))
    first, second = sums[:, :LIMBS][..., where], sums[:, LIMBS:]
    second[:, 0] += draws.noise(os.urandom(32), count, DEGREE)
    _add_flood(first)
    _add_message(first, masks)
    return _switched(first), _switched(second)


def spread(pairs: Limbs) -> Complex:
    """Transform both halves of ciphertexts: shape (..., 2, N, LIMBS) to (..., 2 * LIMBS, N/2)."""
    out = transform_limbs(pairs)
    return out.reshape(*out.shape[:-3], 2 * LIMBS, out.shape[-1])


def _add_message(sums: Whole, messages: Words) -> None:
    """Add messages, shape (..., n), in the topmost bits of sums of limbs, (..., LIMBS, n)."""
    limb, bits = divmod(_SHIFT, LIMB_BITS)
    raised = messages << np.uint64(bits)
    for at in range(limb, LIMBS):
        shift = np.uint64(LIMB_BITS * (at - limb))
        sums[..., at, :] += ((raised >> shift) & np.uint64(0xFFFF)).astype(np.int64)


def _add_flood(sums: Whole) -> None:
    """Add numbers uniform from -2^78 to 2^78 to sums of limbs, shape (..., LIMBS, n)."""
    limb, bits = divmod(_FLOOD_BITS, LIMB_BITS)
    drawn = draws.uniform(os.urandom(32), *sums.shape[:-2], sums.shape[-1]).astype(np.int64)
    sums[..., :limb, :] += np.moveaxis(drawn[..., :limb], -1, -2)
    sums[..., limb, :] += drawn[..., limb] & ((1 << bits) - 1)
    sums[..., limb, :] -= 1 << (bits - 1)


def _switched(sums: Whole) -> Words:
    """Round sums of limbs, shape (..., LIMBS, n), from q to q': shape (..., n)."""
    dropped = LIMBS * LIMB_BITS - SENT_BITS
    limb, bits = divmod(dropped - 1, LIMB_BITS)
    sums[..., limb, :] += 1 << bits
    top = np.ascontiguousarray(carry(sums)).view(np.uint8)
    words = np.zeros((*top.shape[:-1], 8), np.uint8)
    words[..., :SENT_BYTES] = top[..., dropped // 8 :]
    return words.view("<u8")[..., 0]
