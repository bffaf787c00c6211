"""Points of secp256k1 for private set intersection, by libsecp256k1 (`coincurve`).

Chosen by measurement (docs/psi.md). The group has prime order, so there are no small-order points;
a point travels as its x coordinate, 32 bytes, and libsecp256k1 refuses an x that is not on the
curve, which would be one of its twist. Two points that differ in sign are one here, which
multiplication respects.

An identifier is hashed to 64 bytes by `expand_message_xmd` (RFC 9380, section 5.3.1) with SHA-512,
and these are decoded to a point by ElligatorSwift (BIP 324), the SwiftEC map that is
indifferentiable from a random oracle (Chávez-Saab, Rodríguez-Henríquez & Tibouchi 2022,
doi:10.1007/978-3-031-22963-3_3). Nobody knows the logarithm of such a point.

`secp256k1_ec_pubkey_tweak_mul` takes a time that varies with the scalar. Scalars live for one job,
and others can time them over the network alone, thousands of points at once.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT
from coincurve.flags import EC_COMPRESSED

POINT_BYTES = 32
SCALAR_BYTES = 32
#: Order of the group.
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

#: Points that one thread works through before progress is told.
_BATCH = 2048
_TAG = b"EDUFED-PSI-V1-secp256k1_XMD:SHA-512_ELLSWIFT_RO_"
#: SHA-512 after the block of zeros with which `expand_message_xmd` begins.
_START = hashlib.sha512(bytes(128))
_CONTEXT = GLOBAL_CONTEXT.ctx

#: Called with the points done and the points there are.
Progress = Callable[[int, int], None]


class PointError(ValueError):
    """Bytes that are no point of the curve; `at` is the first such point's position."""

    def __init__(self, at: int) -> None:
        super().__init__(f"point {at} is not on the curve")
        self.at = at


def new_scalar() -> bytes:
    """Draw a secret scalar, uniform in 1..ORDER-1."""
    return (secrets.randbelow(ORDER - 1) + 1).to_bytes(SCALAR_BYTES, "big")


def inverse(scalar: bytes) -> bytes:
    """Return the scalar that undoes multiplication by `scalar`."""
    return pow(int.from_bytes(scalar, "big"), -1, ORDER).to_bytes(SCALAR_BYTES, "big")


def expand_message(message: bytes, tag: bytes = _TAG) -> bytes:
    """Hash to 64 uniform bytes: `expand_message_xmd` of RFC 9380 with SHA-512, one block."""
    prime = tag + bytes([len(tag)])
    first = _START.copy()
    first.update(message + b"\x00\x40\x00" + prime)
    return hashlib.sha512(first.digest() + b"\x01" + prime).digest()


class _Point:
    """One point's memory, used again and again by one thread."""

    def __init__(self) -> None:
        self._point = ffi.new("secp256k1_pubkey *")
        self._out = ffi.new("unsigned char[33]")
        self._size = ffi.new("size_t *", 33)

    def hash(self, value: str) -> None:
        lib.secp256k1_ellswift_decode(_CONTEXT, self._point, expand_message(value.encode()))

    def read(self, x: bytes) -> bool:
        return bool(lib.secp256k1_ec_pubkey_parse(_CONTEXT, self._point, b"\x02" + x, 33))

    def times(self, scalar: bytes) -> bytes:
        # The result is never the point at infinity: the order is prime and no factor is zero.
        if not lib.secp256k1_ec_pubkey_tweak_mul(_CONTEXT, self._point, scalar):
            raise ValueError("a scalar must be in 1..ORDER-1")
        lib.secp256k1_ec_pubkey_serialize(
            _CONTEXT, self._out, self._size, self._point, EC_COMPRESSED
        )
        return bytes(ffi.buffer(self._out)[1:])


def hash_and_multiply(
    values: Sequence[str],
    scalar: bytes,
    threads: int | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Hash each value to the curve and multiply the point by `scalar`.

    Returns
    -------
    bytes
        The points, `POINT_BYTES` each, in the order of `values`.
    """

    def batch(start: int, stop: int) -> bytes:
        point, done = _Point(), []
        for value in values[start:stop]:
            point.hash(value)
            done.append(point.times(scalar))
        return b"".join(done)

    return _in_batches(batch, len(values), threads, progress)


def multiply(
    points: bytes, scalar: bytes, threads: int | None = None, progress: Progress | None = None
) -> bytes:
    """Multiply each point by `scalar`.

    Raises
    ------
    PointError
        The bytes are no whole number of points, or one of them is not on the curve.
    """
    count, rest = divmod(len(points), POINT_BYTES)
    if rest:
        raise PointError(count)

    def batch(start: int, stop: int) -> bytes:
        point, done = _Point(), []
        for at in range(start, stop):
            if not point.read(points[at * POINT_BYTES : (at + 1) * POINT_BYTES]):
                raise PointError(at)
            done.append(point.times(scalar))
        return b"".join(done)

    return _in_batches(batch, count, threads, progress)


def _in_batches(
    batch: Callable[[int, int], bytes],
    count: int,
    threads: int | None,
    progress: Progress | None,
) -> bytes:
    """Run `batch` over ranges of 0..count in threads: libsecp256k1 runs without Python's lock."""
    starts = range(0, count, _BATCH)
    stops = [min(start + _BATCH, count) for start in starts]
    parts = []
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for stop, part in zip(stops, pool.map(batch, starts, stops), strict=True):
            parts.append(part)
            if progress is not None:
                progress(stop, count)
    return b"".join(parts)
