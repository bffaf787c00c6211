"""Horizontal federation, the site's half. The coordinator's: `server/strategies/horizontal.py`.

Five questions, in order: `hello` (who takes part, with what), `statistics` (sums for scaling
and cohort ranks), `train` (once a round: score the model that came, then improve it), `evaluate`
(score the chosen model on test learners, and the baselines), `publish` (keep the model).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clients import fairness
from clients.answer import Answer
from clients.design import Design, FloatArray, build_design, statistics
from clients.kept import KEPT
from clients.site import Site
from clients.split import check_trainable, split
from clients.summation import advert, contribute
from clients.training import (
    decayed,
    mean_loss,
    predict_risk,
    train_locally,
    train_to_convergence,
)
from edufed.arrays import Arrays, unprefixed
from edufed.config.job import Job
from edufed.config.strategy import FedPerSettings, FedProxSettings
from edufed.features import FeatureMatrix
from edufed.metrics import metrics_from_summary, score_summary
from edufed.models import RiskModel, build_model, get_weights, personal_names, set_weights
from edufed.narrow import narrowed, widened
from edufed.share import Share
from edufed.tasks.early_warning import days_since_visit
from edufed.updates import clip_update
from edufed.wire import SUM, WEIGHT


@dataclass(frozen=True)
class Prepared:
    """A site's rows for one job, as the model reads them.

    Attributes
    ----------
    design : Design
    absent : float32 array, shape (rows,)
        Days since each learner's last visit.
    """

    design: Design
    absent: FloatArray

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        design = self.design
        return design.x.nbytes + design.y.nbytes + self.absent.nbytes + 3 * len(design.y)


class UnpreparedError(Exception):
    """The site lacks the federation's sums: it joined late, or lost its state."""


def hello(site: Site, job: Job, meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Say what the site has for this job: counts and course ids, no learner."""
    started = time.monotonic()
    learners = site.learners(job.early_warning.cutoff_day)
    seconds = time.monotonic() - started
    matrix = learners.matrix
    parts = split(matrix, job)
    check_trainable(parts, matrix, job)
    return {
        "courses": sorted(set(matrix.course_id.tolist())),
        "n_train": int(parts.train.sum()),
        "n_valid": int(parts.valid.sum()),
        "n_test": int(parts.test.sum()),
        "missing": matrix.missing,
        "quality": learners.quality,
        "seconds_features": seconds,
    }, advert(site, job, resumed=bool(meta["resumed"]))


def send_statistics(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the site's share of the sums."""
    sums = statistics(site.learners(job.early_warning.cutoff_day).matrix, job, meta["cohorts"])
    return {}, contribute(site, job, Share(sums=sums), arrays)


def train(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Score the global model on the validation learners, then train it on the training ones."""
    data = prepared(site, job, meta, arrays).design
    model = model_from(site, job, data.x.shape[1], meta, arrays)
    x, y = data.part(data.split.train)
    sums = _before_test(site, job, model, data)
    settings = job.local_training
    train_locally(
        model,
        x,
        y,
        epochs=settings.local_epochs,
        batch_size=settings.batch_size,
        learning_rate=decayed(
            settings.learning_rate, int(meta["model_round"]), job.scenario.rounds
        ),
        l2=job.model.l2,
        proximal_mu=settings.proximal_mu if isinstance(settings, FedProxSettings) else 0.0,
        seed=round_seed(job, site.name, int(meta["model_round"])),
    )
    weights = keep_personal(site, job, model, int(meta["model_round"]) + 1)
    if settings.max_update_norm is not None:
        # Here too, as nobody else sees a single update under secure aggregation.
        weights = clip_update(weights, unprefixed(WEIGHT, arrays), settings.max_update_norm)
    return {}, contribute(site, job, Share(weights, float(len(x)), sums), arrays)


def evaluate(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Score the chosen model on validation and test learners; add the baselines on request.

    The site's own metrics go along in clear, so that the report can name the worst site.
    """
    ready = prepared(site, job, meta, arrays)
    data = ready.design
    model = model_from(site, job, data.x.shape[1], meta, arrays)
    x_test, y_test = data.part(data.split.test)
    absent = ready.absent[data.split.test]
    risk = predict_risk(model, x_test)
    test = score_summary(y_test, risk)
    sums = {
        **_before_test(site, job, model, data),
        "test": test,
        "rule": score_summary(y_test, (absent >= job.early_warning.absent_days).astype(float)),
        **fairness.summarised(_matrix(site, job), data.split.test, risk, meta["told"]),
    }
    own = {"federated": metrics_from_summary(test)}
    if meta["local"]:
        own["local"] = metrics_from_summary(local_only(site, job))
    return {"metrics": own}, contribute(site, job, Share(sums=sums), arrays)


def _before_test(site: Site, job: Job, model: RiskModel, data: Design) -> Arrays:
    """Return what judges a model on validation learners, and how large the groups to test are."""
    x, y = data.part(data.split.valid)
    loss = mean_loss(model, x, y) * len(x) if len(x) else 0.0
    return {
        "valid": score_summary(y, predict_risk(model, x)),
        "loss_valid": np.array([loss, len(x)]),
        **fairness.counted(_matrix(site, job), data.split.test),
    }


def _matrix(site: Site, job: Job) -> FeatureMatrix:
    return site.learners(job.early_warning.cutoff_day).matrix


def local_only(site: Site, job: Job) -> npt.NDArray[np.float64]:
    """Score the test learners with a model of this site's records alone, ranks and scaling too."""
    matrix = site.learners(job.early_warning.cutoff_day).matrix
    cohorts = sorted(set(matrix.course_id.tolist()))
    alone = build_design(matrix, job, cohorts, statistics(matrix, job, cohorts))
    seed = round_seed(job, site.name, 0)
    model = fit_alone(job, alone, seed)
    x_test, y_test = alone.part(alone.split.test)
    return score_summary(y_test, predict_risk(model, x_test))


def fit_alone(job: Job, data: Design, seed: int) -> RiskModel:
    """Train a fresh model on one design, with the federation's budget: a baseline."""
    model = build_model(job.model, data.x.shape[1], job.seed)
    train_to_convergence(
        model,
        *data.part(data.split.train),
        *data.part(data.split.valid),
        rounds=job.scenario.rounds,
        patience=job.scenario.patience,
        min_delta=job.scenario.min_improvement,
        epochs=job.local_training.local_epochs,
        batch_size=job.local_training.batch_size,
        learning_rate=job.local_training.learning_rate,
        l2=job.model.l2,
        seed=seed,
    )
    return model


def prepared(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Prepared:
    """Return the site's design, by the sums in this message or those kept from an earlier one."""
    kept = _sums_file(job)
    sums = unprefixed(SUM, arrays)
    if sums:
        cohorts = np.array(meta["cohorts"], dtype=str)
        small = {name: narrowed(array) for name, array in sums.items()}
        site.store.save(kept, small | {"cohorts": cohorts})
    key = ("design", site.settings.model_dump_json(), job.model_dump_json())
    return KEPT.get(key, lambda: _prepare(site, job, kept))


def _prepare(site: Site, job: Job, kept: str) -> Prepared:
    stored = site.store.load(kept)
    if stored is None:
        raise UnpreparedError("the site does not have the federation's sums")
    cohorts = [str(cohort) for cohort in stored.pop("cohorts")]
    sums = {name: widened(array) for name, array in stored.items()}
    matrix = site.learners(job.early_warning.cutoff_day).matrix
    return Prepared(build_design(matrix, job, cohorts, sums), days_since_visit(matrix))


def model_from(
    site: Site, job: Job, columns: int, meta: Mapping[str, Any], arrays: Arrays
) -> RiskModel:
    """Return a model with the weights that came, and under FedPer the site's own last layers."""
    model = build_model(job.model, columns, job.seed)
    weights = unprefixed(WEIGHT, arrays)
    personal = _personal(job, model)
    if personal:
        own = own_layers(site, job, int(meta["model_round"])) or get_weights(model)
        weights |= {name: own[name] for name in personal}
    set_weights(model, weights)
    return model


def keep_personal(site: Site, job: Job, model: RiskModel, number: int) -> Arrays:
    """Store what stays at the site after round `number`; return what may leave it."""
    weights: Arrays = dict(get_weights(model))
    personal = _personal(job, model)
    if personal:
        own = {name: weights.pop(name) for name in personal}
        site.store.save(_personal_file(job, number), own)
    return weights


def own_layers(site: Site, job: Job, number: int) -> Arrays | None:
    """Return the site's own layers of round `number`, or of its last round before that."""
    for earlier in range(number, 0, -1):
        own = site.store.load(_personal_file(job, earlier))
        if own is not None:
            return own
    return None


def _personal(job: Job, model: RiskModel) -> set[str]:
    settings = job.strategy
    if not isinstance(settings, FedPerSettings):
        return set()
    return personal_names(model, settings.personal_layers)


def _sums_file(job: Job) -> str:
    return f"jobs/{job.id}/sums"


def _personal_file(job: Job, number: int) -> str:
    return f"jobs/{job.id}/personal-{number:04d}"


def round_seed(job: Job, site: str, number: int) -> int:
    """Return a seed for one site's round: the same in every run, else different."""
    text = f"{job.seed}/{site}/{number}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
