"""Exact products of polynomials modulo t^N + 1, with coefficients modulo 2^128.

A coefficient stands as eight limbs of 16 bits. Products go through the complex FFT of size N/2 in
float64, on whole numbers so small that rounding gives them back exactly: `blocks_at_once` bounds
what may be added up before it is rounded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Degree N of the ring.
DEGREE = 8192
#: Limbs of a coefficient, least significant first.
LIMBS = 8
LIMB_BITS = 16

Limbs = npt.NDArray[np.uint16]
Whole = npt.NDArray[np.int64]
Complex = npt.NDArray[np.complex128]

_HALF = DEGREE // 2
_TWIST = np.exp(1j * np.pi * np.arange(_HALF) / DEGREE)
#: The FFT's error is at most this times the product of the two factors' Euclidean norms: three
#: transforms of log2(N/2) levels, each level with a relative error of a few 2^-53 (Higham 2002,
#: theorem 24.2), and a factor of two to spare.
_ERROR = 2.0**-53 * 8 * np.log2(_HALF)
_LIMB_NORM = 2.0**LIMB_BITS * np.sqrt(DEGREE)


def transform(values: npt.NDArray[np.floating] | npt.NDArray[np.integer]) -> Complex:
    """Values of polynomials, shape (..., N), at half of the roots of t^N + 1: (..., N/2).

    At the other half real polynomials have the conjugate values.
    """
    folded = values[..., :_HALF] + 1j * values[..., _HALF:]
    folded *= _TWIST
    return np.fft.ifft(folded, norm="forward")


def inverse(values: Complex) -> Whole:
    """Polynomials with whole coefficients, shape (..., N), from their values (..., N/2)."""
    folded = np.fft.fft(values, norm="forward")
    folded *= _TWIST.conj()
    return np.rint(np.concatenate([folded.real, folded.imag], axis=-1)).astype(np.int64)


def transform_limbs(limbs: Limbs) -> Complex:
    """Transform each limb: shape (..., N, L) to (..., L, N/2)."""
    return transform(np.moveaxis(limbs, -1, -2).astype(np.float64))


def blocks_at_once(norm: float) -> int:
    """How many products of a limb polynomial and one of at most this Euclidean norm may be added.

    Before their sum, in transformed form, is off by 1/4 at any coefficient.
    """
    return max(1, int(0.25 / (_ERROR * _LIMB_NORM * max(norm, 1.0))))


def carry(sums: Whole, limbs: int = LIMBS) -> Limbs:
    """Bring sums of limbs, shape (..., limbs, N), into 0..65535: shape (..., N, limbs).

    What goes beyond the last limb is dropped: arithmetic is modulo 2^(16·limbs).
    """
    out = np.empty((*sums.shape[:-2], sums.shape[-1], limbs), np.uint16)
    over: Whole | int = 0
    for at in range(limbs):
        total = sums[..., at, :] + over
        out[..., at] = total & 0xFFFF
        over = total >> LIMB_BITS
    return out
