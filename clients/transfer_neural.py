"""Neural transfer, the site's half. The coordinator's: `server/strategies/transfer_neural.py`.

Every site trains a model of its own features; encoders stay where they are. What a site sends is
the head (LG-FedAvg), sums of embeddings by class (FedProto), or logits of generated rows (FedMD).
`hello` and `moments` are those of `clients.transfer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from clients.answer import Answer
from clients.canonical import domain
from clients.horizontal import round_seed
from clients.site import Site
from clients.summation import contribute
from clients.transfer import hello as hello
from edufed.arrays import Arrays, unprefixed
from edufed.config.job import Job
from edufed.config.model import MlpSettings
from edufed.config.strategy import FedMDSettings, FedProtoSettings, NeuralTransfer
from edufed.metrics import Metrics, metrics_from_summary, score_summary
from edufed.share import Share
from edufed.transfer import neural
from edufed.transfer.gate import judge
from edufed.transfer.imputer import Imputer, PairMoments
from edufed.transfer.neural import EncodedModel, Pull
from edufed.transfer.prior import losses
from edufed.wire import SUM, WEIGHT

Array = npt.NDArray[np.float64]
#: Share of a site's labelled learners on whom the gate judges; no model is trained on them.
HELD = 0.25


@dataclass(frozen=True)
class Rows:
    """A site's learners, canonical columns first: to train on, to judge by, to test on."""

    x: Array
    y: Array
    x_held: Array
    y_held: Array
    x_test: Array
    y_test: Array
    canonical: int


def train(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Train this site's model for one round, drawn to what the federation says."""
    settings, rows = _settings(job), _rows(site, job)
    model = _model(job, rows)
    kept = site.store.load(_file(job))
    if kept is not None:
        neural.put(model, kept)
    neural.put(model, unprefixed(WEIGHT, arrays))
    _train(
        model,
        rows,
        job,
        round_seed(job, site.name, int(meta["model_round"])),
        _pull(job, rows, arrays),
    )
    site.store.save(_file(job), _whole(model))
    loss = float(losses(rows.y, neural.logits(model, rows.x)).sum()) if len(rows.y) else 0.0
    sums: Arrays = {"loss": np.array([loss, len(rows.y)])}
    means: Arrays = {}
    if isinstance(settings, FedProtoSettings):
        sums["prototypes"], sums["count"] = neural.class_sums(model, rows.x, rows.y)
    elif isinstance(settings, FedMDSettings):
        means["logits"] = neural.logits(model, _generated(job, rows, arrays))
    else:
        means |= neural.head_of(model)
    return {}, contribute(site, job, Share(means, float(len(rows.y)), sums), arrays)


def evaluate(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Score this site's model and one trained alone; say which of them the gate would use."""
    rows = _rows(site, job)
    model, alone = _model(job, rows), _model(job, rows)
    kept = site.store.load(_file(job))
    if kept is not None:
        neural.put(model, kept)
    neural.put(model, unprefixed(WEIGHT, arrays))
    for number in range(int(meta["model_round"])):
        _train(alone, rows, job, round_seed(job, site.name, number), Pull())
    held = [losses(rows.y_held, neural.logits(each, rows.x_held)) for each in (model, alone)]
    verdict = judge(*held) if len(rows.y_held) > 1 else None
    return {
        "federated": _metrics(model, rows),
        "local": _metrics(alone, rows),
        "gate": None if verdict is None else asdict(verdict),
    }, {}


def _settings(job: Job) -> NeuralTransfer:
    assert isinstance(job.strategy, NeuralTransfer)
    return job.strategy


def _rows(site: Site, job: Job) -> Rows:
    """A site's rows; of the target, no more labels than the job allows."""
    own = domain(site, job)
    x = np.concatenate([own.learners.canonical, own.learners.private], axis=1)
    y = own.learners.y
    order = np.random.default_rng(job.seed).permutation(np.flatnonzero(own.train))
    most = _settings(job).target_labels
    if most is not None and job.domain_of(site.name).name == job.data.target:
        order = order[:most]
    held = order[: int(HELD * len(order))]
    trained = order[len(held) :]
    return Rows(
        *(x[trained], y[trained], x[held], y[held], x[own.test], y[own.test]),
        canonical=own.learners.canonical.shape[1],
    )


def _model(job: Job, rows: Rows) -> EncodedModel:
    assert isinstance(job.model, MlpSettings)
    return neural.build(
        rows.x.shape[1], job.model.hidden, _settings(job).embedding, job.model.dropout, job.seed
    )


def _train(model: EncodedModel, rows: Rows, job: Job, seed: int, pull: Pull) -> None:
    settings = _settings(job)
    if len(rows.y):
        neural.train(
            model,
            rows.x,
            rows.y,
            epochs=settings.local_epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            l2=job.model.l2,
            seed=seed,
            pull=pull,
        )


def _pull(job: Job, rows: Rows, arrays: Arrays) -> Pull:
    settings = job.strategy
    if isinstance(settings, FedProtoSettings) and "prototypes" in arrays:
        return Pull(arrays["prototypes"], settings.prototype_weight)
    if isinstance(settings, FedMDSettings) and "logits" in arrays:
        return Pull(
            rows=_generated(job, rows, arrays),
            logits=arrays["logits"],
            distillation_weight=settings.distillation_weight,
        )
    return Pull()


def _generated(job: Job, rows: Rows, arrays: Arrays) -> Array:
    """Rows drawn from the federation's moments, as this site's model reads them."""
    assert isinstance(job.strategy, FedMDSettings)
    moments = PairMoments(**unprefixed(SUM + "moments/", arrays))
    drawn = neural.generated(Imputer.from_moments(moments), job.strategy.generated, job.seed)
    return np.concatenate([drawn, np.zeros((len(drawn), rows.x.shape[1] - rows.canonical))], axis=1)


def _metrics(model: EncodedModel, rows: Rows) -> Metrics:
    risk = expit(neural.logits(model, rows.x_test)) if len(rows.y_test) else np.zeros(0)
    return metrics_from_summary(score_summary(rows.y_test, risk))


def _whole(model: EncodedModel) -> Arrays:
    return {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}


def _file(job: Job) -> str:
    return f"jobs/{job.id}/encoder"
