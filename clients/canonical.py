"""A site's learners as transfer reads them: canonical ranks, own columns, and who is what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.kept import KEPT
from clients.site import Site
from clients.split import split
from data_adapters.base import open_adapter
from edufed.config.job import Job
from edufed.features import FeatureMatrix, transformed
from edufed.features.canonical import CanonicalFeatures, canonical_design, canonical_features
from edufed.transfer.curve import Learners
from edufed.transfer.target import Standard

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Domain:
    """A site's enrolments for a transfer job.

    Attributes
    ----------
    matrix : FeatureMatrix
    features : CanonicalFeatures
    learners : Learners
        All rows; the target is NaN where the result is not known.
    standard : Standard
        By which the learners' private columns are scaled.
    train, test : bool arrays, shape (rows,)
        Rows with a known result that models may learn from, and those that only judge them.
    quality : dict
    """

    matrix: FeatureMatrix
    features: CanonicalFeatures
    learners: Learners
    standard: Standard
    train: Mask
    test: Mask
    quality: dict[str, Any]

    @property
    def nbytes(self) -> int:
        """Bytes in memory beside the matrix, about."""
        arrays = (self.features.values, self.features.ranks)
        mine = (self.learners.canonical, self.learners.private, self.learners.y)
        return sum(array.nbytes for array in (*arrays, *mine))


def domain(site: Site, job: Job) -> Domain:
    """Read a site's learners for a transfer job, on the cutoff day of its education type."""
    local = job.for_domain(site.name)
    # Ranked and scaled once a job and process: later messages find them in memory.
    key = ("domain", site.settings.model_dump_json(), local.model_dump_json())
    return KEPT.get(key, lambda: _domain(site, local))


def _domain(site: Site, job: Job) -> Domain:
    settings = job.early_warning
    read = read_domain(site, settings.cutoff_day, settings.min_cohort)
    matrix, standard = read.matrix, Standard.of(read.own)
    parts = split(matrix, job)
    return Domain(
        matrix=matrix,
        features=read.features,
        learners=Learners(
            canonical_design(read.features.ranks),
            standard.apply(read.own),
            matrix.target.astype(np.float64),
        ),
        standard=standard,
        train=parts.train | parts.valid,
        test=parts.test,
        quality=read.quality,
    )


@dataclass(frozen=True)
class Read:
    """A site's enrolments on a cutoff day.

    Attributes
    ----------
    matrix : FeatureMatrix
    features : CanonicalFeatures
    own : float64 array, shape (rows, columns)
        The site's own columns as they are: its features, then what its adapter adds.
    quality : dict
    """

    matrix: FeatureMatrix
    features: CanonicalFeatures
    own: npt.NDArray[np.float64]
    quality: dict[str, Any]


def read_domain(site: Site, cutoff_day: float, min_cohort: int) -> Read:
    """Read a site's enrolments and what models of transfer read of them."""
    read = site.learners(cutoff_day)
    statement = open_adapter(site.settings.adapter, site.settings.folder).canonical
    return Read(
        matrix=read.matrix,
        features=canonical_features(read.matrix, read.earned, statement, min_cohort),
        own=np.concatenate([transformed(read.matrix.values), read.own], axis=1),
        quality=read.quality,
    )
