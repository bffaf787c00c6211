"""Logistic regression whose columns stand at several parties, and whose score is their sum.

The objective, for each label, is mean log loss plus ridge/2 · Σ w², intercepts apart. In a round

- each feature party k turns its gradient X_kᵀr into a direction
  d_k = -P_k⁻¹(X_kᵀr/n + ridge·w_k), where P_k = X_kᵀX_k/(4n) + ridge bounds its block's Hessian for
  every w (Böhning 1992, doi:10.1007/BF00048682), and gives X_k d_k, to be summed over parties;
- the label party looks for the lowest objective over its own weights, a step along the directions,
  and one along the last step, by Newton's method on its own (`subspace`), and tells two numbers.

That is preconditioned conjugate directions with both steps chosen best (as in LOPCG, Knyazev 2001,
doi:10.1137/S1064827500366124, and SESOP, Narkiss & Zibulevsky 2005), and the label party's block
solved out. Nothing has to be tuned, and no round raises the objective. Nesterov's steps under the
same preconditioners needed more than twice the rounds (docs/vertical-regression.md).

The penalty of a step takes three products of the feature parties' vectors, summed over parties too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from edufed.vertical.logistic import Array, log_loss, residual
from edufed.vertical.subspace import search

#: Arrays of a block's state, by name: what carries it over a restart.
State = Mapping[str, Array]
#: A Cholesky factor, as SciPy gives it.
Factor = tuple[Array, bool]


def bound_hessian(features: Array, ridge: float) -> Factor:
    """Factorise X'X/(4n) + ridge, the bound of a block's Hessian, for X of shape (n, columns)."""
    rows, columns = features.shape
    factor: Any = cho_factor(features.T @ features / (4 * rows) + ridge * np.eye(columns))
    return factor[0], bool(factor[1])


class FeatureBlock:
    """A feature party's weights.

    Parameters
    ----------
    features : shape (rows, columns)
        Standardised; zero where the party lacks the learner.
    labels : int
    ridge : float
    bound : Factor, optional
        `bound_hessian` of the same, where it is known already.
    state : mapping, optional
        `state` of an earlier object, to go on after a restart.

    Attributes
    ----------
    weights : shape (columns, labels)
    direction : shape (columns, labels)
        The last one proposed.
    """

    def __init__(
        self,
        features: Array,
        labels: int,
        ridge: float,
        bound: Factor | None = None,
        state: State | None = None,
    ) -> None:
        columns = features.shape[1]
        self._features = features
        self._ridge = ridge
        self._bound = bound or bound_hessian(features, ridge)
        self.weights, self.direction, self._step = np.zeros((3, columns, labels))
        if state is not None:
            self.weights, self.direction = state["weights"], state["direction"]
            self._step = state["step"]

    @property
    def state(self) -> dict[str, Array]:
        """Everything that must outlast the object; it tells the block."""
        return {"weights": self.weights, "direction": self.direction, "step": self._step}

    def propose(self, gradient: Array) -> Array:
        """Turn Xᵀr, shape (columns, labels), into a direction: its scores, (rows, labels)."""
        slope = gradient / len(self._features) + self._ridge * self.weights
        self.direction = -np.asarray(cho_solve(self._bound, slope))
        return self._features @ self.direction

    def pulls(self) -> Array:
        """This party's part in how the penalty changes along directions, shape (3, labels).

        Ridge times weights by direction, direction by direction, direction by last step.
        """
        w, d, s = self.weights, self.direction, self._step
        return self._ridge * np.stack([(a * b).sum(axis=0) for a, b in [(w, d), (d, d), (d, s)]])

    def move(self, lengths: Array) -> None:
        """Take the step that the label party chose: `lengths` of shape (2, labels)."""
        self._step = lengths[0] * self.direction + lengths[1] * self._step
        self.weights = self.weights + self._step

    def scores(self, features: Array) -> Array:
        """Score other rows, shape (rows, columns): (rows, labels)."""
        return features @ self.weights


class LabelBlock:
    """The label party: its own weights, the intercepts, and the sum of the others' scores.

    Its weights start as its own model alone, without the others.

    Parameters
    ----------
    features : shape (rows, columns)
    targets : shape (rows, labels)
        0 or 1.
    ridge : float
    state : mapping, optional
        `state` of an earlier object, to go on after a restart.

    Attributes
    ----------
    weights : shape (columns + 1, labels)
        The last row is the intercepts'.
    objective : shape (labels,)
        Loss and penalty as it stands.
    """

    def __init__(
        self, features: Array, targets: Array, ridge: float, state: State | None = None
    ) -> None:
        rows, columns = features.shape
        self._features = np.column_stack([features, np.ones(rows)])
        self._targets = targets
        self._penalty = np.diag(np.append(np.full(columns, ridge), 0.0))
        self.weights = np.zeros((columns + 1, targets.shape[1]))
        self._others = np.zeros(targets.shape)
        self._step = np.zeros(targets.shape)
        # Ridge times the feature parties' weights by weights, by last step, last step by itself.
        self._ww, self._ws, self._ss = np.zeros((3, targets.shape[1]))
        self.objective = np.zeros(targets.shape[1])
        if state is not None:
            self.weights, self.objective = state["weights"], state["objective"]
            self._others, self._step = state["others"], state["step"]
            self._ww, self._ws, self._ss = state["penalties"]
            return
        self.search(np.zeros(targets.shape), np.zeros((3, targets.shape[1])))

    @property
    def state(self) -> dict[str, Array]:
        """Everything that must outlast the object; it tells the others' scores."""
        return {
            "weights": self.weights,
            "objective": self.objective,
            "others": self._others,
            "step": self._step,
            "penalties": np.stack([self._ww, self._ws, self._ss]),
        }

    @property
    def total(self) -> Array:
        """All parties' scores, shape (rows, labels)."""
        return self._features @ self.weights + self._others

    def residual(self) -> Array:
        """What the feature parties' gradients are made of, within -1..1: (rows, labels)."""
        return residual(self.total, self._targets)

    def forget_step(self) -> None:
        """Begin anew from where all stand: call it when a feature party leaves or comes back."""
        self._step = np.zeros_like(self._step)
        self._ws, self._ss = np.zeros((2, len(self._ww)))

    def search(self, scores: Array, pulls: Array) -> Array:
        """Choose this round's step, and take it here.

        Parameters
        ----------
        scores : shape (rows, labels)
            Sum of the feature parties' `propose`.
        pulls : shape (3, labels)
            Sum of their `pulls`.

        Returns
        -------
        shape (2, labels)
            How far every feature party goes along its direction and along its last step.
        """
        columns = len(self.weights)
        weights, lengths = np.empty_like(self.weights), np.empty((2, len(self._ww)))
        wd, dd, ds = pulls
        ds = np.where(self._ss > 0, ds, 0.0)  # no last step, nothing to move along
        for label in range(len(self._ww)):
            quadratic = np.zeros((columns + 2, columns + 2))
            quadratic[:columns, :columns] = self._penalty
            quadratic[columns:, columns:] = [[dd[label], ds[label]], [ds[label], self._ss[label]]]
            found = search(
                np.column_stack([self._features, scores[:, label], self._step[:, label]]),
                self._others[:, label],
                self._targets[:, label],
                quadratic,
                np.append(np.zeros(columns), [wd[label], self._ws[label]]),
                np.append(self.weights[:, label], [0.0, 0.0]),
            )
            weights[:, label], lengths[:, label] = found[:columns], found[columns:]
        along, again = lengths
        moved = along * wd + again * self._ws
        self._ss = along**2 * dd + 2 * along * again * ds + again**2 * self._ss
        self._ww = self._ww + 2 * moved + self._ss
        self._ws = moved + self._ss
        self.weights = weights
        self._step = along * scores + again * self._step
        self._others = self._others + self._step
        own = np.einsum("il,ij,jl->l", weights, self._penalty, weights)
        self.objective = log_loss(self.total, self._targets) + (own + self._ww) / 2
        return lengths

    def scores(self, features: Array) -> Array:
        """Score other rows by this party's weights and the intercepts: (rows, labels)."""
        return features @ self.weights[:-1] + self.weights[-1]
