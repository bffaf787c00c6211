"""Hand the finished model to the sites, and keep the coordinator's copy."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import numpy as np
from pydantic import JsonValue

import edufed
from edufed.arrays import prefixed
from edufed.config.strategy import FedPerSettings
from edufed.features import FEATURE_VERSION, FEATURES, design_names
from edufed.models import build_model, personal_names
from edufed.published import Description, PublishedModel, SiteScore, save_published
from edufed.wire import SUM, WEIGHT
from server.answers import PrivatelyPublished, fault
from server.federation import Federation
from server.report.contract import Report
from server.services import Save
from server.strategies.horizontal import Outcome

METRICS = (
    *("n", "positives", "roc_auc", "pr_auc", "brier", "ece"),
    *("precision_at_10", "recall_at_10"),
)


def hand_over(federation: Federation, outcome: Outcome, report: Report) -> Save:
    """Publish the job's model to its sites; return what writes the coordinator's copy."""
    model = describe(federation, outcome, report)
    publish(federation, outcome, model, report.more.get("certify"))
    return partial(save_published, model)


def describe(federation: Federation, outcome: Outcome, report: Report) -> PublishedModel:
    """Return the model that the job chose, with its description."""
    job = federation.job
    federated = report.metrics.federated
    personal: list[str] = []
    if isinstance(job.strategy, FedPerSettings):
        model = build_model(job.model, len(design_names()), job.seed)
        personal = sorted(personal_names(model, job.strategy.personal_layers))
    description = Description(
        edufed=edufed.__version__,
        job=job.id,
        created=datetime.now(UTC).date().isoformat(),
        scenario=job.scenario.name,
        task=job.task.name,
        data=job.data.name,
        strategy=job.strategy.name,
        model=job.model,
        cutoff=job.early_warning.cutoff_day,
        relative=job.early_warning.relative,
        min_cohort=job.early_warning.min_cohort,
        features=[feature.name for feature in FEATURES],
        features_version=FEATURE_VERSION,
        columns=list(design_names()),
        seed=job.seed,
        rounds=outcome.best_round,
        metrics={name: getattr(federated, name) for name in METRICS},
        sites=[
            SiteScore(
                site=site.site,
                n_train=site.n_train,
                n_test=site.n_test,
                roc_auc=site.federated.roc_auc if site.federated else None,
            )
            for site in report.sites
        ],
        privacy=report.privacy.model_dump(mode="json"),
        personal=personal,
        design="private" if outcome.private is not None else "exact",
    )
    arrays = outcome.sums | {"cohorts": np.array(outcome.cohorts, dtype=str)}
    return PublishedModel(description, outcome.weights, arrays)


def publish(
    federation: Federation,
    outcome: Outcome,
    model: PublishedModel,
    certified: JsonValue | None = None,
) -> None:
    """Send the model to every site of the job; each keeps it with its own calibration.

    A job that certifies sends its coverage beside it, for the sites' evidence.
    """
    arrays = prefixed(WEIGHT, model.weights) | prefixed(SUM, outcome.sums)
    private = outcome.private
    replies, _ = federation.ask(
        "query.publish",
        {
            "description": model.description.model_dump(mode="json"),
            "cohorts": outcome.cohorts,
            "model_round": outcome.best_round,
            **({} if certified is None else {"certified": certified}),
        },
        lambda _: arrays,
        check=lambda reply: fault(PrivatelyPublished, reply.meta) if private else None,
        least=0,  # the job is done: a site that is away now does not undo it
    )
    if private is not None:
        private.ledgers = {site: reply.meta["ledger"] for site, reply in replies.items()}
