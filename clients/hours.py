"""How much of its learners' activity falls into the night, read once and cached at the site."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clients.site import Site, basis
from data_adapters.base import open_adapter
from data_adapters.governance import clean
from edufed.config.portrait import PortraitSettings
from edufed.features import FEATURE_VERSION, FeatureMatrix
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
    when = repr((settings.cutoff_day, settings.utc_offset_hours))
    stored = site.store.load_or_make(
        "night",
        basis(site.settings, records, FEATURE_VERSION, when),
        lambda: {"share": _read(site, settings, matrix, records)},
    )
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
