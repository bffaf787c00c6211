"""A split network job's baseline and attacks: all parties in one place. Research mode only.

Nothing of it can be asked for over the network (`clients/vertical_pooled.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from clients.platform import TEST, TRAIN, VALID
from clients.splitnn_label import plan_of, settings_of
from clients.vertical_attacks import FEW, SHARE
from clients.vertical_pooled import Together
from edufed.config import Job
from edufed.metrics import metrics_from_summary, score_summary
from edufed.privacy.attacks.features import feature_reconstruction
from edufed.privacy.attacks.labels import label_inference, model_completion
from edufed.privacy.dp.randomness import RandomSource
from edufed.vertical import probability
from edufed.vertical.neural import FeatureNetwork, LabelNetwork, protected
from edufed.vertical.neural_together import Exchange, best_of, train_split

Array = npt.NDArray[np.float64]


def pooled_split(job: Job, together: Together) -> dict[str, Any]:
    """Train the same networks as one: whole gradients, an exchange for every step.

    Returns
    -------
    dict
        `summary` and `metrics` of the test learners' risks, and the lowest `loss` of the validation
        learners.
    """
    steps, scenario = settings_of(job).local_steps, job.scenario
    networks = _Networks(job, together, steps=1)
    tested = together.part == TEST
    losses: list[float] = []
    best = np.zeros(int(tested.sum()))
    for number, exchange in enumerate(networks.train()):
        losses.append(exchange.loss)
        at = best_of(losses, scenario.min_improvement)
        if at == number:
            best = exchange.logits[tested]
        if number - at >= scenario.patience * steps or number >= scenario.rounds * steps:
            break
    summary = score_summary(together.y[tested], probability(best))
    return {
        "summary": summary,
        "metrics": metrics_from_summary(summary),
        "loss": losses[best_of(losses, scenario.min_improvement)],
    }


def attack_split(job: Job, together: Together, rounds: int) -> dict[str, Any]:
    """Attack the views of every party over all rounds of a job.

    Returns
    -------
    dict
        As `clients.vertical_attacks.attack`. All feature parties get the same gradients;
        ``label_inference_half_known`` is the ROC-AUC of an attacker who has half of the rows'
        labels to learn from. The label party's view is of the rows that do not train: it sees
        their sums in every round.
    """
    settings = settings_of(job)
    source = RandomSource()

    def protect(gradients: Array) -> Array:
        return protected(gradients, settings.clip, settings.noise_multiplier, source)

    networks = _Networks(job, together, steps=settings.local_steps)
    received, seen = _views(networks, together, rounds, protect)
    plainly = _Networks(job, together, steps=settings.local_steps)
    unprotected, _ = _views(plainly, together, rounds, lambda gradients: gradients)
    trains = together.part == TRAIN
    y, names = together.y[trains], list(together.x)[1:]
    inferred = _inferred(received, y, job.seed)
    return {
        "rounds": rounds,
        "clip": settings.clip,
        "noise_multiplier": settings.noise_multiplier,
        "label_inference": dict.fromkeys(names, inferred),
        "label_inference_half_known": _half_known(received, y, job.seed),
        "label_inference_split_learning": _inferred(unprotected, y, job.seed),
        "model_completion": {
            name: {
                "labels": FEW,
                **model_completion(
                    together.x[name][trains],
                    network.embed(np.flatnonzero(trains)),
                    y,
                    FEW,
                    job.seed,
                ),
            }
            for name, network in zip(names, networks.features, strict=True)
        },
        "feature_reconstruction": {
            "known_share": SHARE,
            **feature_reconstruction(
                next(iter(together.x.values()))[~trains],
                seen[~trains],
                np.hstack([together.x[name][~trains] for name in names]),
                SHARE,
                job.seed,
            ),
        },
    }


class _Networks:
    """All parties' networks of a job, from their beginning."""

    def __init__(self, job: Job, together: Together, steps: int) -> None:
        self._job, self._part = job, together.part
        self._plan = replace(plan_of(job), steps=steps)
        own, *others = together.x.values()
        self.label = LabelNetwork(own, together.y, self._plan, job.seed)
        self.features = [
            FeatureNetwork(x[:, :-1].copy(), x[:, -1].copy(), self._plan, job.seed + at)
            for at, x in enumerate(others, start=1)
        ]

    def train(
        self, protect: Callable[[Array], Array] = lambda gradients: gradients
    ) -> Iterator[Exchange]:
        return train_split(
            self.label,
            self.features,
            np.flatnonzero(self._part == TRAIN),
            np.flatnonzero(self._part != TRAIN),
            np.flatnonzero(self._part == VALID),
            width=self._plan.embedding,
            size=settings_of(self._job).batch_size,
            seed=self._job.seed,
            protect=protect,
        )


def _views(
    networks: _Networks, together: Together, rounds: int, protect: Callable[[Array], Array]
) -> tuple[list[Array], Array]:
    """Return what feature parties got for each training row, and the sums of all rows.

    Returns
    -------
    list of array, shape (training rows, embedding)
        By visit; a row that was not visited once more has zeros.
    array, shape (rows, rounds * embedding)
    """
    place = np.cumsum(together.part == TRAIN) - 1
    visits = np.zeros(int((together.part == TRAIN).sum()), np.intp)
    received: list[Array] = []
    sums: list[Array] = []
    for _, exchange in zip(range(rounds), networks.train(protect), strict=False):
        rows = place[exchange.rows]
        while visits[rows].max() >= len(received):
            received.append(np.zeros((len(visits), exchange.gradients.shape[1])))
        for at in np.unique(visits[rows]):
            now = visits[rows] == at
            received[at][rows[now]] = exchange.gradients[now]
        visits[rows] += 1
        sums.append(exchange.summed)
    return received, np.hstack(sums)


def _inferred(received: list[Array], y: Array, seed: int) -> dict[str, float]:
    """Attack labels by all visits side by side, and by their mean: the better counts."""
    found = [
        label_inference(view, y, seed) for view in (np.hstack(received), np.mean(received, axis=0))
    ]
    return {kind: max(of[kind] for of in found) for kind in found[0]}


def _half_known(received: list[Array], y: Array, seed: int) -> float:
    view = np.mean(received, axis=0)
    known = np.random.default_rng(seed).random(len(y)) < 0.5
    scaled = view / np.maximum(view.std(axis=0), 1e-300)
    fitted = LogisticRegression(max_iter=500).fit(scaled[known], y[known])
    return float(roc_auc_score(y[~known], fitted.decision_function(scaled[~known])))
