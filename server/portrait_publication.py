"""Hand the finished portraits to the sites, and keep the coordinator's copy."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import edufed
from edufed.arrays import Arrays, prefixed
from edufed.features.catalogue import FEATURE_VERSION
from edufed.portrait.published import (
    PortraitDescription,
    Portraits,
    SiteShare,
    save_portraits,
)
from edufed.wire import SUM, WEIGHT
from server.federation import Federation
from server.report.contract import Report
from server.services import Save
from server.strategies.portrait import Outcome


def hand_over(federation: Federation, outcome: Outcome, report: Report) -> Save:
    """Publish the job's rules and clusters to its sites; return what writes the copy."""
    job, chosen = federation.job, outcome.chosen
    accepted = chosen if chosen is not None and chosen.accepted else None
    description = PortraitDescription(
        edufed=edufed.__version__,
        job=job.id,
        created=datetime.now(UTC).date().isoformat(),
        scenario=job.scenario.name,
        task="portrait",
        data=job.data.name,
        settings=job.portrait,
        features_version=FEATURE_VERSION,
        family=accepted.candidate.family.name if accepted else None,
        table=cast(dict[str, Any], report.more["portrait"])["table"],
        sites=[
            SiteShare(site=site.site, n_train=site.n_train or 0, n_test=site.n_test or 0)
            for site in report.sites
        ],
        privacy=report.privacy.model_dump(mode="json"),
    )
    fit = accepted.fit if accepted else {}
    arrays: Arrays = {f"{SUM}counts": outcome.counts, **prefixed(WEIGHT, fit)}
    federation.ask(
        "query.publish",
        {"description": description.model_dump(mode="json"), "cohorts": outcome.cohorts},
        lambda _: arrays,
        least=0,  # the job is done: a site that is away now does not undo it
    )
    return partial(save_portraits, Portraits(description, outcome.cohorts, outcome.counts, fit))
