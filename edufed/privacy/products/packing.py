"""How a matrix and a vector stand in polynomials, so that products give inner products.

The vector is cut into blocks of w rows, each a polynomial Σ r_i t^i. With w·c ≤ N, c columns of
the matrix stand in one polynomial, column j reversed from t^(j·w): Σ_i x_ij t^(j·w + w-1-i). The
product's coefficient at j·w + w-1 is then the inner product with column j, and products of all
blocks add up ("Cheetah": Huang, Lu, Hong & Ding 2022, USENIX Security).

More columns in a polynomial: fewer ciphertexts back, shorter blocks, and more ciphertexts out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.privacy.products.lattice import COEFFICIENT_BYTES, SENT_BYTES, Words
from edufed.privacy.products.ring import DEGREE


@dataclass(frozen=True)
class Packing:
    """A layout for `rows` × `features`, with `columns` of the matrix in one polynomial."""

    rows: int
    features: int
    columns: int

    @classmethod
    def best(cls, rows: int, features: int) -> Packing:
        """Choose the layout with the fewest bytes out and back."""
        choices = [cls(rows, features, c) for c in range(1, min(features, DEGREE) + 1)]
        return min(choices, key=lambda packing: packing.bytes_out + packing.bytes_back)

    @property
    def width(self) -> int:
        """Rows in a block."""
        return DEGREE // self.columns

    @property
    def blocks(self) -> int:
        """Ciphertexts out."""
        return -(-self.rows // self.width)

    @property
    def groups(self) -> int:
        """Ciphertexts back."""
        return -(-self.features // self.columns)

    @property
    def bytes_out(self) -> int:
        """Bytes of the ciphertexts out, without their seed."""
        return self.blocks * DEGREE * COEFFICIENT_BYTES

    @property
    def bytes_back(self) -> int:
        """Bytes of the ciphertexts back: a whole second half, and `columns` of the first."""
        return self.groups * (DEGREE + self.columns) * SENT_BYTES

    @property
    def where(self) -> npt.NDArray[np.int64]:
        """Coefficients that hold inner products, shape (columns,)."""
        return np.arange(1, self.columns + 1) * self.width - 1

    def vector(self, values: Words) -> Words:
        """Polynomials of a vector, shape (rows,): shape (blocks, N)."""
        out = np.zeros((self.blocks, DEGREE), np.uint64)
        padded = np.zeros(self.blocks * self.width, np.uint64)
        padded[: self.rows] = values
        out[:, : self.width] = padded.reshape(self.blocks, self.width)
        return out

    def matrix(self, values: npt.NDArray[np.int16], first: int, last: int) -> npt.NDArray[np.int16]:
        """Polynomials of groups first..last-1 of a matrix, shape (rows, features).

        Returns
        -------
        int16 array, shape (last - first, blocks, N)
        """
        part = values[:, first * self.columns : last * self.columns]
        padded = np.zeros((self.blocks * self.width, (last - first) * self.columns), np.int16)
        padded[: self.rows, : part.shape[1]] = part
        blocks = padded.reshape(self.blocks, self.width, last - first, self.columns)
        reverse = blocks[:, ::-1].transpose(2, 0, 3, 1)
        out = np.zeros((last - first, self.blocks, DEGREE), np.int16)
        out[:, :, : self.columns * self.width] = reverse.reshape(last - first, self.blocks, -1)
        return out
