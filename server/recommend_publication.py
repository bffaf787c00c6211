"""Hand the finished recommender to the sites, and keep the coordinator's copy."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import edufed
from edufed.arrays import Arrays, prefixed
from edufed.config.task import RecommendSettings
from edufed.recommend.features import FEATURES
from edufed.recommend.models import Trained
from edufed.recommend.published import (
    Recommender,
    RecommenderDescription,
    SiteScore,
    save_recommender,
)
from edufed.wire import SUM, WEIGHT
from server.answers import PrivatelyPublished, fault
from server.exchange import Reply
from server.federation import Federation
from server.report.contract import Report, Site
from server.services import Save
from server.strategies import recommend_dp
from server.strategies.recommend import Outcome
from server.strategies.recommend_agreement import AgreedCounts
from server.summation import Check


def hand_over(federation: Federation, outcome: Outcome, report: Report) -> Save:
    """Publish the job's recommender to its sites; return what writes the coordinator's copy."""
    description = _describe(federation, report, federation.job.recommend, len(outcome.rounds))
    _send(federation, description, outcome.trained, outcome.counts, set(outcome.metrics))
    return partial(save_recommender, Recommender(description, outcome.trained, outcome.agreed))


def hand_over_privately(
    federation: Federation, outcome: recommend_dp.Outcome, report: Report
) -> Save:
    """Do the same for a job with differential privacy; sites say how their ledgers stand."""
    settings = federation.job.recommend.model_copy(update={"ease_l2": outcome.l2})
    description = _describe(federation, report, settings, 0)
    replies = _send(
        federation,
        description,
        outcome.trained,
        outcome.counts,
        set(outcome.sites),
        lambda reply: fault(PrivatelyPublished, reply.meta),
    )
    outcome.ledgers = {site: reply.meta["ledger"] for site, reply in replies.items()}
    return partial(save_recommender, Recommender(description, outcome.trained, outcome.agreed))


def _describe(
    federation: Federation, report: Report, settings: RecommendSettings, rounds: int
) -> RecommenderDescription:
    job = federation.job
    return RecommenderDescription(
        edufed=edufed.__version__,
        job=job.id,
        created=datetime.now(UTC).date().isoformat(),
        scenario=job.scenario.name,
        task="recommend",
        data=job.data.name,
        settings=settings,
        features=list(FEATURES),
        rounds=rounds,
        table=cast(dict[str, Any], report.more["recommend"])["table"],
        sites=[
            SiteScore(
                site=site.site,
                n_train=site.n_train or 0,
                n_test=site.n_test or 0,
                ndcg_at_10=_score(site),
            )
            for site in report.sites
        ],
        privacy=report.privacy.model_dump(mode="json"),
    )


def _send(
    federation: Federation,
    description: RecommenderDescription,
    trained: Trained,
    counts: AgreedCounts,
    have: set[str],
    check: Check = lambda _: None,
) -> dict[str, Reply]:
    """Send the model to every site; and the counts to those that do not `have` them."""
    model: Arrays = {f"{WEIGHT}ranker": trained.weights, f"{WEIGHT}vectors": trained.vectors}
    both = model | prefixed(SUM, counts.arrays)
    replies, _ = federation.ask(
        "query.publish",
        {
            "description": description.model_dump(mode="json"),
            **counts.meta(whole=have != set(federation.nodes)),
        },
        lambda site: model if site in have else both,
        check=check,
        least=0,  # the job is done: a site that is away now does not undo it
    )
    return dict(replies)


def _score(site: Site) -> float | None:
    return None if site.federated is None else cast(Any, site.federated.more["ndcg_at_10"])
