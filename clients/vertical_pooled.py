"""The pooled baseline of a vertical job: all parties' columns in one place. Research mode only.

It runs where all sites' state folders are on one machine, a simulation; nothing of it can be
asked for over the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from clients.alignment import read_alignment
from clients.platform import TEST, TRAIN
from clients.site import Site
from clients.vertical import label_material, shared_rows
from edufed.config import Job, SiteSettings
from edufed.metrics import metrics_from_summary, score_summary
from edufed.vertical import log_loss, probability

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Together:
    """All parties' columns of the rows they share, in the job's order.

    Attributes
    ----------
    x : dict of str to array, shape (rows, columns)
        By party, the label party first.
    y : array, shape (rows,)
    part : uint8 array, shape (rows,)
    """

    x: dict[str, Array]
    y: Array
    part: npt.NDArray[np.uint8]

    def of(self, part: int) -> tuple[list[Array], Array]:
        """Return the parties' columns and the targets of one part's rows."""
        rows = self.part == part
        return [x[rows] for x in self.x.values()], self.y[rows]


def gather(job: Job, sites: Sequence[SiteSettings]) -> Together:
    """Put together what the parties of a job that has ended keep apart."""
    opened = {settings.name: Site(settings) for settings in sites}
    assert job.label_party is not None
    label = opened.pop(job.label_party)
    rows = read_alignment(label, job.id).rows
    own = label_material(label, job)
    part = own.part[rows]
    x = {label.name: own.x[rows]}
    for name, site in opened.items():
        x[name] = shared_rows(site, job, read_alignment(site, job.id).rows, part).x
    return Together(x, own.y[rows], part)


def pooled_vertical(job: Job, together: Together) -> dict[str, Any]:
    """Train one logistic regression on all parties' columns.

    Returns
    -------
    dict
        `summary` of the test learners' risks, and the `loss`, penalty included, that is the
        lowest there is for the training rows.
    """
    x, y = together.of(TRAIN)
    ridge = job.model.l2
    model = LogisticRegression(
        C=1 / (ridge * len(y)), solver="newton-cholesky", tol=1e-8, max_iter=200
    )
    model.fit(np.hstack(x), y)
    logit = model.decision_function(np.hstack(x))
    loss = float(log_loss(logit, y)) + ridge / 2 * float((model.coef_**2).sum())
    x_test, y_test = together.of(TEST)
    summary = score_summary(y_test, probability(model.decision_function(np.hstack(x_test))))
    return {"summary": summary, "metrics": metrics_from_summary(summary), "loss": loss}
