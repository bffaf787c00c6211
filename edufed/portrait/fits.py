"""k-means and Gaussian mixtures by sums over learners, many fits at a time.

One step of Lloyd's algorithm (1982), or of expectation-maximisation for a mixture of Gaussians with
diagonal covariances (Dempster, Laird & Rubin 1977), needs of the learners nothing but sums. Sites
compute theirs by `site_sums`; of the total over sites `Fits.stepped` makes the next parameters,
which are those that all learners in one place would give.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edufed.config.portrait import Kind

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Arrays = dict[str, npt.NDArray[np.float64]]

#: Least variance of a mixture's component, of positions with unit deviation: ranks have ties, and a
#: component around one of them would shrink onto it.
LEAST_VARIANCE = 0.01
#: A cluster of less weight keeps its centre: there is nothing to take a mean of.
_NOTHING = 1e-9


@dataclass(frozen=True, order=True)
class Family:
    """Fits that differ in their data or their start alone."""

    kind: Kind
    k: int

    @property
    def name(self) -> str:
        """Such as ``kmeans-5``."""
        return f"{self.kind}-{self.k}"

    @classmethod
    def named(cls, name: str) -> Family:
        """Read what `name` gives."""
        kind, _, k = name.partition("-")
        if kind not in ("kmeans", "gaussian") or not k.isdecimal():
            raise ValueError(f"no clustering is called {name!r}")
        return cls("kmeans" if kind == "kmeans" else "gaussian", int(k))


@dataclass(frozen=True)
class Fits:
    """Fits of one family, some of them still under way.

    Attributes
    ----------
    family : Family
    resample : int array, shape (fits,)
        Which weights of the learners each fit is made with.
    parameters : dict of float64 arrays
        ``centres``, shape (fits, k, features); of mixtures also ``spreads``, the variances, of the
        same shape, and ``shares``, shape (fits, k).
    loss : float64 array, shape (fits,)
        For each learner, at the parameters before the last step: squared distance, or negative log
        likelihood. Infinite before the first step.
    done : bool array, shape (fits,)
    """

    family: Family
    resample: IntArray
    parameters: Arrays
    loss: Float64Array
    done: BoolArray

    @classmethod
    def begin(cls, family: Family, resample: IntArray, parameters: Arrays) -> Fits:
        """Return fits that have not taken a step yet."""
        size = len(resample)
        return cls(family, resample, parameters, np.full(size, np.inf), np.zeros(size, dtype=bool))

    def __len__(self) -> int:
        return len(self.resample)

    def part(self, which: BoolArray | IntArray) -> Fits:
        """Return some of the fits."""
        return replace(
            self,
            resample=self.resample[which],
            parameters={name: array[which] for name, array in self.parameters.items()},
            loss=self.loss[which],
            done=self.done[which],
        )

    def best_starts(self) -> Fits:
        """Keep of the fits of each resample the one of least loss."""
        order = np.lexsort((np.arange(len(self)), self.loss, self.resample))
        _, first = np.unique(self.resample[order], return_index=True)
        return self.part(order[first])

    def stepped(self, sums: Mapping[str, npt.NDArray[np.float64]], tolerance: float) -> Fits:
        """Take one step with those fits that are not done.

        Parameters
        ----------
        sums : mapping
            `site_sums` of these, over all sites.
        tolerance : float
            A fit is done when its loss for each learner falls by less.
        """
        going = ~self.done
        weight = np.maximum(sums["count"].sum(axis=1), _NOTHING)
        loss, parameters = self.loss.copy(), {n: a.copy() for n, a in self.parameters.items()}
        loss[going] = sums["loss"] / weight
        for name, array in _next(self.family, self.part(going).parameters, sums).items():
            parameters[name][going] = array
        with np.errstate(invalid="ignore"):
            fallen = self.loss - loss
        return replace(
            self, parameters=parameters, loss=loss, done=self.done | (fallen < tolerance)
        )


def sums_like(family: Family, fits: int, features: int) -> Arrays:
    """Zeros of the shapes of `site_sums`."""
    shape = (fits, family.k)
    sums = {"count": np.zeros(shape), "total": np.zeros((*shape, features))}
    if family.kind == "gaussian":
        sums["squares"] = np.zeros((*shape, features))
    return sums | {"loss": np.zeros(fits)}


def site_sums(
    family: Family,
    parameters: Arrays,
    resample: IntArray,
    x: Float64Array,
    weights: npt.NDArray[np.integer],
) -> Arrays:
    """Sum up what one step of each fit needs of some learners; add the results over sites.

    Parameters
    ----------
    family : Family
    parameters : dict of arrays
        As `Fits.parameters`.
    resample : int array, shape (fits,)
    x : float64 array, shape (learners, features)
    weights : int array, shape (learners, resamples)

    Returns
    -------
    dict of float64 arrays
        ``count``, shape (fits, k): summed weight of the clusters' learners (of their shares in
        them, for a mixture); ``total`` and, for mixtures, ``squares``, shape (fits, k, features):
        weighted sums of x and of its squares; ``loss``, shape (fits,).
    """
    sums = sums_like(family, len(resample), x.shape[1])
    squared = x**2
    for fit, number in enumerate(resample):
        w = weights[:, number].astype(np.float64)
        if not w.any():
            continue
        own = {name: array[fit] for name, array in parameters.items()}
        logits = _logits(family, own, x, squared)
        if family.kind == "kmeans":
            share = np.zeros_like(logits)
            share[np.arange(len(x)), logits.argmax(axis=1)] = 1.0
            loss = -2 * logits.max(axis=1) + squared.sum(axis=1)
        else:
            highest = logits.max(axis=1, keepdims=True)
            share = np.exp(logits - highest)
            over = share.sum(axis=1, keepdims=True)
            share /= over
            loss = -(highest + np.log(over))[:, 0]
            sums["squares"][fit] = (share * w[:, None]).T @ squared
        share *= w[:, None]
        sums["count"][fit] = share.sum(axis=0)
        sums["total"][fit] = share.T @ x
        sums["loss"][fit] = w @ loss
    return sums


def assign(family: Family, parameters: Arrays, x: Float64Array) -> IntArray:
    """Return each learner's cluster by one fit, shape (learners,): the nearest, or likeliest.

    Parameters
    ----------
    family : Family
    parameters : dict of arrays
        Of one fit: as `Fits.parameters` without their first axis.
    x : float64 array, shape (learners, features)
    """
    return _logits(family, parameters, x, x**2).argmax(axis=1).astype(np.int64)


def _logits(
    family: Family, parameters: Arrays, x: Float64Array, squared: Float64Array
) -> Float64Array:
    """Log density of each learner in each cluster, shape (learners, k).

    For k-means, half of x's square less half of its squared distance from each centre.
    """
    centres = parameters["centres"]
    if family.kind == "kmeans":
        return x @ centres.T - (centres**2).sum(axis=1) / 2
    spreads = parameters["spreads"]
    constant = np.log(parameters["shares"]) - 0.5 * (
        np.log(2 * math.pi * spreads) + centres**2 / spreads
    ).sum(axis=1)
    found: Float64Array = x @ (centres / spreads).T - 0.5 * squared @ (1 / spreads).T + constant
    return found


def _next(family: Family, before: Arrays, sums: Mapping[str, Float64Array]) -> Arrays:
    count = sums["count"][..., None]
    filled = count > _NOTHING
    over = np.where(filled, count, 1.0)
    centres = np.where(filled, sums["total"] / over, before["centres"])
    if family.kind == "kmeans":
        return {"centres": centres}
    spreads = np.maximum(sums["squares"] / over - centres**2, 0.0) + LEAST_VARIANCE
    shares = np.maximum(sums["count"], _NOTHING)
    return {
        "centres": centres,
        "spreads": np.where(filled, spreads, before["spreads"]),
        "shares": shares / shares.sum(axis=1, keepdims=True),
    }
