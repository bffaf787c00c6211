"""The pooled baseline of a cold start: all parties' columns in one place. Research mode only.

As `clients/vertical_pooled.py`, for a label for each category.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from clients.alignment import read_alignment
from clients.newcomers import newcomers
from clients.platform import TRAIN
from clients.site import Site
from clients.taste import taste
from edufed.config import Job, SiteSettings
from edufed.privacy.attacks.features import feature_reconstruction
from edufed.vertical import FeatureBlock, LabelBlock, log_loss

Array = npt.NDArray[np.float64]


#: Share of rows of which the label party is taken to know the others' columns.
SHARE = 0.5


def pooled_cold_start(job: Job, sites: Sequence[SiteSettings], rounds: int) -> dict[str, Any]:
    """Train one logistic regression for each category on all parties' columns of a finished job.

    Returns
    -------
    dict
        `scores`, float64 array, shape (shared rows, foretold categories); `loss`, penalty
        included, the mean over categories: the lowest there is for the training rows; `attacks`:
        how much of the others' columns the label party could rebuild after `rounds` rounds.
    """
    opened = {settings.name: Site(settings) for settings in sites}
    assert job.label_party is not None
    label = opened.pop(job.label_party)
    rows = read_alignment(label, job.id).rows
    own = newcomers(label, job)
    trains = own.part[rows] == TRAIN
    others = [
        taste(site, job).of(read_alignment(site, job.id).rows, trains) for site in opened.values()
    ]
    x = np.hstack([own.x[rows], *others])
    y, ridge = own.y[rows], job.model.l2
    scores, losses = np.empty(y.shape), []
    for number in range(y.shape[1]):
        model = LogisticRegression(
            C=1 / (ridge * trains.sum()), solver="newton-cholesky", tol=1e-8, max_iter=200
        )
        model.fit(x[trains], y[trains, number])
        scores[:, number] = model.decision_function(x)
        fit = log_loss(scores[trains, number], y[trains, number])
        losses.append(float(fit) + ridge / 2 * float((model.coef_**2).sum()))
    rebuilt = _rebuilt(
        job, own.x[rows][trains], [part[trains] for part in others], y[trains], rounds
    )
    return {"scores": scores, "loss": float(np.mean(losses)), "attacks": rebuilt}


def _rebuilt(job: Job, own: Array, others: list[Array], y: Array, rounds: int) -> dict[str, Any]:
    """Train once more in one place, and attack what the label party saw: scores by row."""
    label = LabelBlock(own, y, job.model.l2)
    blocks = [FeatureBlock(part, y.shape[1], job.model.l2) for part in others]
    seen = []
    for _ in range(rounds):
        residual = label.residual()
        total = np.sum(
            [block.propose(part.T @ residual) for block, part in zip(blocks, others, strict=True)],
            axis=0,
        )
        seen.append(total)
        lengths = label.search(total, np.sum([block.pulls() for block in blocks], axis=0))
        for block in blocks:
            block.move(lengths)
    found = feature_reconstruction(own, np.hstack(seen), np.hstack(others), SHARE, job.seed)
    return {"rounds": rounds, "feature_reconstruction": {"known_share": SHARE, **found}}
