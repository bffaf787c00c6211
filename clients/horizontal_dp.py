"""Horizontal federation with differential privacy, the site's half.

The coordinator's: `server/strategies/horizontal_dp.py`. The same five questions as in
`clients/horizontal.py`, in the same order, but no answer holds anything exact of a learner: numbers
of learners, course sums, training and test scores leave with noise, each once a job, each noted in
the site's ledger before; nothing else that depends on learners' records leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients.answer import Answer
from clients.horizontal import UnpreparedError, model_from, prepared
from clients.publish import publish as keep
from clients.site import Site
from clients.spending import (
    answer_once,
    answered,
    close,
    noisy,
    noisy_among,
    reserve,
    reserved,
)
from clients.split import split
from clients.summation import advert, contribute
from clients.training import TrainingError, predict_risk
from edufed.arrays import Arrays, unprefixed
from edufed.config import Job, SettingsError
from edufed.config.privacy import DpSettings
from edufed.config.strategy import DpFedAvgSettings
from edufed.features import FeatureMatrix
from edufed.models import get_weights
from edufed.privacy.dp.budget import Entry
from edufed.privacy.dp.evaluation import score_counts
from edufed.privacy.dp.statistics import course_sums
from edufed.privacy.dp.sums import Float64Array
from edufed.private_job import GRID, courses_of, kind_of, local_steps, privacy_of
from edufed.share import Share
from edufed.updates import clip_update
from edufed.wire import WEIGHT

if TYPE_CHECKING:
    from edufed.privacy.dp.training import AdaptiveClip

#: Least deviation of the noise in the count of learners whose gradients stay whole.
COUNT_DEVIATION = 20.0
#: Name of the step that asks for numbers of learners and course sums.
STATISTICS = "statistics"


def hello(site: Site, job: Job, meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Read the records, and reserve what the job will spend: nothing of a learner leaves."""
    site.learners(job.early_warning.cutoff_day)
    reserve(site, job, [float(noise) for noise in meta["noise"]])
    return {}, advert(site, job, resumed=bool(meta["resumed"]))


def send_statistics(site: Site, job: Job, _meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with noisy numbers of learners and, where the job has a catalogue, course sums."""
    budget, courses = reserved(site, job), courses_of(job)
    entries = [budget["counts"], *([budget["statistics"]] if courses else [])]

    def answer() -> Share:
        matrix = site.learners(job.early_warning.cutoff_day).matrix
        sums: Arrays = {"learners": noisy(site, job, _counts(matrix, job), budget["counts"])}
        if courses:
            exact = course_sums(matrix, courses)
            sums["courses"] = noisy(site, job, exact, budget["statistics"])
        return Share(sums=sums)

    share = answer_once(site, job, STATISTICS, {}, [(entry, 1) for entry in entries], answer)
    return {}, contribute(site, job, share, arrays)


def train(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Train the global model privately; or, under shared noise, give a gradient's noisy sum."""
    number = int(meta["step"])
    if not 1 <= number <= job.scenario.rounds:
        raise SettingsError(f"round {number} is beyond the {job.scenario.rounds} of the job")
    budget = reserved(site, job)
    step = _local_model if kind_of(job) == "site" else _gradient
    share = answer_once(
        site,
        job,
        f"train-{number:04d}",
        unprefixed(WEIGHT, arrays),
        [(budget["training"], local_steps(job))],
        lambda: step(site, job, meta, arrays, budget["training"]),
    )
    return {}, contribute(site, job, share, arrays)


def _local_model(
    site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays, entry: Entry
) -> Share:
    """Train by DP-SGD: the weights are private to each learner."""
    # Opacus takes a second to import, and only training needs it.
    from edufed.privacy.dp.training import PrivateTrainingError, train_privately

    settings, privacy = job.strategy, privacy_of(job)
    assert isinstance(settings, DpFedAvgSettings)
    ready = prepared(site, job, meta, arrays)
    rows = ready.design.split.train
    counted = answered(site, job, STATISTICS)
    if counted is None:
        raise UnpreparedError("the site was not asked how many learners it has")
    learners = max(float(counted.sums["learners"][0]), 1.0)
    model = model_from(site, job, ready.design.x.shape[1], meta, arrays)
    noise = entry.charge.noise_multiplier
    try:
        clip = train_privately(
            model,
            *ready.design.part(rows),
            _learner_ids(site, job)[rows],
            noise_multiplier=noise,
            clip=_clip(site, job, noise),
            sample_rate=privacy.sampling_rate,
            steps=settings.local_steps,
            population=learners,
            learning_rate=settings.learning_rate,
            l2=job.model.l2,
        )
    except PrivateTrainingError as error:
        raise TrainingError(str(error)) from None
    site.store.save(_clip_file(job), {"clip": np.array(clip)})  # it left the site in the model
    weights: Arrays = dict(get_weights(model))
    if settings.max_update_norm is not None:
        weights = clip_update(weights, unprefixed(WEIGHT, arrays), settings.max_update_norm)
    return Share(weights, learners)


def _clip(site: Site, job: Job, noise: float) -> float | AdaptiveClip:
    """Return the clip to begin a round with: the job's, or where the last round's had moved to."""
    from edufed.privacy.dp.training import AdaptiveClip

    assert isinstance(job.privacy, DpSettings)
    if job.privacy.clip_quantile is None:
        return job.privacy.clip
    kept = site.store.load(_clip_file(job))
    start = float(kept["clip"]) if kept is not None else job.privacy.clip
    # A count this noisy takes a hundredth of the budget of a step at most.
    deviation = max(COUNT_DEVIATION, 5.0 * noise)
    return AdaptiveClip(start, job.privacy.clip_quantile, deviation=deviation)


def _clip_file(job: Job) -> str:
    return f"jobs/{job.id}/clip"


def _gradient(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays, entry: Entry) -> Share:
    """Add up clipped gradients and this site's share of the noise: private in the sum alone."""
    from edufed.privacy.dp.training import PrivateTrainingError, gradient_share

    privacy = privacy_of(job)
    ready = prepared(site, job, meta, arrays)
    rows = ready.design.split.train
    model = model_from(site, job, ready.design.x.shape[1], meta, arrays)
    try:
        gradient = gradient_share(
            model,
            *ready.design.part(rows),
            _learner_ids(site, job)[rows],
            noise_multiplier=entry.charge.noise_multiplier,
            clip=privacy.clip,
            sample_rate=privacy.sampling_rate,
            minimum_sites=noisy_among(site, job),
            grid=GRID,
        )
    except PrivateTrainingError as error:
        raise TrainingError(str(error)) from None
    return Share(sums=dict(gradient))


def evaluate(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Count test learners by outcome and risk, with noise."""
    entry = reserved(site, job)["evaluation"]

    def answer() -> Share:
        ready = prepared(site, job, meta, arrays)
        rows = ready.design.split.test
        model = model_from(site, job, ready.design.x.shape[1], meta, arrays)
        x, y = ready.design.part(rows)
        counts = score_counts(y, predict_risk(model, x), _learner_ids(site, job)[rows])
        return Share(sums={"scores": noisy(site, job, counts, entry)})

    asked = unprefixed(WEIGHT, arrays)
    share = answer_once(site, job, "evaluate", asked, [(entry, 1)], answer)
    return {}, contribute(site, job, share, arrays)


def publish(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Keep the model, calibrated here for use here; say how the ledger stands."""
    keep(site, job, meta, arrays)
    return {"ledger": close(site, job)}, {}


def _learner_ids(site: Site, job: Job) -> npt.NDArray[np.object_]:
    """Whose each row of the design is; this stays at the site."""
    return site.learners(job.early_warning.cutoff_day).matrix.learner_id


def _counts(matrix: FeatureMatrix, job: Job) -> Float64Array:
    """Learners that train and that test, shape (2,); each counts at most once in either."""
    parts = split(matrix, job)
    counts = [
        len(np.unique(matrix.learner_id[rows].astype(str))) for rows in (parts.train, parts.test)
    ]
    return np.array(counts, dtype=np.float64)
