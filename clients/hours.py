"""How much of its learners' activity falls into the night, read once and cached at the site."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import numpy.typing as npt

from clients.site import Site
from data_adapters.base import open_adapter
from data_adapters.governance import clean
from edufed import __version__
from edufed.config.portrait import PortraitSettings
from edufed.features.matrix import FeatureMatrix
from edufed.portrait.night import has_hours, night_share
from edufed.records import LearningRecords


def night_at(
    site: Site, settings: PortraitSettings, matrix: FeatureMatrix
) -> npt.NDArray[np.float64]:
    """Return each row's share of activity in the night, NaN where it is not known.

    Parameters
    ----------
    site : Site
    settings : PortraitSettings
    matrix : FeatureMatrix
        The site's, at the cutoff day of `settings`.
    """
    adapter = open_adapter(site.settings.adapter, site.settings.folder)
    records = adapter.read(settings.cutoff_day)
    allowed = site.settings.policy.data.columns()
    parts = [
        records.fingerprint,
        __version__,
        json.dumps(site.settings.adapter, sort_keys=True, default=str),
        json.dumps(allowed),
        repr((settings.cutoff_day, settings.utc_offset_hours)),
    ]
    name = f"night/{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:24]}"
    stored = site.store.load(name)
    if stored is None or len(stored["share"]) != len(matrix):
        stored = {"share": _read(site, settings, matrix, records)}
        site.store.save(name, stored)
    return stored["share"]


def _read(
    site: Site, settings: PortraitSettings, matrix: FeatureMatrix, records: LearningRecords
) -> npt.NDArray[np.float64]:
    # Asked of the records as they come: checking ten million rows again is not for nothing.
    if not has_hours(records, settings.cutoff_day):
        return np.full(len(matrix), np.nan)
    allowed = site.settings.policy.data.columns()
    cleaned, _ = clean(records, site.settings.state / "quarantine", allowed)
    return night_share(cleaned, matrix, settings.cutoff_day, settings.utc_offset_hours)
