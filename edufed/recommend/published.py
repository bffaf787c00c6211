"""The trained recommender as a folder that a site can keep, check and make lists with.

    model.json          catalogues, settings and figures, checked when loaded
    model.safetensors   the ranker's weights, resources' vectors, and all sites' summed counts
    card.md card.zh.md  what it may be used for, and how good it is, for people

Nothing in it executes when loaded. Counts are sums over all sites' learners, small ones too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config.errors import Settings
from edufed.config.numbers import NotNegativeInt
from edufed.config.task import RecommendSettings
from edufed.model_card import write_cards
from edufed.model_folder import (
    JSON,
    TENSORS,
    ModelDescription,
    SiteShare,
    description_in,
    read_manifest,
    read_tensors,
    write_model,
)
from edufed.recommend.agreed import Course, from_message, to_message
from edufed.recommend.counts import flat_like
from edufed.recommend.features import FEATURES
from edufed.recommend.models import Trained
from edufed.records import RESOURCE_KINDS, DataError

_COUNTS = "counts/"


class SiteScore(SiteShare):
    """One site's part in the recommender, and how well it serves its learners."""

    ndcg_at_10: float | None


class RecommenderDescription(ModelDescription):
    """Everything about a recommender but its numbers.

    Parameters
    ----------
    settings : RecommendSettings
        Of the job's task.
    features : list of str
        The ranker's features, in order.
    table : list of dict
        The report's comparison of models.
    sites : list of SiteScore
    privacy : dict
        As in the report.
    """

    task: Literal["recommend"]
    settings: RecommendSettings
    features: list[str]
    rounds: NotNegativeInt
    table: list[dict[str, Any]]
    sites: list[SiteScore]
    privacy: dict[str, Any]


class _AgreedCourse(Settings):
    course: str
    resources: list[str]
    kinds: list[Annotated[int, Field(ge=0, lt=len(RESOURCE_KINDS))]]
    trains: bool
    tests: bool


class _Manifest(RecommenderDescription):
    """`model.json`: the description, the agreed courses, and the tensors' checksum."""

    courses: list[_AgreedCourse]
    sha256: str


@dataclass(frozen=True)
class Recommender:
    """A trained recommender with all that a list needs but the learner."""

    description: RecommenderDescription
    trained: Trained
    agreed: list[Course]


def save_recommender(model: Recommender, folder: Path) -> None:
    """Write `model` as `folder`, whole or not at all; an older model there is replaced.

    Raises
    ------
    DataError
        Something that is no published model stands in the way, or the disk refuses.
    """
    said, counts = to_message(model.agreed)
    description = model.description.model_dump(mode="json")
    write_model(
        folder,
        {**description, "courses": said},
        {
            "ranker": model.trained.weights,
            "vectors": model.trained.vectors,
            **prefixed(_COUNTS, counts),
        },
        lambda new: write_cards(new, description, "recommender"),
    )


def load_recommender(folder: Path) -> Recommender:
    """Read a recommender and check it.

    Raises
    ------
    DataError
        A file is missing, damaged, or does not say what it should; the message names it.
    """
    manifest = read_manifest(folder, _Manifest)
    if tuple(manifest.features) != FEATURES:
        raise DataError(
            f"the model of job {manifest.job} ranks by other features than this EduFed has; install"
            f" EduFed {manifest.edufed} or train again"
        )
    tensors = read_tensors(folder, manifest.sha256)
    said = [course.model_dump() for course in manifest.courses]
    sizes = [len(course["resources"]) for course in said]
    expected = {
        "ranker": (len(FEATURES),),
        "vectors": (sum(sizes), manifest.settings.rank),
        **{_COUNTS + name: array.shape for name, array in flat_like(sizes).items()},
    }
    _check(folder, tensors, expected)
    return Recommender(
        description_in(manifest, RecommenderDescription),
        Trained(tensors["ranker"], tensors["vectors"]),
        from_message(said, unprefixed(_COUNTS, tensors)),
    )


def _check(folder: Path, tensors: Arrays, expected: dict[str, tuple[int, ...]]) -> None:
    for name, shape in expected.items():
        if name not in tensors or tensors[name].shape != shape:
            raise DataError(
                f"{folder / TENSORS}: {name} does not fit {JSON}; copy the folder again"
            )
        if not np.isfinite(tensors[name]).all():
            raise DataError(f"{folder / TENSORS}: {name} is NaN or infinite; train the model again")
