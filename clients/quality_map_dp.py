"""The quality map with differential privacy, the site's half.

The coordinator's: `server/strategies/quality_map_dp.py`. Two questions: `quality_hello` (is the
site there: nothing of its learners) and `quality_sums` (noisy cells, each learner's part bounded;
and how the ledger stands).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from clients.answer import Answer
from clients.quality_map import read
from clients.site import Site
from clients.spending import answer_once, close, noisy, reserve, reserved
from clients.summation import advert, contribute
from edufed.arrays import Arrays
from edufed.config import SettingsError
from edufed.config.job import Job
from edufed.privacy.dp.sums import release
from edufed.quality.private import WIDTH, exact_cells
from edufed.share import Share


def hello(site: Site, job: Job, meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Say that the site takes part, and reserve what the job will spend."""
    read(site, job)
    reserve(site, job, [float(noise) for noise in meta["noise"]])
    return {}, advert(site, job, resumed=bool(meta["resumed"]))


def send_sums(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with the noisy cell of the site's region and its noisy part of the groups' cells."""
    budget, own = reserved(site, job), job.quality_map.private
    regions = [str(name) for name in meta["regions"]]
    if regions.count(site.settings.name) != 1:
        raise SettingsError(f"the map's regions do not name {site.settings.name!r} once")

    def answer() -> Share:
        exact, groups = exact_cells(read(site, job)[0], own.most_courses, own.most_use)
        entry, cells = budget["regions"], np.zeros((len(regions), WIDTH))
        # The noise of a region is all its own site's, in a secure sum too: no other site has a
        # part in its cell. Other regions' cells are 0 whatever the learners here.
        cells[regions.index(site.settings.name)] = release(
            exact, entry.clip, entry.charge.noise_multiplier
        )
        return Share(sums={"regions": cells, "groups": noisy(site, job, groups, budget["groups"])})

    asked = {"regions": np.frombuffer(repr(regions).encode(), dtype=np.uint8)}
    spent = [(entry, 1) for entry in budget.entries]
    share = answer_once(site, job, "quality_sums", asked, spent, answer)
    return {"ledger": close(site, job)}, contribute(site, job, share, arrays)
