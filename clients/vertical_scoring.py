"""Joint scoring with a vertical model, the site's half: `server/strategies/vertical_scoring.py`.

The label party asks about its current learners. They are aligned as for training; with the last
step each feature party sends its masked scores, and the label party alone can add them up. What
comes of it is written at the label party, and goes nowhere else. A party that is away, or that
keeps no block of the model, is left out: that costs accuracy, not the answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clients.alignment import Mail, align_step, later_step
from clients.answer import Answer
from clients.block import Block, load_block
from clients.calibration import Calibration
from clients.contribution import contribution, logits, width
from clients.delivery import deliver
from clients.parties import Parties, Parts
from clients.platform import identifiers
from clients.predict import write_predictions
from clients.site import Learners, Site
from clients.steps import StepError, forget_steps
from edufed.acting.issue import Issue
from edufed.arrays import Arrays
from edufed.config.job import Job
from edufed.config.scenario import VerticalSettings
from edufed.features import FeatureMatrix
from edufed.privacy.psi import Alignment
from edufed.vertical.sums import add_up, masked

Array = npt.NDArray[np.float64]

_SCORES = "scores"
#: Number under which scores are masked: scoring is one sum.
_ROUND = 0


def hello(site: Site, job: Job, _meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Say in which role the site takes part, with how many columns, and how many it asks about."""
    block, learners = _block(site, job), _learners(site, job)
    leads = site.name == block.job.label_party
    identifiers(learners)
    return {
        "role": "label" if leads else "feature",
        "n_train": 0,
        "n_valid": 0,
        "n_test": int(_current(learners.matrix).sum()) if leads else 0,
        "features": len(block.columns.names) + (not leads),
        "learners": len(set(learners.links.tolist()) - {""}),
        "quality": learners.quality,
        "seconds_features": 0.0,
    }, {}


def align(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Take one step of the alignment; at its end, a feature party sends its masked scores."""
    learners = _learners(site, job)
    ids = identifiers(learners)
    leads = site.name == job.label_party
    if leads:
        ids = [ids[at] for at in np.flatnonzero(_current(learners.matrix))]

    def finish(
        parties: Parties, alignment: Alignment, _mail: Mail
    ) -> tuple[Arrays, dict[str, Any], dict[str, Parts]]:
        kept: Arrays = {"rows": alignment.rows}
        if parties.leads:
            return kept, {"rows": len(alignment), "left_out": len(ids) - len(alignment)}, {}
        scores = _own_scores(site, job, learners.matrix, alignment)
        vector = masked(scores.ravel(), parties.me, parties.features, _ROUND, parties.shared)
        letter = parties.seal(parties.leader, _SCORES, {_SCORES: vector})
        said = {"present": int(alignment.present.sum())}
        return kept, said, {parties.leader: {_SCORES: letter}}

    return align_step(site, job, meta, arrays, ids, finish)


def score(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Add up all parties' scores at the label party, and write its learners' risks there."""
    started = time.monotonic()
    learners = _learners(site, job)

    def then(
        parties: Parties, state: Arrays, mail: Mail
    ) -> tuple[Arrays, dict[str, Any], dict[str, Parts]]:
        if not parties.leads:
            raise StepError("scores are added up at the label party alone")
        missing = sorted(set(parties.others) - set(mail))
        if missing:
            raise StepError(f"there are no scores of {missing[0]}: align the others again")
        vectors = [
            parties.unseal(name, _SCORES, parts[_SCORES])[_SCORES] for name, parts in mail.items()
        ]
        block, rows = _block(site, job), state["rows"]
        current = np.flatnonzero(_current(learners.matrix))
        # Who has no identifier is scored by this party's own columns.
        others = np.zeros((len(learners.matrix), width(block)))
        others[current[rows]] = add_up(vectors, len(rows) * width(block)).reshape(len(rows), -1)
        total = logits(block, learners.matrix, others)[current]
        frame = _frame(learners.matrix, current, total, block.calibration or Calibration())
        deliver(site.settings, Issue.now(job.id, site.name, job.task.name), frame)
        write_predictions(frame, predictions_file(site, job.id))
        return {}, {"scored": len(frame), "seconds": time.monotonic() - started}, {}

    said, _ = later_step(site, job, meta, arrays, then)
    forget_steps(site, job.id)
    return said, {}


def predictions_file(site: Site, job_id: str) -> Path:
    """Where the label party keeps what a scoring job found."""
    return site.store.folder / "predictions" / f"{job_id}.csv"


def _trained(job: Job) -> str:
    assert isinstance(job.scenario, VerticalSettings)
    assert job.scenario.model is not None
    return job.scenario.model


def _block(site: Site, job: Job) -> Block:
    return load_block(site, _trained(job))


def _learners(site: Site, job: Job) -> Learners:
    return site.learners(job.early_warning.cutoff_day)


def _current(matrix: FeatureMatrix) -> npt.NDArray[np.bool_]:
    """Rows to score: those without a result yet; all, where every result is known."""
    unknown = np.isnan(matrix.target)
    return unknown if unknown.any() else np.ones(len(matrix), dtype=bool)


def _own_scores(site: Site, job: Job, matrix: FeatureMatrix, alignment: Alignment) -> Array:
    """What a feature party's block adds for the shared rows, 0 where it lacks the learner."""
    block = _block(site, job)
    scores = np.zeros((len(alignment), width(block)))
    scores[alignment.present] = contribution(block, matrix)[alignment.rows[alignment.present]]
    return scores


def _frame(
    matrix: FeatureMatrix, rows: npt.NDArray[np.intp], logit: Array, calibration: Calibration
) -> pd.DataFrame:
    risk = calibration.risk(logit)
    order = np.argsort(-risk, kind="stable")
    place = np.arange(len(order))
    return pd.DataFrame(
        {
            "learner_id": matrix.learner_id[rows][order],
            "course_id": matrix.course_id[rows][order],
            "risk": risk[order],
            "rank": place + 1,
            "decile": 10 - place * 10 // max(len(order), 1),
        }
    )
