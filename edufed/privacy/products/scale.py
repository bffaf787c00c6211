"""Fixed-point numbers of the products: which features and residuals fit, and what is exact.

A feature x stands as round(x · 2^fx) in 16 bits, a residual r as round(r · 2^fr), and products and
sums are whole numbers modulo 2^46. So a gradient Σ r·x is exactly that of the rounded numbers as
long as it stays within ±2^45 / 2^(fx + fr), and a site checks beforehand that no residual within
its limit can take it further. Rounding moves a residual by at most 2^-(fr+1), a feature by
2^-(fx+1); a site trains on its rounded features, so the residual's rounding is the only error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.privacy.products.lattice import PLAIN_BITS, PLAIN_MASK, Words

_MOST_FEATURE = 2**15 - 1
WORD_BYTES = -(-PLAIN_BITS // 8)


class ProductError(Exception):
    """A product that cannot be made; the message is one line and holds no value of any learner."""


@dataclass(frozen=True)
class Scale:
    """How real numbers stand in the products.

    Parameters
    ----------
    feature_bits : int
        Binary digits fx after a feature's point. With 10, features are within ±31.99.
    residual_bits : int
        Binary digits fr after a residual's point.
    residual_limit : float
        Largest size of a residual; 1 for logistic regression.
    """

    feature_bits: int = 10
    residual_bits: int = 16
    residual_limit: float = 1.0

    @property
    def gradient_limit(self) -> float:
        """Largest size of a gradient."""
        return float(2.0 ** (PLAIN_BITS - 1 - self.feature_bits - self.residual_bits))

    def features(self, matrix: npt.ArrayLike) -> npt.NDArray[np.int16]:
        """Encode features, shape (rows, features).

        Raises
        ------
        ProductError
            A value that is not finite or too large, or a column that could overflow.
        """
        scaled = np.asarray(matrix, np.float64) * 2.0**self.feature_bits
        fits = np.abs(scaled) <= _MOST_FEATURE  # false for NaN
        if not fits.all():
            raise ProductError(
                f"{(~fits).sum()} feature values in {(~fits).any(axis=0).sum()} columns are not "
                f"finite or beyond {_MOST_FEATURE / 2**self.feature_bits:.4g}: standardise and clip"
            )
        whole = np.rint(scaled).astype(np.int16)
        most = np.abs(whole, dtype=np.int64).sum(axis=0) * 2.0**-self.feature_bits
        over = int((most * self.residual_limit >= self.gradient_limit).sum())
        if over:
            raise ProductError(
                f"the gradient of {over} columns could overflow ±{self.gradient_limit:.6g} with "
                f"{len(whole)} rows: use fewer binary digits"
            )
        return whole

    def decode_features(self, whole: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
        """Give the features on which the site trains."""
        return whole / np.float64(2.0**self.feature_bits)

    def residual(self, values: npt.ArrayLike) -> Words:
        """Encode residuals, modulo 2^46.

        Raises
        ------
        ProductError
            A value that is not finite or beyond the limit.
        """
        array = np.asarray(values, np.float64)
        fits = np.abs(array) <= self.residual_limit
        if not fits.all():
            raise ProductError(
                f"{(~fits).sum()} residuals are not finite or beyond {self.residual_limit:g}"
            )
        whole = np.rint(array * 2.0**self.residual_bits).astype(np.int64)
        return whole.view(np.uint64) & PLAIN_MASK

    def gradient(self, sums: Words) -> npt.NDArray[np.float64]:
        """Read gradients from sums modulo 2^46."""
        return signed(sums) / np.float64(2.0 ** (self.feature_bits + self.residual_bits))


def signed(values: Words) -> npt.NDArray[np.int64]:
    """Whole numbers from -2^45 to 2^45 - 1 that stand modulo 2^46."""
    shift = np.uint64(64 - PLAIN_BITS)
    return (values << shift).view(np.int64) >> np.int64(shift)


def to_bytes(values: Words) -> bytes:
    """Write numbers modulo 2^46, six bytes each."""
    content = np.ascontiguousarray(values, "<u8").view(np.uint8).reshape(-1, 8)
    return content[:, :WORD_BYTES].tobytes()


def from_bytes(content: bytes | memoryview, *shape: int) -> Words:
    """Read what `to_bytes` wrote.

    Raises
    ------
    ProductError
        Another number of values, or one beyond the modulus.
    """
    count = int(np.prod(shape))
    if len(content) != count * WORD_BYTES:
        raise ProductError(f"a message holds {len(content)} bytes where {count} values belong")
    out = np.zeros((count, 8), np.uint8)
    out[:, :WORD_BYTES] = np.frombuffer(content, np.uint8).reshape(count, WORD_BYTES)
    values = out.view("<u8").reshape(shape)
    if (values > PLAIN_MASK).any():
        raise ProductError("a message holds a value beyond the modulus")
    return values
