"""Evidence for recognising outcomes, the site's half. Coordinator: `server/strategies/certify.py`.

A model is trained as for early warning (`clients/horizontal.py`). Then two more questions:
`conformity` (how calibration learners score, counted by result and bin) and `evaluate.certify`
(do the federation's bounds hold for test learners?). With the finished model the site writes an
evidence list of its own learners, which stays here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clients import horizontal
from clients.answer import Answer
from clients.education import education_of
from clients.evidence import write_evidence
from clients.publish import publish as keep_model
from clients.site import Site
from clients.split import fold_of
from clients.summation import contribute
from clients.training import predict_logit
from edufed.arrays import Arrays
from edufed.certify.calibration import Calibration, calibration_of
from edufed.certify.conformal import BINS, bins_of, count, tally, unstack
from edufed.certify.probability import merged
from edufed.config.job import Job
from edufed.metrics import score_summary
from edufed.share import Share

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """A site's learners under the finished model.

    Attributes
    ----------
    bins : int64 array, shape (rows,)
        Of the logit of passing.
    passed : bool array, shape (rows,)
    valid : bool array, shape (rows,)
        Validation learners, of the courses that training learners are in.
    fold : int64 array, shape (rows,)
        Of learners of the courses that are tested on; -1 for all others.
    """

    bins: npt.NDArray[np.int64]
    passed: Mask
    valid: Mask
    fold: npt.NDArray[np.int64]

    def counts(self, folds: int) -> npt.NDArray[np.int64]:
        """Count learners of each fold, shape (folds, 2, BINS)."""
        return np.stack([self._count(self.fold == number) for number in range(folds)])

    def earlier(self) -> npt.NDArray[np.int64]:
        """Count validation learners: calibration by earlier courses, shape (2, BINS)."""
        return self._count(self.valid)

    def _count(self, rows: Mask) -> npt.NDArray[np.int64]:
        return count(self.bins[rows], self.passed[rows])


def hello(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Say what the site has for this job, and its education type."""
    said, keys = horizontal.hello(site, job, meta, arrays)
    return {**said, "education": education_of(site)}, keys


def send_conformity(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with calibration learners' scores, counted under the site's own group."""
    scored = score(site, job, meta, arrays)
    groups: list[str] = meta["groups"]
    own = groups.index(education_of(site) if job.certify.quantiles == "education" else groups[0])
    calibration = np.zeros((len(groups), job.certify.folds, 2, BINS), dtype=np.int64)
    earlier = np.zeros((len(groups), 2, BINS), dtype=np.int64)
    calibration[own], earlier[own] = scored.counts(job.certify.folds), scored.earlier()
    sums: Arrays = {"calibration": calibration, "earlier": earlier}
    return {}, contribute(site, job, Share(sums=sums), arrays)


def evaluate(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Tell how the bounds hold for this site's test learners, and keep them for the evidence.

    The site's own numbers go along in clear, so that coverage can be reported by region; not
    those of fewer test learners than `task.min_cohort`.
    """
    scored = score(site, job, meta, arrays)
    calibration = _calibration(site, job, scored, meta, arrays)
    site.store.save(_file(job), calibration.to_arrays())
    rows = scored.fold >= 0
    bins, fold, passed = scored.bins[rows], scored.fold[rows], scored.passed[rows]
    sets = tally(calibration.kinds(bins, fold), passed)
    earlier = tally(calibration.earlier.kinds(bins), passed)
    types: list[str] = meta["types"]
    by_type = np.zeros((len(types), 2, 2, 4), dtype=np.int64)
    by_type[types.index(education_of(site))] = sets, earlier
    low, high = calibration.probabilities(bins, fold)
    sums: Arrays = {
        "sets": by_type,
        "probability": score_summary(~passed, 1.0 - merged(low, high)),
    }
    said: dict[str, Any] = {"n": len(bins)}
    if len(bins) >= job.early_warning.min_cohort:
        said["sets"], said["earlier"] = sets.tolist(), earlier.tolist()
    if job.certify.quantiles == "site":
        said["calibration"] = [calibration.passed, calibration.failed]
    return {"certify": said}, contribute(site, job, Share(sums=sums), arrays)


def publish(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Keep the model, and write the evidence list; the answer says that it is done, no more."""
    answer = keep_model(site, job, meta, arrays)
    kept = site.store.load(_file(job))
    if kept is not None:  # a site that was away for the evaluation has no bounds, and no evidence
        scored = score(site, job, meta, arrays)
        calibration = Calibration.from_arrays(kept)
        write_evidence(site, job, scored.bins, scored.fold, calibration, meta, arrays)
    return answer


def score(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Scored:
    """Score all of the site's learners with the model that came."""
    data = horizontal.prepared(site, job, meta, arrays).design
    model = horizontal.model_from(site, job, data.x.shape[1], meta, arrays)
    learner_id = site.learners(job.early_warning.cutoff_day).matrix.learner_id
    return Scored(
        bins=bins_of(-predict_logit(model, data.x)),
        passed=data.y == 0,
        valid=data.split.valid,
        fold=np.where(data.split.test, fold_of(learner_id, job), -1),
    )


def _calibration(
    site: Site, job: Job, scored: Scored, meta: Mapping[str, Any], arrays: Arrays
) -> Calibration:
    """Return the calibration of the site's group; the site's own where it is a group by itself."""
    if job.certify.quantiles == "site":
        return calibration_of(
            scored.counts(job.certify.folds), scored.earlier(), job.certify.coverage
        )
    groups: list[str] = meta["groups"]
    own = groups.index(education_of(site) if job.certify.quantiles == "education" else groups[0])
    passed, failed = arrays["calibrated"][own].tolist()
    return Calibration(
        bounds=unstack(arrays["bounds"][own]),
        tables=arrays["tables"][own],
        earlier=unstack(arrays["earlier"][own][None])[0],
        passed=passed,
        failed=failed,
    )


def _file(job: Job) -> str:
    return f"jobs/{job.id}/certify"
