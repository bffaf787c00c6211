"""Hand the finished recommender to the sites, and keep the coordinator's copy."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import edufed
from edufed.recommend.features import FEATURES
from edufed.recommend.published import (
    Recommender,
    RecommenderDescription,
    SiteShare,
    save_recommender,
)
from edufed.wire import SUM, WEIGHT, Arrays, prefixed
from server.federation import Federation
from server.report.contract import Report, Site
from server.services import Save
from server.strategies.recommend import Outcome


def hand_over(federation: Federation, outcome: Outcome, report: Report) -> Save:
    """Publish the job's recommender to its sites; return what writes the coordinator's copy."""
    job = federation.job
    description = RecommenderDescription(
        edufed=edufed.__version__,
        job=job.id,
        created=datetime.now(UTC).date().isoformat(),
        scenario=job.scenario.name,
        task="recommend",
        data=job.data.name,
        settings=job.recommend,
        features=list(FEATURES),
        rounds=len(outcome.rounds),
        table=cast(dict[str, Any], report.more["recommend"])["table"],
        sites=[
            SiteShare(
                site=site.site,
                n_train=site.n_train or 0,
                n_test=site.n_test or 0,
                ndcg_at_10=_score(site),
            )
            for site in report.sites
        ],
        privacy=report.privacy.model_dump(mode="json"),
    )
    model: Arrays = {
        f"{WEIGHT}ranker": outcome.trained.weights,
        f"{WEIGHT}vectors": outcome.trained.vectors,
    }
    both = model | prefixed(SUM, outcome.counts.arrays)
    federation.ask(
        "query.publish",
        {
            "description": description.model_dump(mode="json"),
            **outcome.counts.meta(whole=set(outcome.metrics) != set(federation.nodes)),
        },
        lambda site: model if site in outcome.metrics else both,
        least=0,  # the job is done: a site that is away now does not undo it
    )
    return partial(save_recommender, Recommender(description, outcome.trained, outcome.agreed))


def _score(site: Site) -> float | None:
    return None if site.federated is None else cast(Any, site.federated.more["ndcg_at_10"])
