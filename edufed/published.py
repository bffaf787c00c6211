"""The trained model as a folder that a site can keep, check and score with.

    model.json          what the model is, checked against `Description` when loaded
    model.safetensors   weights, and the federation's sums behind scaling and cohort ranks
    card.md card.zh.md  what it may be used for, and how good it is, for people

Nothing in it executes when loaded, and nothing in it describes one learner.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config.errors import Settings
from edufed.config.model import ModelSettings
from edufed.config.numbers import NotNegativeInt
from edufed.model_card import write_cards
from edufed.model_folder import (
    TENSORS,
    ModelDescription,
    description_in,
    read_manifest,
    read_tensors,
    write_model,
)
from edufed.models import RiskModel, Weights, build_model, set_weights
from edufed.narrow import narrowed, widened
from edufed.records import DataError

_WEIGHTS, _ARRAYS = "weights/", "arrays/"


class SiteScore(Settings):
    """One site's part in the model, and how well it serves its learners."""

    site: str
    n_train: NotNegativeInt | None  # not told under differential privacy
    n_test: NotNegativeInt | None
    roc_auc: float | None


class Description(ModelDescription):
    """Everything about a model but its numbers.

    Parameters
    ----------
    strategy : str
        Its name.
    cutoff : float
        Days after course start; a learner is scored with what is known by then.
    relative, min_cohort
        Whether the design has ranks within the course cohort, and from how many learners on.
    features, features_version, columns
        The catalogue that the model was trained with, and the design's columns in order.
    seed, rounds : int
        The job's seed; rounds until the weights that were kept.
    metrics : dict
        Of the test learners of all sites, as `edufed.metrics.Metrics`.
    sites : list of SiteScore
    privacy : dict
        As in the report.
    personal : list of str
        Weights that each site keeps for itself and that are not in this folder (FedPer).
    design : {"exact", "private"}
        Columns by exact sums over all sites, or in fixed units and beside noisy course means.
    """

    strategy: str
    model: ModelSettings
    cutoff: float
    relative: bool
    min_cohort: NotNegativeInt
    features: list[str]
    features_version: str
    columns: list[str]
    seed: NotNegativeInt
    rounds: NotNegativeInt
    metrics: dict[str, float | None]
    sites: list[SiteScore]
    privacy: dict[str, Any]
    personal: list[str] = Field(default=[])
    design: Literal["exact", "private"] = "exact"


class _Manifest(Description):
    """`model.json`: the description, arrays of text, and the tensors' checksum."""

    texts: dict[str, list[str]]
    sha256: str


@dataclass(frozen=True)
class PublishedModel:
    """A trained model with all that scoring needs.

    Attributes
    ----------
    description : Description
    weights : dict of float32 arrays
        The shared weights, by name.
    arrays : dict of arrays
        Sums behind scaling and cohort ranks, and what else the features need; numbers, or
        one-dimensional text.
    """

    description: Description
    weights: Weights
    arrays: Arrays


def save_published(model: PublishedModel, folder: Path) -> None:
    """Write `model` as `folder`, whole or not at all; an older model there is replaced.

    Raises
    ------
    DataError
        Something that is no published model stands in the way, or the disk refuses.
    """
    numbers = {name: array for name, array in model.arrays.items() if array.dtype.kind in "biuf"}
    texts = {
        name: [str(text) for text in array]
        for name, array in model.arrays.items()
        if name not in numbers
    }
    description = model.description.model_dump()
    write_model(
        folder,
        {**description, "texts": texts},
        prefixed(_WEIGHTS, model.weights)
        | prefixed(_ARRAYS, {name: narrowed(array) for name, array in numbers.items()}),
        lambda new: write_cards(new, description),
    )


def load_published(folder: Path) -> PublishedModel:
    """Read a published model and check it.

    Raises
    ------
    DataError
        A file is missing, damaged, or does not say what it should; the message names it.
    """
    manifest = read_manifest(folder, _Manifest)
    tensors = read_tensors(folder, manifest.sha256)
    weights = unprefixed(_WEIGHTS, tensors)
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise DataError(f"{folder / TENSORS}: a weight is NaN or infinite; train the model again")
    return PublishedModel(
        description=description_in(manifest, Description),
        weights=weights,
        arrays={name: widened(array) for name, array in unprefixed(_ARRAYS, tensors).items()}
        | {name: np.array(texts, dtype=np.str_) for name, texts in manifest.texts.items()},
    )


def restore_model(published: PublishedModel, personal: Weights | None = None) -> RiskModel:
    """Build the torch model with the published weights, ready to score.

    Parameters
    ----------
    published : PublishedModel
    personal : dict of arrays, optional
        The site's own layers, for a model that has personal ones.

    Raises
    ------
    DataError
        Weights and description do not fit, or the site's own layers are needed and missing.
    """
    description = published.description
    needed = set(description.personal)
    if missing := sorted(needed - set(personal or {})):
        raise DataError(
            f"the model of job {description.job} keeps {', '.join(missing)} at each site, and this"
            " site has none: take part in a job with strategy=fedper, or use another model"
        )
    model = build_model(description.model, len(description.columns), description.seed)
    own = {name: array for name, array in (personal or {}).items() if name in needed}
    try:
        set_weights(model, published.weights | own)
    except ValueError as error:
        raise DataError(f"{TENSORS}: does not fit model.json: {error}") from None
    return model.eval()
