"""Every feature there is, in the fixed order that all sites share."""

from __future__ import annotations

from edufed.features import activity, assessment, background, rhythm
from edufed.features.feature import Feature
from edufed.records import LearningRecords

#: Changes whenever a feature's meaning, the order or the list does; keys the feature cache.
FEATURE_VERSION = "1"

FEATURES: tuple[Feature, ...] = (
    *activity.FEATURES,
    *rhythm.FEATURES,
    *assessment.FEATURES,
    *background.FEATURES,
)

NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)


def available(records: LearningRecords) -> tuple[str, ...]:
    """Names of the features that this site can supply, in the catalogue's order.

    A feature needs its tables and columns; clicks on a kind of resource also need at least
    one resource of that kind.
    """
    have = {f"{table}.{column}" for table in records.present() for column in records.columns(table)}
    kinds: set[str] = set()
    if "resources.kind" in have:
        rows = records.connection.execute("SELECT DISTINCT kind FROM resources").fetchall()
        kinds = {f"kind_{kind}" for (kind,) in rows}
    return tuple(
        feature.name
        for feature in FEATURES
        if have.issuperset(feature.needs) and (feature.group != "kind" or feature.name in kinds)
    )
