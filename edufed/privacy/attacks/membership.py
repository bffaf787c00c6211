"""Was this learner trained on? Asked of a model by its losses, alone and beside shadow models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edufed.privacy.attacks.advantage import Advantage, by_threshold

Float64Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Trains on the learners of a mask, shape (learners,), with a seed; returns for every learner the
#: model's confidence in the truth: logit for a target of 1, minus logit for 0, mean over rows.
Fit = Callable[[Mask, int], Float64Array]


def margins(
    logit: Float64Array, target: npt.NDArray[np.floating], learners: npt.NDArray[np.object_]
) -> Float64Array:
    """Confidence in the truth by learner, in the order of sorted learners: what a `Fit` returns."""
    _, whose, rows = np.unique(
        np.asarray(learners).astype(str), return_inverse=True, return_counts=True
    )
    means: Float64Array = np.bincount(whose, weights=(2.0 * target - 1.0) * logit) / rows
    return means


def loss_threshold(margin: Float64Array, members: Mask, seed: int = 0) -> Advantage:
    """Call those with a low loss members (Yeom et al. 2018).

    Parameters
    ----------
    margin : float64 array, shape (learners,)
        The model's confidence in the truth; the loss falls as it grows.
    members : bool array, shape (learners,)
        Who was trained on. Others must be drawn from the same learners at random, or the attack
        finds what else differs between the two.
    seed : int
    """
    return by_threshold("membership, loss threshold", margin[members], margin[~members], seed)


def likelihood_ratio(fit: Fit, learners: int, shadows: int, targets: int, seed: int) -> Advantage:
    """Compare a learner's margin with those of shadow models trained with and without them.

    Carlini et al. 2022, "Membership inference attacks from first principles" (LiRA), online: for
    each learner, Gaussians of the margin in and out, with variances shared by all learners because
    shadow models are few.

    Parameters
    ----------
    fit : Fit
        Trains as the attacked model was trained.
    learners : int
    shadows : int
        Models of the attacker; even. Each learner is in half of them.
    targets : int
        Models attacked, each trained on its own random half of the learners.
    seed : int
    """
    rng = np.random.default_rng(seed)
    inside = rng.permuted(np.arange(shadows)[:, None].repeat(learners, axis=1), axis=0)
    inside = inside < shadows // 2
    margin = np.stack([fit(mask, seed + 1 + number) for number, mask in enumerate(inside)])
    mean_in, variance_in = _gaussian(margin, inside)
    mean_out, variance_out = _gaussian(margin, ~inside)
    scores, truths = [], []
    for number in range(targets):
        members = rng.random(learners) < 0.5
        seen = fit(members, seed + 1 + shadows + number)
        scores.append(
            _log_density(seen, mean_in, variance_in) - _log_density(seen, mean_out, variance_out)
        )
        truths.append(members)
    score, truth = np.concatenate(scores), np.concatenate(truths)
    return by_threshold("membership, likelihood ratio", score[truth], score[~truth], seed)


def _gaussian(margin: Float64Array, chosen: Mask) -> tuple[Float64Array, float]:
    """Each learner's mean over the chosen models, shape (learners,), and the common variance."""
    count = chosen.sum(axis=0)
    mean = np.where(chosen, margin, 0.0).sum(axis=0) / count
    squared = np.where(chosen, (margin - mean) ** 2, 0.0).sum()
    return mean, float(squared / max(count.sum() - len(mean), 1) + 1e-12)


def _log_density(value: Float64Array, mean: Float64Array, variance: float) -> Float64Array:
    density: Float64Array = -0.5 * ((value - mean) ** 2 / variance + np.log(variance))
    return density
