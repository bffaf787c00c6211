"""Shamir's secret sharing (1979) of 32-byte secrets, by PyCryptodome over GF(2^128).

PyCryptodome shares 16 bytes at a time, so a secret is shared as two independent halves.
"""

from __future__ import annotations

from collections.abc import Mapping

from Crypto.Protocol.SecretSharing import Shamir

SHARE_BYTES = 32
_HALVES = (slice(0, 16), slice(16, 32))


def split(secret: bytes, threshold: int, count: int) -> list[bytes]:
    """Share a 32-byte `secret` among `count` holders, `threshold` of whom can rebuild it.

    Returns `count` shares of 32 bytes; the holder at position p has index p + 1.
    """
    if len(secret) != SHARE_BYTES:
        raise ValueError(f"a secret has {SHARE_BYTES} bytes, not {len(secret)}")
    halves = [
        Shamir.split(threshold, count, part, ssss=False) for part in (secret[:16], secret[16:])
    ]
    return [left + right for (_, left), (_, right) in zip(*halves, strict=True)]


def combine(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """Rebuild a secret from shares by holder position; uses the first `threshold` of them.

    Raises
    ------
    ValueError
        Fewer shares than `threshold`.
    """
    if len(shares) < threshold:
        raise ValueError(f"{len(shares)} shares of {threshold} needed")
    chosen = sorted(shares.items())[:threshold]
    halves = [[(position + 1, share[part]) for position, share in chosen] for part in _HALVES]
    return b"".join(Shamir.combine(half, ssss=False) for half in halves)
