"""What one site contributes to a federation-wide sum, and how it becomes one vector."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.privacy.arrays import Layout

MEAN, ADD = "mean/", "add/"
_WEIGHT = "weight"


@dataclass(frozen=True)
class Share:
    """Arrays to be averaged with a weight, and arrays to be added.

    Attributes
    ----------
    means : dict of arrays
        The federation gets sum(weight * array) / sum(weight) over the sites.
    weight : float
        Such as the number of training rows.
    sums : dict of arrays
        The federation gets their plain sum; whole numbers stay whole.
    """

    means: Arrays = field(default_factory=dict)
    weight: float = 0.0
    sums: Arrays = field(default_factory=dict)

    def fault(self, like: Share) -> str | None:
        """Say in one line why this share cannot be combined with shares like `like`, or None."""
        for mine, theirs in ((self.means, like.means), (self.sums, like.sums)):
            if mine.keys() != theirs.keys():
                return "it holds other arrays than were asked for"
            for name, array in theirs.items():
                if mine[name].shape != array.shape:
                    return f"{name} has shape {mine[name].shape}, not {array.shape}"
                if not np.isfinite(mine[name]).all():
                    return f"{name} holds NaN or infinity"
        if not (np.isfinite(self.weight) and self.weight >= 0):
            return "its weight is negative, NaN or infinite"
        return None


def to_arrays(share: Share) -> Arrays:
    """Write a share as named arrays, for a message that is not masked."""
    weight = {_WEIGHT: np.array(share.weight, dtype=np.float64)}
    return prefixed(MEAN, share.means) | prefixed(ADD, share.sums) | weight


def from_arrays(arrays: Arrays) -> Share:
    """Read what `to_arrays` wrote; a missing weight counts as none."""
    weight = float(arrays.get(_WEIGHT, np.zeros(())))
    return Share(unprefixed(MEAN, arrays), weight, unprefixed(ADD, arrays))


def layout(like: Share) -> Layout:
    """Return the order of a share's numbers in one vector; it depends on names and shapes alone."""
    return Layout.of(_weighted(like))


def to_vector(share: Share) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Write a share as one vector, its means already multiplied by its weight."""
    arrays = _weighted(share)
    return Layout.of(arrays).flatten(arrays)


def combined_from_vector(
    vector: np.ndarray[tuple[int], np.dtype[np.float64]], like: Share
) -> Share:
    """Read the sum of the sites' vectors: its means are divided by the summed weight."""
    arrays = layout(like).unflatten(vector)
    weight = float(arrays[_WEIGHT])
    means = {
        name: (array / weight if weight else array).astype(like.means[name].dtype)
        for name, array in unprefixed(MEAN, arrays).items()
    }
    return Share(means, weight, unprefixed(ADD, arrays))


def _weighted(share: Share) -> Arrays:
    scaled = {name: array.astype(np.float64) * share.weight for name, array in share.means.items()}
    return to_arrays(Share(scaled, share.weight, share.sums))
