"""On which learners each fit is made: all, bootstraps of them, and those of half of the sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from edufed.ranking import poisson_weights

IntArray = npt.NDArray[np.int64]
#: Names of the sites of one half and of the other.
Halves = tuple[tuple[str, ...], tuple[str, ...]]
#: Sites whose sum may be told apart from the others': of fewer, one would be too easy to make out.
LEAST_SITES = 3
#: Draws before a partition that tells too much is given up.
_TRIES = 200


@dataclass(frozen=True)
class Resamples:
    """The columns of every learner's weights: all, `bootstraps` of them, then each half.

    Attributes
    ----------
    bootstraps : int
    partitions : tuple of Halves
    """

    bootstraps: int
    partitions: tuple[Halves, ...]

    def __len__(self) -> int:
        return 1 + self.bootstraps + 2 * len(self.partitions)

    def half(self, partition: int, side: int) -> int:
        """Column of one half."""
        return 1 + self.bootstraps + 2 * partition + side

    def side(self, partition: int, site: str) -> int:
        """Which half a site is in."""
        return 0 if site in self.partitions[partition][0] else 1

    def weights(self, site: str, learners: int, rng: np.random.Generator) -> IntArray:
        """Draw one site's weights, shape (learners, resamples)."""
        drawn = poisson_weights(learners, self.bootstraps, rng)
        inside = [
            self.side(partition, site) == side
            for partition in range(len(self.partitions))
            for side in (0, 1)
        ]
        return np.concatenate([drawn, np.tile(np.array(inside, np.int64), (learners, 1))], axis=1)


def draw_partitions(sites: Sequence[str], wanted: int, seed: int) -> tuple[Halves, ...]:
    """Draw partitions of the sites into two halves.

    None where there are too few sites. No sum or difference of sums over halves is of fewer than
    `LEAST_SITES` sites: fewer partitions are drawn where more would tell of fewer.
    """
    names = sorted(sites)
    if len(names) < 2 * LEAST_SITES:
        return ()
    rng = np.random.default_rng(seed)
    found: list[Halves] = []
    for _ in range(_TRIES):
        if len(found) == wanted:
            break
        order = rng.permutation(len(names))
        first = {names[place] for place in order[: len(names) // 2]}
        halves = (
            tuple(name for name in names if name in first),
            tuple(name for name in names if name not in first),
        )
        if not tells_of_few(names, [*found, halves]):
            found.append(halves)
    return tuple(found)


def tells_of_few(names: Sequence[str], partitions: Sequence[Halves]) -> bool:
    """Whether sums over the halves combine to the sum of fewer than `LEAST_SITES` sites.

    Parameters
    ----------
    names : sequence of str
        All sites.
    partitions : sequence of Halves
    """
    known = np.array(
        [[float(name in half) for name in names] for halves in partitions for half in halves]
    )
    if not len(known):
        return False
    basis = np.linalg.svd(known, full_matrices=False)
    spanned = basis.Vh[basis.S > 1e-9]
    for size in range(1, LEAST_SITES):
        for few in combinations(range(len(names)), size):
            # Any combination of these sites alone, whatever its weights.
            chosen = spanned[:, list(few)]
            if np.linalg.svd(chosen, compute_uv=False).max() > 1 - 1e-9:
                return True
    return False
