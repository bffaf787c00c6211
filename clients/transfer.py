"""Transfer between education types, the site's half. Coordinator: `server/strategies/transfer.py`.

Five questions, in order: `hello` (who takes part, and which canonical features it supplies),
`moments` (sums from which missing features can be filled in), `train` (once a step: this site's
gradient and curvature of the sources' models), `scores` (how the finished models place the sources'
learners) and `evaluate` (asked of targets alone: what each makes of the model, with none, few and
all of its labels).

No row leaves a site, and of a target nothing but metrics does: its fitted model stays where it is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from clients.answer import Answer
from clients.canonical import Domain, domain
from clients.site import Site
from clients.summation import advert, contribute
from clients.transfer_scores import keep
from edufed.arrays import Arrays, unprefixed
from edufed.config.job import Job
from edufed.config.scenario import TransferSettings
from edufed.features.canonical import canonical_design
from edufed.metrics import Metrics, metrics_from_summary, score_summary
from edufed.records import CANONICAL
from edufed.share import Share
from edufed.transfer.curve import Learners, learning_curve, roc_auc
from edufed.transfer.imputer import (
    Imputer,
    PairMoments,
    filled_ranks,
    normal_scores,
    pair_moments,
)
from edufed.transfer.newton import curvature
from edufed.transfer.prior import scores
from edufed.transfer.target import Fitted, fit_target, predicted
from edufed.transfer.zero_label import empty_summary, risk_by_rank
from edufed.wire import SUM, WEIGHT

Array = npt.NDArray[np.float64]
Results = dict[str, Any]


def hello(site: Site, job: Job, meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Say what the site has for this job: counts, and which canonical features it lacks."""
    started = time.monotonic()
    own = domain(site, job)
    return {
        "courses": [],
        "n_train": int(own.train.sum()),
        "n_valid": 0,
        "n_test": int(own.test.sum()),
        "missing": [name for name in CANONICAL if name not in own.features.supplied],
        "quality": own.quality,
        "seconds_features": time.monotonic() - started,
    }, advert(site, job, resumed=bool(meta["resumed"]))


def send_moments(site: Site, job: Job, _meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the site's share of the moments of canonical features, over present pairs."""
    own = domain(site, job)
    sums = asdict(pair_moments(normal_scores(own.features.ranks)))
    return {}, contribute(site, job, Share(sums=sums), arrays)


def train(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the site's share of each model's gradient, curvature and loss.

    A site that is no source of a model adds nothing to its sums, and nobody sees that it does.
    """
    own = domain(site, job)
    weights = arrays[WEIGHT + "models"]
    learners = own.learners.part(own.train)
    models, columns = weights.shape
    gradient, loss = np.zeros((models, columns)), np.zeros((models, 2))
    hessian = np.zeros((models, columns, columns))
    for number in _models_of(site, job, meta):
        local = curvature(learners.canonical, learners.y, weights[number])
        gradient[number], hessian[number] = local.gradient, local.hessian
        loss[number] = local.loss
    sums = {"gradient": gradient, "hessian": hessian, "loss": loss}
    return {}, contribute(site, job, Share(sums=sums), arrays)


def send_scores(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the site's share of each model's score summary, on the source's test learners."""
    own = domain(site, job)
    weights = arrays[WEIGHT + "models"]
    learners = own.learners.part(own.test)
    summaries = np.zeros((len(weights), *empty_summary().shape))
    for number in _models_of(site, job, meta):
        risk = expit(scores(learners.canonical, weights[number]))
        summaries[number] = score_summary(learners.y, risk)
    return {}, contribute(site, job, Share(sums={"scores": summaries}), arrays)


def evaluate(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Try what each model is worth here, keep the fitted one, and answer with metrics."""
    own = domain(site, job)
    weights, summaries = arrays[WEIGHT + "models"], arrays[SUM + "scores"]
    moments = PairMoments(**unprefixed(SUM + "moments/", arrays))
    found = []
    mine = job.domain_of(site.name).name
    for place, number in enumerate(meta["models"][mine]):
        # The curve over numbers of labels is drawn for the first model, that of all sources.
        results, chosen = _direction(own, job, weights[number], summaries[number], place == 0)
        if place == 0:
            keep(site, job, own.standard, chosen, summaries[number])
        found.append(results)
    if mine in meta["filling"]:
        source = weights[meta["filling"][mine]]
        found[0]["imputation"] = _filled_in(own, Imputer.from_moments(moments), source)
    return {"directions": found}, {}


def _models_of(site: Site, job: Job, meta: Mapping[str, Any]) -> list[int]:
    """Numbers of the models of which this site is a source."""
    name = job.domain_of(site.name).name
    return [number for number, sources in enumerate(meta["sources"]) if name in sources]


def _direction(
    own: Domain, job: Job, source: Array, summary: Array, drawn: bool
) -> tuple[Results, Fitted]:
    settings = job.scenario
    assert isinstance(settings, TransferSettings)
    pool, test = own.learners.part(own.train), own.learners.part(own.test)
    unlabelled = scores(own.learners.canonical[~own.test], source)
    z = scores(test.canonical, source)
    rng = np.random.default_rng(job.seed)
    fitted = fit_target(pool.canonical, pool.private, pool.y, source, settings.folds, rng)
    local = fitted.target_only
    sizes = settings.label_sizes if drawn else []
    return {
        "zero_label": {
            **_metrics(test, risk_by_rank(z, unlabelled, summary)),
            "as_it_came": _metrics(test, expit(z)),
        },
        "gate": asdict(fitted.verdict),
        "federated": _metrics(test, expit(_predicted(test, fitted.chosen()))),
        "local": None if local is None else _metrics(test, expit(_predicted(test, local))),
        "table": learning_curve(
            pool, test, source, sizes, settings.draws, settings.folds, job.seed
        ),
    }, fitted


def _filled_in(own: Domain, imputer: Imputer, source: Array) -> Results:
    """Compare features that this site lacks, filled in, with leaving them out: zero labels."""
    lacking = np.array([name not in own.features.supplied for name in CANONICAL])
    placed = own.features.ranks[own.test]
    filled = np.where(lacking, filled_ranks(imputer, placed), placed)
    y = own.learners.y[own.test]
    return {
        "filled": [n for n, add in zip(CANONICAL, lacking & imputer.known, strict=True) if add],
        "roc_auc": roc_auc(_canonical(filled, y), source),
        "left_out": roc_auc(_canonical(placed, y), source),
    }


def _canonical(placed: Array, y: Array) -> Learners:
    return Learners(canonical_design(placed), np.zeros((len(y), 0)), y)


def _predicted(learners: Learners, w: Array) -> Array:
    return predicted(learners.canonical, learners.private, w)


def _metrics(learners: Learners, risk: Array) -> Metrics:
    return metrics_from_summary(score_summary(learners.y, risk))
