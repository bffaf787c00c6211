"""The pooled baseline: one model on all sites' rows in one place. Research mode only.

It runs where all sites' state folders are on one machine, a simulation; nothing of it can be
asked for over the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clients.design import Design, build_design, statistics
from clients.horizontal import fit_alone
from clients.site import Site
from clients.split import Split
from clients.training import predict_risk
from edufed.config import Job, SiteSettings
from edufed.metrics import score_summary


def pooled_scores(job: Job, sites: Sequence[SiteSettings]) -> dict[str, npt.NDArray[np.float64]]:
    """Train on all sites' training rows; score each site's test rows.

    Returns
    -------
    dict of str to array
        By site, an `edufed.metrics.score_summary` of its test learners.
    """
    matrices = {
        site.name: Site(site).learners(job.early_warning.cutoff_day).matrix for site in sites
    }
    cohorts = sorted({course for matrix in matrices.values() for course in matrix.course_id})
    parts = [statistics(matrix, job, cohorts) for matrix in matrices.values()]
    sums = {name: np.sum([part[name] for part in parts], axis=0) for name in parts[0]}
    designs = {name: build_design(matrix, job, cohorts, sums) for name, matrix in matrices.items()}
    # As many steps as one site takes, each on a batch as large as all sites' together: what
    # the sites do side by side in a round, and steadier than more steps on small batches.
    at_once = job.local_training.batch_size * len(designs)
    strategy = job.local_training.model_copy(update={"batch_size": at_once})
    together = job.model_copy(update={"strategy": strategy})
    model = fit_alone(together, _together(list(designs.values())), job.seed)
    return {
        name: score_summary(
            design.y[design.split.test], predict_risk(model, design.x[design.split.test])
        )
        for name, design in designs.items()
    }


def _together(designs: list[Design]) -> Design:
    return Design(
        x=np.concatenate([design.x for design in designs]),
        y=np.concatenate([design.y for design in designs]),
        split=Split(
            train=np.concatenate([design.split.train for design in designs]),
            valid=np.concatenate([design.split.valid for design in designs]),
            test=np.concatenate([design.split.test for design in designs]),
        ),
    )
