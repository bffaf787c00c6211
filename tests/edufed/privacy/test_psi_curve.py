from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
from coincurve import PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.psi.curve import (
    ORDER,
    PointError,
    _Point,
    expand_message,
    hash_and_multiply,
    inverse,
    multiply,
    new_scalar,
)

P = 2**256 - 2**32 - 977
ROOT = pow(-3 % P, (P + 1) // 4, P)  # of -3, the one that is itself a square
ONE = (1).to_bytes(32, "big")


def on_curve(x: int) -> bool:
    return pow(x**3 + 7, (P - 1) // 2, P) in (0, 1)


def swift_ec(uniform: bytes) -> int:
    """X coordinate by the definition in BIP 324 (XSwiftEC)."""
    u = int.from_bytes(uniform[:32], "big") % P or 1
    t = int.from_bytes(uniform[32:], "big") % P or 1
    if (u**3 + t**2 + 7) % P == 0:
        t = 2 * t % P
    x = (u**3 + 7 - t**2) * pow(2 * t, -1, P) % P
    y = (x + t) * pow(ROOT * u, -1, P) % P
    ratio, half = x * pow(y, -1, P) % P, pow(2, -1, P)
    candidates = ((u + 4 * y * y) % P, (-ratio - u) * half % P, (ratio - u) * half % P)
    return next(c for c in candidates if on_curve(c))


@pytest.mark.parametrize(
    "uniform",
    [os.urandom(64) for _ in range(8)]
    + [bytes(64), ONE + bytes(32), bytes(32) + ONE, b"\xff" * 64, os.urandom(32) + b"\xff" * 32],
)
def test_elligator_swift_is_the_definition(uniform: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edufed.privacy.psi.curve.expand_message", lambda _: uniform)
    point = _Point()
    point.hash("anything")
    assert int.from_bytes(point.times(ONE), "big") == swift_ec(uniform)


def test_expand_message_is_that_of_the_rfc() -> None:
    # RFC 9380, appendix K.3, has outputs of 32 and 128 bytes, and the length itself is hashed. So
    # the steps are written out here as in section 5.3.1, for any length.
    tag = b"QUUX-V01-CS02-with-expander-SHA512-256"

    def xmd(message: bytes, length: int) -> bytes:
        prime = tag + bytes([len(tag)])
        b0 = hashlib.sha512(
            bytes(128) + message + length.to_bytes(2, "big") + b"\0" + prime
        ).digest()
        blocks = [hashlib.sha512(b0 + b"\1" + prime).digest()]
        while 64 * len(blocks) < length:
            mixed = bytes(a ^ b for a, b in zip(b0, blocks[-1], strict=True))
            number = bytes([len(blocks) + 1])
            blocks.append(hashlib.sha512(mixed + number + prime).digest())
        return b"".join(blocks)[:length]

    assert xmd(b"", 32).hex() == "6b9a7312411d92f921c6f68ca0b6380730a1a4d982c507211a90964c394179ba"
    assert xmd(b"abc", 32).hex() == (
        "0da749f12fbe5483eb066a5f595055679b976e93abe9be6f0f6318bce7aca8dc"
    )
    assert expand_message(b"abc", tag) == xmd(b"abc", 64)


def test_multiplications_commute_and_are_undone() -> None:
    names = ["a", "b", "学号"]
    one, other = new_scalar(), new_scalar()

    both = multiply(hash_and_multiply(names, one), other)

    assert both == multiply(hash_and_multiply(names, other), one)
    assert multiply(both, inverse(one)) == hash_and_multiply(names, other)
    assert multiply(both, inverse(other)) == hash_and_multiply(names, one)


def test_multiplication_is_that_of_the_public_interface() -> None:
    point = hash_and_multiply(["a"], new_scalar())
    scalar = new_scalar()
    assert multiply(point, scalar) == PublicKey(b"\x02" + point).multiply(scalar).format()[1:]


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_points_off_the_curve_are_refused(x: bytes) -> None:
    value = int.from_bytes(x, "big")
    points = hash_and_multiply(["a"], ONE) + x
    if value < P and on_curve(value):
        assert len(multiply(points, ONE)) == 64
    else:
        with pytest.raises(PointError, match="point 1 is not on the curve"):
            multiply(points, ONE)


def test_sizes_and_scalars() -> None:
    assert multiply(b"", ONE) == b""
    assert hash_and_multiply([], ONE) == b""
    with pytest.raises(PointError, match="point 0"):
        multiply(bytes(31), ONE)
    for scalar in (0, ORDER):
        with pytest.raises(ValueError, match=r"1\.\.ORDER-1"):
            hash_and_multiply(["a"], scalar.to_bytes(32, "big"))


def test_points_are_spread_evenly_and_threads_do_not_reorder_them() -> None:
    names = [str(i) for i in range(6000)]
    points = hash_and_multiply(names, ONE, threads=1)
    assert points == hash_and_multiply(names, ONE, threads=3)
    counts = np.bincount(np.frombuffer(points, np.uint8), minlength=256)
    expected = len(points) / 256
    assert ((counts - expected) ** 2 / expected).sum() < 255 + 6 * np.sqrt(2 * 255)
