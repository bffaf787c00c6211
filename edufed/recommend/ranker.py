"""The ranker: a conditional logit over the resources that a learner has not used.

McFadden (1974): the chance that a learner's next new resource is j is softmax of ``w · x_j`` over
the candidates. A learner with several relevant resources counts once: their terms are averaged.
The log likelihood, its gradient and its Hessian are sums over learners, so that Newton's method on
the sums of all sites takes the steps that it would take on all learners in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
#: Learners whose features are taken into double precision at a time: what bounds memory.
_PART = 64
_FIRST_DAMPING = 0.1


@dataclass(frozen=True)
class Likelihood:
    """The log likelihood of some learners at one point; these add up.

    Attributes
    ----------
    value : float
    gradient : float64 array, shape (features,)
    curvature : float64 array, shape (features, features)
        The negative Hessian.
    learners : int
    """

    value: float
    gradient: FloatArray
    curvature: FloatArray
    learners: int

    @classmethod
    def none(cls, size: int) -> Likelihood:
        """Of no learner, with `size` features."""
        return cls(0.0, np.zeros(size), np.zeros((size, size)), 0)

    def __add__(self, other: Likelihood) -> Likelihood:
        return Likelihood(
            self.value + other.value,
            self.gradient + other.gradient,
            self.curvature + other.curvature,
            self.learners + other.learners,
        )


def likelihood(
    weights: FloatArray, x: npt.NDArray[np.float32], candidates: Mask, relevant: Mask
) -> Likelihood:
    """Return the log likelihood of learners, each of whom has a relevant candidate.

    Parameters
    ----------
    weights : float64 array, shape (features,)
    x : float32 array, shape (learners, resources, features)
    candidates, relevant : bool arrays, shape (learners, resources)
        All relevant resources are candidates.
    """
    total = Likelihood.none(len(weights))
    for begin in range(0, len(x), _PART):
        part = slice(begin, begin + _PART)
        total = total + _of(weights, x[part].astype(np.float64), candidates[part], relevant[part])
    return total


def _of(weights: FloatArray, x: FloatArray, candidates: Mask, relevant: Mask) -> Likelihood:
    scores = np.where(candidates, x @ weights, -np.inf)
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    norm = chances.sum(axis=1, keepdims=True)
    chances /= norm
    logs = np.where(candidates, scores - np.log(norm), 0.0)
    share = relevant / relevant.sum(axis=1, keepdims=True)
    mean = np.einsum("ui,uif->uf", chances, x)
    wanted = np.einsum("ui,uif->uf", share, x)
    apart = ((x - mean[:, None, :]) * np.sqrt(chances)[:, :, None]).reshape(-1, len(weights))
    return Likelihood(
        float((share * logs).sum()), (wanted - mean).sum(axis=0), apart.T @ apart, len(x)
    )


@dataclass
class Newton:
    """Damped Newton steps towards the most likely weights; every step is one sum over the sites.

    Levenberg's damping (Nocedal & Wright 2006, ch. 4): a step that gains much less than the
    quadratic model foretold is made shorter, one that gains nothing is taken back. Features are
    scaled by the curvature at the first point, that is, by how much they vary among the candidates
    of a learner, and the penalty holds for the scaled weights.

    Parameters
    ----------
    start : float64 array, shape (features,)
        First weights, in the features' own units.
    l2 : float
        Penalty ``l2 |w|^2 / 2`` on the mean log likelihood, w in scaled units.
    tolerance : float
        Stop where no step would gain more than this, in mean log likelihood.
    """

    start: FloatArray
    l2: float
    tolerance: float = 1e-7

    def __post_init__(self) -> None:
        self.done = False
        self.objective: float | None = None
        self._size = len(self.start)
        self._scale = np.ones(self._size)
        self._point = self._best = self.start
        self._damping = _FIRST_DAMPING
        self._foretold = 0.0
        self._gradient = np.zeros(self._size)
        self._curvature = np.zeros((self._size, self._size))

    @property
    def weights(self) -> FloatArray:
        """The best weights yet, in the features' own units."""
        return self._best * self._scale

    @property
    def asked(self) -> FloatArray:
        """The weights at which the likelihood is to be taken next, in the features' own units."""
        return self._point * self._scale

    def tell(self, found: Likelihood) -> None:
        """Take the likelihood at `asked`; the next point is then set, or `done`."""
        if not found.learners:
            self.done = True
            return
        if self.objective is None:
            spread = np.sqrt(np.maximum(np.diagonal(found.curvature) / found.learners, 0.0))
            self._scale = np.divide(1.0, spread, out=np.zeros(self._size), where=spread > 1e-6)
            self._point = self.start * spread
        value = found.value / found.learners - self.l2 * float(self._point @ self._point) / 2
        if self.objective is None or value > self.objective:
            gain = np.inf if self.objective is None else value - self.objective
            if self.objective is not None:
                ratio = gain / max(self._foretold, 1e-300)
                self._damping *= 0.1 if ratio > 0.75 else 3.0 if ratio < 0.25 else 1.0
            self.objective, self._best = value, self._point
            scaled = self._scale / found.learners
            self._gradient = found.gradient * scaled - self.l2 * self._point
            self._curvature = found.curvature * np.outer(self._scale, scaled)
            self._curvature[np.diag_indices(self._size)] += self.l2
        else:
            self._damping *= 6.0
        undamped = np.linalg.solve(self._curvature, self._gradient)
        if float(self._gradient @ undamped) / 2 < self.tolerance:
            self.done = True
            return
        damped = self._curvature + self._damping * np.eye(self._size)
        step = np.linalg.solve(damped, self._gradient)
        self._foretold = float(self._gradient @ step - step @ self._curvature @ step / 2)
        self._point = self._best + step
