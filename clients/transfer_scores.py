"""What a target of transfer keeps of its model, and the scoring of its learners by it.

The model stays in the site's state folder; nothing here is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from clients.canonical import Read, read_domain
from clients.predict import REASONS, Predictions, listed, not_reached
from clients.reasons import reason_texts, related_features, top_features
from clients.site import Site
from edufed.arrays import Arrays
from edufed.config.job import Job
from edufed.features import FEATURE_VERSION, FEATURES
from edufed.features.canonical import SAME, canonical_design
from edufed.features.matrix import FloatArray
from edufed.records import CANONICAL, DataError
from edufed.transfer.prior import scores
from edufed.transfer.target import Fitted, Standard
from edufed.transfer.zero_label import risk_by_rank

Array = npt.NDArray[np.float64]


def keep(site: Site, job: Job, standard: Standard, fitted: Fitted, source: Array) -> None:
    """Keep a target's fitted model, with all that scoring by it needs.

    Parameters
    ----------
    site : Site
    job : Job
    standard : Standard
        Of the site's private columns.
    fitted : Fitted
    source : float64 array
        Score summary of the source's learners: their risks are given by rank while the site has no
        labels to fit to.
    """
    settings = job.for_domain(site.name).early_warning
    kept = {
        "weights": fitted.chosen(),
        "mean": standard.mean,
        "deviation": standard.deviation,
        "source": source,
        "unlabelled": np.array(fitted.target_only is None),
        "cutoff_day": np.array(settings.cutoff_day),
        "min_cohort": np.array(settings.min_cohort),
        "features_version": np.array(FEATURE_VERSION),
    }
    site.store.save(_file(job.id), kept)


def keeps(site: Site, job_id: str) -> bool:
    """Say whether the site keeps a model of a transfer job: whether it was a target."""
    return site.store.load(_file(job_id)) is not None


def score(site: Site, job_id: str, language: str = "en") -> Predictions:
    """Score a site's learners whose result is not known by the model that a job left here.

    Parameters
    ----------
    site : Site
    job_id : str
    language : str
        Of the reasons: "en" or "zh".

    Raises
    ------
    DataError
        The site keeps no such model, or its tables have other columns by now.
    """
    kept = site.store.load(_file(job_id))
    if kept is None:
        raise DataError(
            f"state folder {site.store.folder}: no model of job {job_id}; it is kept at the target"
            " of a finished job with scenario=transfer and strategy=newton"
        )
    if str(kept["features_version"]) != FEATURE_VERSION:
        raise DataError(
            f"the model of job {job_id} reads version {int(kept['features_version'])} of the"
            f" features and this EduFed builds version {FEATURE_VERSION}; run the job again"
        )
    read = read_domain(site, float(kept["cutoff_day"]), int(kept["min_cohort"]))
    standard = Standard(kept["mean"], kept["deviation"])
    if len(standard.mean) != read.own.shape[1]:
        raise DataError(
            f"the model of job {job_id} reads {len(standard.mean)} columns of this site, which has"
            f" {read.own.shape[1]} now; run the job again"
        )
    canonical, private = canonical_design(read.features.ranks), standard.apply(read.own)
    z = scores(np.concatenate([canonical, private], axis=1), kept["weights"])
    risk = risk_by_rank(z, z, kept["source"]) if kept["unlabelled"] else expit(z)
    rows, warnings = np.isnan(read.matrix.target), list[str]()
    if not rows.any():
        rows[:] = True
        warnings.append("every learner's result is known already; scoring all of them")
    starts = read.matrix.course_start[rows]
    warnings += not_reached(read.matrix.course_id[rows], starts, float(kept["cutoff_day"]))
    if kept["unlabelled"]:
        warnings.append("no labels here to fit to: risks are those of the source's learners")
    texts = _reasons(read, canonical, private, standard, kept, language)
    frame = listed(
        read.matrix.learner_id[rows], read.matrix.course_id[rows], risk[rows], texts[rows]
    )
    return Predictions(frame, warnings)


def _reasons(
    read: Read, canonical: Array, private: Array, standard: Standard, kept: Arrays, language: str
) -> npt.NDArray[Any]:
    """Words for the features that raise each learner's risk most.

    What the site's adapter adds beside the features has no words, and is no reason.
    """
    names, varying = read.matrix.names, _varying_features(standard)
    raised = contributions(canonical, private, standard, kept["weights"], names)
    raised[:, np.isnan(read.matrix.values).all(axis=0)] = -np.inf
    ranks: FloatArray = np.full(raised.shape, np.nan, dtype=np.float32)
    ranks[:, [names.index(SAME[name]) for name in CANONICAL]] = read.features.ranks
    x: FloatArray = np.zeros(raised.shape, dtype=np.float32)
    x[:, varying] = private[:, : len(varying)]
    chosen = top_features(raised, related_features(read.matrix, x), REASONS)
    return reason_texts(read.matrix, x, ranks, chosen, language)


def contributions(
    canonical: Array, private: Array, standard: Standard, w: Array, names: Sequence[str]
) -> Array:
    """How much each feature raises each learner's log-odds, beside the typical learner's.

    A feature's part is the sum over the columns that read it: canonical, missing, and private.

    Parameters
    ----------
    canonical : float64 array, shape (rows, 2 * canonical features)
    private : float64 array, shape (rows, private columns)
        Features first.
    standard : Standard
        Which of the private columns are left.
    w : float64 array, shape (1 + columns,)
        Intercept first.
    names : sequence of str
        The features.

    Returns
    -------
    float64 array, shape (rows, features)
    """
    raised = np.zeros((len(canonical), len(names)))
    for place, name in enumerate(CANONICAL):
        columns = np.array([place, len(CANONICAL) + place])
        raised[:, names.index(SAME[name])] += canonical[:, columns] @ w[1 + columns]
    varying = _varying_features(standard)
    first = 1 + canonical.shape[1]
    raised[:, varying] += private[:, : len(varying)] * w[first : first + len(varying)]
    return raised


def _varying_features(standard: Standard) -> npt.NDArray[np.intp]:
    """Features that have a private column, in their order: they come before what adapters add."""
    varying = np.flatnonzero(standard.deviation > 0)
    return varying[varying < len(FEATURES)]


def _file(job_id: str) -> str:
    return f"jobs/{job_id}/transfer"
