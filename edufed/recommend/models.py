"""The models that are compared: each gives every learner and resource of a course a score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.config.task import RecommendSettings
from edufed.recommend.counts import BEGUN_DAYS, USED_DAYS, Counts
from edufed.recommend.factors import learner_vectors
from edufed.recommend.features import FEATURES, features
from edufed.recommend.items import Items
from edufed.recommend.usage import Interactions

Scores = dict[str, npt.NDArray[np.floating]]

#: Made of all sites' sums.
FEDERATED = ("ranker", "factors", "ease", "cosine", "begun_7", "used_14", "used_all")
#: Made of one site's own counts.
ALONE = ("ease_alone", "cosine_alone", "used_14_alone")
MODELS = (*FEDERATED, *ALONE)
#: The one to beat.
BASELINE = "used_14"


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Attributes
    ----------
    weights : float64 array, shape (len(FEATURES),)
        Of the ranker.
    vectors : float64 array, shape (resources of all courses, rank)
    """

    weights: npt.NDArray[np.float64]
    vectors: npt.NDArray[np.float64]


def start_weights() -> npt.NDArray[np.float64]:
    """Weights from which the ranker starts: chances in proportion to the last week's users."""
    return np.array([float(name == "used_7") for name in FEATURES])


def score(
    seen: Interactions,
    counts: Counts,
    kinds: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    vectors: npt.NDArray[np.float64],
    task: RecommendSettings,
) -> Scores:
    """Score with the models of `FEDERATED`; each array has shape (learners, resources)."""
    items = Items.of(counts, task.ease_l2)
    x = features(seen, counts, items, kinds, task.cutoff_day)
    own = learner_vectors(seen.used, vectors, task.alpha, task.factor_l2)
    return {
        "ranker": x @ weights,
        "factors": own @ vectors.T,
        **score_counted(seen, counts, items),
    }


def score_counted(seen: Interactions, counts: Counts, items: Items) -> Scores:
    """Score with those models that are nothing but counts."""
    return {
        "begun_7": _same(counts.begun[BEGUN_DAYS.index(7)], seen),
        "used_all": _same(counts.users, seen),
        **_by_counts(seen, counts, items),
    }


def score_alone(seen: Interactions, own: Counts, task: RecommendSettings) -> Scores:
    """Score with the models of `ALONE`, from the site's `own` counts."""
    found = _by_counts(seen, own, Items.of(own, task.ease_l2))
    return {f"{name}_alone": scores for name, scores in found.items()}


def _by_counts(seen: Interactions, counts: Counts, items: Items) -> Scores:
    used = seen.used.astype(np.float64)
    return {
        "ease": used @ items.ease,
        "cosine": used @ items.cosine,
        "used_14": _same(counts.used[USED_DAYS.index(14)], seen),
    }


def _same(count: npt.NDArray[np.int64], seen: Interactions) -> npt.NDArray[np.floating]:
    return np.broadcast_to(count.astype(np.float64), seen.first.shape)
