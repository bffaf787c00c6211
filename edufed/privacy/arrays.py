"""Named arrays as one vector, and back: what secure aggregation and encryption add up.

Weights belong in the sum: `weighted` sends w·x for each array and w itself, and
`weighted_mean` divides the two sums, so that nobody tells its weight alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Name under which a weight travels beside the arrays that it weighs.
WEIGHT = "weight"


@dataclass(frozen=True)
class Layout:
    """Names, shapes and kinds of arrays, in the order in which they stand in the vector.

    Parameters
    ----------
    entries : tuple of (str, shape, bool)
        Name, shape, and whether the array holds whole numbers.
    """

    entries: tuple[tuple[str, tuple[int, ...], bool], ...]

    @classmethod
    def of(cls, arrays: Mapping[str, npt.ArrayLike]) -> Layout:
        """Layout of `arrays`, sorted by name, so that all sites agree on it."""
        found = {name: np.asarray(arrays[name]) for name in sorted(arrays)}
        return cls(tuple((n, a.shape, a.dtype.kind in "biu") for n, a in found.items()))

    @property
    def size(self) -> int:
        """Values in the vector."""
        return sum(int(np.prod(shape)) for _, shape, _ in self.entries)

    def flatten(self, arrays: Mapping[str, npt.ArrayLike]) -> npt.NDArray[np.float64]:
        """Write `arrays` into one vector, shape (size,).

        Raises
        ------
        ValueError
            Names or shapes other than this layout's.
        """
        if Layout.of(arrays).entries != self.entries:
            raise ValueError("the arrays' names, shapes or kinds are not those of the layout")
        parts = [np.asarray(arrays[name], np.float64).ravel() for name, _, _ in self.entries]
        return np.concatenate(parts) if parts else np.zeros(0)

    def unflatten(self, vector: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[Any]]:
        """Read the arrays back from `vector`, shape (size,); whole numbers become int64."""
        if vector.shape != (self.size,):
            raise ValueError(f"the layout is for {self.size} values, the vector has {vector.size}")
        arrays: dict[str, npt.NDArray[Any]] = {}
        start = 0
        for name, shape, whole in self.entries:
            end = start + int(np.prod(shape))
            part = vector[start:end].reshape(shape)
            arrays[name] = np.rint(part).astype(np.int64) if whole else part.copy()
            start = end
        return arrays


def weighted(arrays: Mapping[str, npt.ArrayLike], weight: float) -> dict[str, npt.NDArray[Any]]:
    """Multiply each array by `weight`, and put the weight beside them."""
    if WEIGHT in arrays:
        raise ValueError(f"an array is named {WEIGHT!r}, which is the weight's own name")
    scaled = {name: np.asarray(array, np.float64) * weight for name, array in arrays.items()}
    return scaled | {WEIGHT: np.float64(weight) * np.ones(())}


def weighted_mean(sums: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Divide summed `weighted` arrays by the summed weight.

    Raises
    ------
    ValueError
        The weights add up to nothing.
    """
    total = float(sums[WEIGHT])
    if not total > 0:
        raise ValueError("the weights add up to zero: no site has a learner to count")
    return {name: array / total for name, array in sums.items() if name != WEIGHT}
