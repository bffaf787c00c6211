"""Portraits as a folder that a site can keep, check and tag its learners with.

    model.json          rules, courses and figures, checked when loaded
    model.safetensors   histograms of all sites' learners by course, and the accepted clusters
    card.md card.zh.md  what it may be used for, and how good it is, for people

Nothing in it executes when loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config.portrait import PortraitSettings
from edufed.features.catalogue import FEATURE_VERSION
from edufed.features.cohort import BINS
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
from edufed.portrait.fits import Family
from edufed.records import DataError

_FIT = "fit/"


class PortraitDescription(ModelDescription):
    """Everything about portraits but their numbers.

    Parameters
    ----------
    settings : PortraitSettings
        Of the job's task: rules and thresholds with them.
    features_version : str
        Of the features that ranks are of.
    family : str or None
        The accepted clustering, such as ``kmeans-5``; None where none was.
    table : list of dict
        The report's comparison of clusterings.
    sites : list of SiteShare
    privacy : dict
        As in the report.
    """

    task: Literal["portrait"]
    settings: PortraitSettings
    features_version: str
    family: str | None
    table: list[dict[str, Any]]
    sites: list[SiteShare]
    privacy: dict[str, Any]


class _Manifest(PortraitDescription):
    """`model.json`: the description, the courses, and the tensors' checksum."""

    cohorts: list[str]
    sha256: str


@dataclass(frozen=True)
class Portraits:
    """Rules and clusters with all that a tag needs but the learner.

    Attributes
    ----------
    description : PortraitDescription
    cohorts : list of str
        Courses, in the order of `counts`.
    counts : int64 array, shape (courses, ranked features, BINS)
        Learners by value, over all sites.
    fit : dict of arrays
        Parameters of the accepted clustering; empty where there is none.
    """

    description: PortraitDescription
    cohorts: list[str]
    counts: npt.NDArray[np.int64]
    fit: Arrays

    @property
    def family(self) -> Family | None:
        """The accepted clustering."""
        name = self.description.family
        return None if name is None else Family.named(name)


def save_portraits(model: Portraits, folder: Path) -> None:
    """Write `model` as `folder`, whole or not at all; an older model there is replaced.

    Raises
    ------
    DataError
        Something that is no published model stands in the way, or the disk refuses.
    """
    description = model.description.model_dump(mode="json")
    write_model(
        folder,
        {**description, "cohorts": model.cohorts},
        {"counts": model.counts, **prefixed(_FIT, model.fit)},
        lambda new: write_cards(new, description, "portrait"),
    )


def load_portraits(folder: Path) -> Portraits:
    """Read portraits and check them.

    Raises
    ------
    DataError
        A file is missing, damaged, or does not say what it should; the message names it.
    """
    manifest = read_manifest(folder, _Manifest)
    if manifest.features_version != FEATURE_VERSION:
        raise DataError(
            f"the portraits of job {manifest.job} read version {manifest.features_version} of the"
            f" features and this EduFed builds version {FEATURE_VERSION}; install EduFed"
            f" {manifest.edufed} or run the job again"
        )
    tensors = read_tensors(folder, manifest.sha256)
    model = Portraits(
        description_in(manifest, PortraitDescription),
        manifest.cohorts,
        tensors.get("counts", np.zeros(0, np.int64)),
        unprefixed(_FIT, tensors),
    )
    settings = manifest.settings
    shape = (len(manifest.cohorts), len(settings.ranked), BINS)
    wanted: dict[str, tuple[int, ...]] = {}
    if model.family is not None:
        k, width = model.family.k, len(settings.clusters.features)
        wanted = {"centres": (k, width)}
        if model.family.kind == "gaussian":
            wanted |= {"spreads": (k, width), "shares": (k,)}
    found = {name: array.shape for name, array in model.fit.items()}
    if model.counts.shape != shape or found != wanted:
        raise DataError(f"{folder / TENSORS}: does not fit {JSON}; copy the folder again")
    return model
