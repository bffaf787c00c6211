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
        signed = np.dtype(f"<i{self.bits // 8}")
        if array.dtype.kind in "biu":
            most = self._most(sites) >> self.fraction
            if array.dtype == np.uint64:  # what int64 cannot hold is beyond every limit
                array = np.minimum(array, np.uint64(np.iinfo(np.int64).max))
            whole = array.astype(np.int64)
            if clip:
                np.clip(whole, -most, most, out=whole)
            self._refuse_outside(whole, most, sites)
            return (whole << self.fraction).astype(signed).view(self.dtype)
        with np.errstate(over="ignore"):  # an infinity is refused below
            scaled = array.astype(np.float64, copy=False) * 2.0**self.fraction
        if clip and np.isfinite(scaled).all():
            np.clip(scaled, -self._most(sites), self._most(sites), out=scaled)
        self._refuse_outside(scaled, self._most(sites), sites)
        return np.rint(scaled, out=scaled).astype(signed).view(self.dtype)

    def _refuse_outside(self, scaled: npt.NDArray[Any], most: int, sites: int) -> None:
        # Minimum and maximum carry NaN on, and NaN fails every comparison.
        if scaled.size and not (scaled.min() >= -most and scaled.max() <= most):
            finite = np.isfinite(scaled)
            wrong = int((~finite).sum())
            beyond = int((np.abs(scaled[finite].astype(np.float64)) > most).sum())
            raise RangeError(
                f"{wrong} of {scaled.size} values are not finite and {beyond} are larger than "
                f"{self.limit(sites):.6g}, the most a site may send with {sites} sites, "
                f"{self.bits} bits and {self.fraction} binary digits: scale them or clip"
            )

    def decode(self, words: Words) -> npt.NDArray[np.float64]:
        """Real numbers, shape (m,), that ring elements `words` stand for."""
        signed = np.dtype(f"<i{self.bits // 8}")
        return words.view(signed) / np.float64(2.0**self.fraction)
