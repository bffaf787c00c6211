"""The regional quality map, the site's half. The coordinator's: `server/strategies/quality_map.py`.

Three questions, in order: `quality_hello` (which units, terms and courses the site has),
`quality_counts` (how many learners in every cell), `quality_sums` (the measures of those cells
that may be told).
Nothing is trained, and nothing is kept at the site but a cache of its own rows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from clients.answer import Answer
from clients.policy import check_learners, check_quality
from clients.site import Site, basis
from clients.store import Store
from clients.summation import advert, contribute
from data_adapters.base import open_adapter
from data_adapters.governance import clean
from edufed.arrays import Arrays
from edufed.config.job import Job
from edufed.config.site import SiteSettings
from edufed.config.task import QualityMapSettings
from edufed.quality import travel
from edufed.quality.frame import GROUPS, LEVELS, Frame
from edufed.quality.measures import NAMES
from edufed.quality.rows import Rows, read_rows
from edufed.share import Share


def hello(site: Site, job: Job, meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Say which cells the site has learners for: names of units and terms, no number of them."""
    started = time.monotonic()
    rows, quality = read(site, job)
    levels = _settings(job).levels
    named = [level for level in LEVELS if level in levels and (rows.places[level] != "").any()]
    leaves = {tuple(path) for path in zip(*(rows.places[level] for level in named), strict=True)}
    return {
        "levels": named,
        "units": sorted([str(name) for name in path] for path in leaves),
        "terms": sorted({str(term) for term in rows.term}),
        "stages": rows.stages,
        "quality": quality,
        "seconds_features": time.monotonic() - started,
    }, advert(site, job, resumed=bool(meta["resumed"]))


def send_counts(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the site's share of the number of learners in every cell."""
    found = travel.counts(read(site, job)[0], Frame.from_json(meta["frame"]))
    return {}, contribute(site, job, Share(sums={"learners": found}), arrays)


def send_sums(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the site's share of the measures' sums in the cells that are asked for."""
    asked = arrays["asked"].astype(bool)
    found = travel.sums(read(site, job)[0], Frame.from_json(meta["frame"]), asked)
    return {}, contribute(site, job, Share(sums=travel.to_arrays(found)), arrays)


def read(site: Site, job: Job) -> tuple[Rows, dict[str, Any]]:
    """Return the site's rows and the quality of the records behind them.

    Raises
    ------
    DataError
        The platform's tables cannot be read as learning records.
    PolicyRefusalError
        The site's policy does not allow the job with what the tables hold.
    """
    settings = site.settings
    older_from = _settings(job).older_from
    records = open_adapter(settings.adapter, settings.folder).read()
    # "learner": what else a row has since rows were first kept.
    stamp = basis(settings, records, str(older_from), "learner")
    return _read(settings.model_dump_json(), older_from, stamp)


@lru_cache(maxsize=32)
def _read(settings_json: str, older_from: int, stamp: str) -> tuple[Rows, dict[str, Any]]:
    settings = SiteSettings.model_validate_json(settings_json)
    stored = Store(settings.state).load_or_make(
        "quality", stamp, lambda: _build(settings, older_from)
    )
    said = json.loads(str(stored["said"]))
    rows = Rows(
        places={level: stored[level] for level in LEVELS},
        learner=stored["learner"],
        course=stored["course"],
        term=stored["term"],
        groups={group: stored[group] for group in GROUPS if group != "stage"},
        measures={measure: stored[measure] for measure in NAMES},
        stages=said["stages"],
    )
    check_quality(settings.policy, said["quality"]["rows"], said["quality"]["rejected"])
    check_learners(settings.policy, len(rows))
    return rows, said["quality"]


def _build(settings: SiteSettings, older_from: int) -> Arrays:
    records = open_adapter(settings.adapter, settings.folder).read()
    allowed = settings.policy.data.columns()
    cleaned, quality = clean(records, settings.state / "quarantine", allowed)
    rows = read_rows(cleaned, settings.name, older_from)
    said = {"stages": rows.stages, "quality": quality.compact(settings.name)}
    return {
        **rows.places,
        **rows.groups,
        **rows.measures,
        "learner": rows.learner,
        "course": rows.course,
        "term": rows.term,
        "said": np.array(json.dumps(said)),
    }


def _settings(job: Job) -> QualityMapSettings:
    assert isinstance(job.task, QualityMapSettings)
    return job.task
