"""Fixed-point numbers in the ring of integers modulo 2^32 or 2^64.

Secure aggregation adds whole numbers with wrap-around, because only there can a mask hide a
value completely. A value v stands as round(v · 2^fraction) in two's complement.

Range: with n sites, one site may send up to `limit(n)` in size, a share 1/n of the ring, so the
sum can never wrap. Error: rounding costs at most 2^-(fraction+1) per value and site, so a
sum over s sites is within s · 2^-(fraction+1) of the exact one (plus float64's own rounding of
the result, 2^-53 of its size). Whole numbers within the range are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Values are encoded piece by piece, and a piece stays in the processor's cache.
_PIECE = 1 << 14

Words = npt.NDArray[np.unsignedinteger[Any]]


class RangeError(ValueError):
    """A value that the fixed-point range cannot hold; the message names no value."""


@dataclass(frozen=True)
class FixedPoint:
    """How real numbers stand in the ring.

    Parameters
    ----------
    bits : int
        Size of the ring: 64 (as many bytes as float64) or 32 (as many as float32).
    fraction : int
        Binary digits after the point. More digits: smaller error and smaller range.
    """

    bits: int = 64
    fraction: int = 24

    def __post_init__(self) -> None:
        if self.bits not in (32, 64):
            raise ValueError(f"bits must be 32 or 64, not {self.bits}")
        if not 0 <= self.fraction < self.bits - 1:
            raise ValueError(f"fraction must be 0..{self.bits - 2}, not {self.fraction}")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Unsigned little-endian integers of the ring's size."""
        return np.dtype(f"<u{self.bits // 8}")

    def limit(self, sites: int) -> float:
        """Largest size of a value that each of `sites` sites may send."""
        return self._most(sites) / 2.0**self.fraction

    def error(self, sites: int) -> float:
        """Largest rounding error of a sum over `sites` sites."""
        return sites * 2.0 ** -(self.fraction + 1)

    def _most(self, sites: int) -> int:
        # Rounded down to 52 significant bits, so that it is exact as a float64 too.
        most = ((1 << (self.bits - 1)) - 1) // sites
        spare = max(0, most.bit_length() - 52)
        return most >> spare << spare

    def encode(self, values: npt.ArrayLike, sites: int, *, clip: bool = False) -> Words:
        """Encode `values`, shape (m,), for a sum over at most `sites` sites.

        With `clip`, finite values beyond the limit are cut to it; otherwise they are refused.

        Raises
        ------
        RangeError
            A value is not a finite number, or beyond the limit while `clip` is off.
        """
        array = np.asarray(values)
        encode = self._whole if array.dtype.kind in "biu" else self._real
        return encode(array, sites, clip).view(self.dtype)

    @property
    def _signed(self) -> np.dtype[Any]:
        return np.dtype(f"<i{self.bits // 8}")

    def _whole(self, array: npt.NDArray[Any], sites: int, clip: bool) -> npt.NDArray[Any]:
        most = self._most(sites) >> self.fraction
        if array.dtype == np.uint64:  # what int64 cannot hold is beyond every limit
            array = np.minimum(array, np.uint64(np.iinfo(np.int64).max))
        whole = array.astype(np.int64)
        if clip:
            np.clip(whole, -most, most, out=whole)
        if not _within(whole, most):
            raise self._outside(whole, sites)
        return (whole << self.fraction).astype(self._signed)

    def _real(self, array: npt.NDArray[Any], sites: int, clip: bool) -> npt.NDArray[Any]:
        most = self._most(sites)
        scale = np.float64(2.0**self.fraction)
        out = np.empty(len(array), self._signed)
        buffer = np.empty(min(len(array), _PIECE))
        for start in range(0, len(array), _PIECE):
            piece = array[start : start + _PIECE]
            scaled = buffer[: len(piece)]
            with np.errstate(over="ignore"):  # an infinity is refused below
                np.multiply(piece, scale, out=scaled)
            if clip and np.isfinite(scaled).all():
                np.clip(scaled, -most, most, out=scaled)
            if not _within(scaled, most):
                raise self._outside(array, sites)
            out[start : start + _PIECE] = np.rint(scaled, out=scaled)
        return out

    def _outside(self, array: npt.NDArray[Any], sites: int) -> RangeError:
        limit = self.limit(sites)
        finite = np.isfinite(array)
        beyond = np.abs(array[finite].astype(np.float64)) > limit
        return RangeError(
            f"{int((~finite).sum())} of {array.size} values are not finite and "
            f"{int(beyond.sum())} are larger than {limit:.6g}, the most a site may send with "
            f"{sites} sites, {self.bits} bits and {self.fraction} binary digits: scale them or clip"
        )

    def decode(self, words: Words) -> npt.NDArray[np.float64]:
        """Real numbers, shape (m,), that ring elements `words` stand for."""
        return words.view(self._signed) / np.float64(2.0**self.fraction)


def _within(array: npt.NDArray[Any], most: int) -> bool:
    # Minimum and maximum carry NaN on, and NaN fails every comparison.
    return array.size == 0 or bool(array.min() >= -most and array.max() <= most)
