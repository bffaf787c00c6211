"""What a simulation computes beside a job with differential privacy: exact, and for comparison.

All of it is read off the simulated sites' own records by the process that runs the simulation. None
of it is in a message, and none of it can be had from sites on machines of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.design import build_design
from clients.horizontal import local_only
from clients.pooled import pooled_scores
from clients.site import Site
from clients.training import predict_risk
from edufed.arrays import Arrays
from edufed.config import Job, SiteSettings, without_privacy
from edufed.features import design_names
from edufed.metrics import score_summary
from edufed.models import build_model, set_weights
from edufed.tasks.early_warning import days_since_visit

Summaries = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Beside:
    """Each site's `edufed.metrics.score_summary` of its test learners.

    Attributes
    ----------
    federated : dict of str to array
        Under the model that the job made.
    rule, pooled, local : dict of str to array
        Under the baselines: trained without noise, with the settings of a job without privacy.
    """

    federated: Summaries
    rule: Summaries
    pooled: Summaries
    local: Summaries


def scores_beside(
    job: Job, sites: Sequence[SiteSettings], weights: Arrays, courses: list[str], sums: Arrays
) -> Beside:
    """Score a job's model and the baselines exactly, on each simulated site's test learners.

    Parameters
    ----------
    job : Job
    sites : sequence of SiteSettings
    weights : dict of arrays
        The model's.
    courses, sums
        What its design is made of (`clients.design.build_design`).
    """
    plain = without_privacy(job)
    beside = Beside({}, {}, pooled_scores(plain, sites), {})
    model = build_model(job.model, len(design_names()), job.seed)
    set_weights(model, weights)
    for settings in sites:
        site = Site(settings)
        matrix = site.learners(job.early_warning.cutoff_day).matrix
        design = build_design(matrix, job, courses, sums)
        x, y = design.part(design.split.test)
        beside.federated[site.name] = score_summary(y, predict_risk(model, x))
        absent = days_since_visit(matrix)[design.split.test] >= job.early_warning.absent_days
        beside.rule[site.name] = score_summary(y, absent.astype(float))
        beside.local[site.name] = local_only(site, plain)
    return beside
