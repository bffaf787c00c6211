"""All fits of a job side by side: every family, on every resample, from every start.

`Search` is whoever has the sums over all sites; `answer` is a site. A message of a step holds the
parameters of those fits that are under way, and the answer their sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.config.portrait import ClusterSettings
from edufed.portrait.fits import Arrays, Family, Fits, site_sums, sums_like
from edufed.portrait.starts import first_fits, moments

Float64Array = npt.NDArray[np.float64]
#: Family's name -> the resample of each fit that is asked about.
Asked = dict[str, list[int]]


def families(settings: ClusterSettings) -> list[Family]:
    """Every clustering that is tried."""
    return [Family(kind, k) for kind in settings.kinds for k in settings.sizes]


class Search:
    """The fits, from their starts to their ends.

    Parameters
    ----------
    settings : ClusterSettings
    total : dict of arrays
        `moments` of all learners.
    resamples : int
    seed : int
    """

    def __init__(self, settings: ClusterSettings, total: Arrays, resamples: int, seed: int) -> None:
        self.settings = settings
        self.features = len(total["sum"])
        self.steps = 0
        self.fits = {
            family: first_fits(family, total, resamples, settings.starts, seed)
            for family in families(settings)
        }

    @property
    def done(self) -> bool:
        """Whether no fit is under way."""
        return all(fits.done.all() for fits in self.fits.values())

    @property
    def loss(self) -> float:
        """Mean loss over the families of the fit of all learners, for whoever watches."""
        return float(np.mean([fits.loss[fits.resample == 0].min() for fits in self.fits.values()]))

    @property
    def under_way(self) -> int:
        """Fits that are not done."""
        return sum(int((~fits.done).sum()) for fits in self.fits.values())

    def asked(self) -> tuple[Asked, Arrays]:
        """What the next message holds: whose fits, and their parameters."""
        whose: Asked = {}
        arrays: Arrays = {}
        for family, going in self._going():
            whose[family.name] = going.resample.tolist()
            arrays |= _under(family, going.parameters)
        return whose, arrays

    def like(self) -> Arrays:
        """Zeros of the shapes of the answer."""
        arrays: Arrays = {}
        for family, going in self._going():
            arrays |= _under(family, sums_like(family, len(going), self.features))
        return arrays

    def tell(self, sums: Mapping[str, npt.NDArray[np.float64]]) -> None:
        """Take a step with the sums over all sites."""
        self.steps += 1
        for family, _ in self._going():
            own = _of(family, sums)
            stepped = self.fits[family].stepped(own, self.settings.tolerance)
            if self.steps == self.settings.trial_rounds:
                stepped = stepped.best_starts()
            self.fits[family] = stepped

    def end(self) -> None:
        """Keep of each resample the best fit, whether done or not."""
        self.fits = {family: fits.best_starts() for family, fits in self.fits.items()}

    def _going(self) -> list[tuple[Family, Fits]]:
        parts = [(family, fits.part(~fits.done)) for family, fits in self.fits.items()]
        return [(family, part) for family, part in parts if len(part)]


def answer(
    asked: Mapping[str, list[int]],
    arrays: Mapping[str, npt.NDArray[Any]],
    x: Float64Array,
    weights: npt.NDArray[np.integer],
) -> Arrays:
    """Answer a message of `Search.asked` with some learners' sums."""
    sums: Arrays = {}
    for name, resample in asked.items():
        family = Family.named(name)
        own = site_sums(family, _of(family, arrays), np.array(resample, np.int64), x, weights)
        sums |= _under(family, own)
    return sums


def search_alone(settings: ClusterSettings, x: Float64Array, seed: int) -> dict[Family, Arrays]:
    """Fit every family to one set of learners that is in one place: one site's, or all.

    Returns
    -------
    dict of Family to dict of arrays
        Parameters of one fit each.
    """
    search = Search(settings, moments(x), 1, seed)
    weights = np.ones((len(x), 1), dtype=np.int64)
    for _ in range(settings.rounds):
        if search.done:
            break
        search.tell(answer(*search.asked(), x, weights))
    search.end()
    return {
        family: {name: array[0] for name, array in fits.parameters.items()}
        for family, fits in search.fits.items()
    }


def _under(family: Family, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    return {f"{family.name}/{name}": array for name, array in arrays.items()}


def _of(family: Family, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    start = f"{family.name}/"
    return {
        name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
    }
