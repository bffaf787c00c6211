"""Scoring a site's own learners with a published model: their risk, and what raises it.

Everything here stays in the file at the site; nothing is sent.
"""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clients.calibration import IDENTITY, Calibration
from clients.reasons import reasons
from clients.training import predict_logit
from edufed.features.catalogue import FEATURE_VERSION, NAMES
from edufed.features.cohort import cohort_counts, cohort_ranks
from edufed.features.matrix import FeatureMatrix, FloatArray
from edufed.features.scaling import Scaling, design, design_names
from edufed.models import Weights
from edufed.privacy.dp.statistics import in_public_units, private_design
from edufed.published import PublishedModel, restore_model
from edufed.records import DataError

#: Reasons that a learner's row has.
REASONS = 3


@dataclass(frozen=True)
class Predictions:
    """A site's scored learners.

    Attributes
    ----------
    frame : pandas.DataFrame
        From highest risk to lowest: learner_id; course_id; risk, calibrated, 0..1; rank in the
        site's caseload, 1 the highest risk; decile, 10 the tenth at highest risk; reason_1 to
        reason_3, the features that raise the risk most, of different matters, empty where fewer
        do.
    warnings : list of str
        One line each, for the person who asked; no learner is named.
    """

    frame: pd.DataFrame
    warnings: list[str]


def predict(
    published: PublishedModel,
    matrix: FeatureMatrix,
    *,
    calibration: Calibration = IDENTITY,
    personal: Weights | None = None,
    language: str = "en",
) -> Predictions:
    """Score every learner in `matrix`.

    Parameters
    ----------
    published : PublishedModel
    matrix : FeatureMatrix
        The site's learners, built at the model's cutoff.
    calibration : Calibration
        The site's own, for this model.
    personal : dict of arrays, optional
        The site's own layers, for a model that has personal ones.
    language : str
        Of the reasons: "en" or "zh".

    Raises
    ------
    DataError
        The model was trained with other features, or cannot be restored.
    """
    x, ranks, warnings = scoring_design(published, matrix)
    model = restore_model(published, personal)
    risk = calibration.risk(predict_logit(model, x))
    texts = reasons(model, matrix, x, ranks, REASONS, language)
    early = not_reached(matrix.course_id, matrix.course_start, published.description.cutoff)
    frame = listed(matrix.learner_id, matrix.course_id, risk, texts)
    return Predictions(frame, [*early, *warnings])


def listed(
    learner_id: npt.NDArray[Any],
    course_id: npt.NDArray[Any],
    risk: npt.NDArray[np.float64],
    texts: npt.NDArray[Any],
) -> pd.DataFrame:
    """List learners by falling risk, as `Predictions.frame`.

    Parameters
    ----------
    learner_id, course_id, risk : array, shape (rows,)
    texts : object array, shape (rows, REASONS)
    """
    frame = pd.DataFrame({"learner_id": learner_id, "course_id": course_id})
    frame["risk"] = risk
    order = np.argsort(-risk, kind="stable")  # rows come sorted by course and learner
    rank = np.empty(len(risk), dtype=np.int64)
    rank[order] = np.arange(1, len(risk) + 1)
    frame["rank"] = rank
    frame["decile"] = 10 - (rank - 1) * 10 // max(len(rank), 1)
    for place in range(REASONS):
        frame[f"reason_{place + 1}"] = texts[:, place]
    return frame.iloc[order].reset_index(drop=True)


def scoring_design(
    published: PublishedModel, matrix: FeatureMatrix
) -> tuple[FloatArray, FloatArray, list[str]]:
    """Make the design that `published` reads, from its own scaling and cohort counts.

    A course that the federation did not count, such as one that is running now, is ranked
    among the site's own learners, where there are enough of them.

    Returns
    -------
    x : float32 array, shape (rows, columns)
    ranks : float32 array, shape (rows, features)
        NaN where unknown.
    warnings : list of str

    Raises
    ------
    DataError
        The model was trained with other features than this EduFed builds.
    """
    description = published.description
    if (
        description.features_version != FEATURE_VERSION
        or tuple(description.features) != NAMES
        or tuple(description.columns) != design_names()
    ):
        raise DataError(
            f"the model of job {description.job} reads version {description.features_version} of"
            f" the features and this EduFed builds version {FEATURE_VERSION}; install EduFed"
            f" {description.edufed} or train again"
        )
    try:
        if description.design == "private":
            return _private_design(published, matrix)
        counts, moments = published.arrays["counts"], published.arrays["moments"]
        known = [str(course) for course in published.arrays["cohorts"]]
    except KeyError as error:
        raise DataError(
            f"the model of job {description.job} lacks its {error}; copy it again"
        ) from None
    warnings: list[str] = []
    ranks: FloatArray = np.full(matrix.values.shape, np.nan, dtype=np.float32)
    if description.relative:
        courses, sizes = np.unique(matrix.course_id.astype(str), return_counts=True)
        fresh = [course for course in courses.tolist() if course not in set(known)]
        own = cohort_counts(matrix, fresh)
        ranks = cohort_ranks(
            matrix, [*known, *fresh], np.concatenate([counts, own]), description.min_cohort
        )
        warnings = about_fresh(
            dict(zip(courses.tolist(), sizes.tolist(), strict=True)), fresh, description.min_cohort
        )
    return design(matrix, ranks, Scaling.from_moments(moments)), ranks, warnings


def _private_design(
    published: PublishedModel, matrix: FeatureMatrix
) -> tuple[FloatArray, FloatArray, list[str]]:
    """Make the design of a model with differential privacy, by its noisy course means.

    A course without one has the mean of the site's own learners, where there are enough of them:
    nothing of this leaves the site. In place of ranks, 0.5 stands for the mean of the course.
    """
    least, means = published.description.min_cohort, published.arrays["means"]
    known = [str(course) for course in published.arrays["cohorts"]]
    warnings: list[str] = []
    if published.description.relative:
        courses, sizes = np.unique(matrix.course_id.astype(str), return_counts=True)
        size = dict(zip(courses.tolist(), sizes.tolist(), strict=True))
        fresh = [course for course in size if course not in set(known)]
        units = np.nan_to_num(in_public_units(matrix))
        own = [
            units[matrix.course_id.astype(str) == course].mean(axis=0)
            for course in fresh
            if size[course] >= least
        ]
        known += [course for course in fresh if size[course] >= least]
        means = np.concatenate([means, *[mean[None] for mean in own]])
        warnings = about_fresh(size, fresh, least)
    x = private_design(matrix, known, means)
    relative = x[:, len(NAMES) : 2 * len(NAMES)]
    placed = np.isin(matrix.course_id.astype(str), known)[:, None] & ~np.isnan(matrix.values)
    ranks = np.where(placed, np.clip(0.5 + relative / 6.0, 0.0, 1.0), np.nan)
    return x, ranks.astype(np.float32), warnings


def about_fresh(sizes: dict[str, int], fresh: list[str], least: int) -> list[str]:
    """Say of courses that a model does not know how their learners are ranked."""
    ranked = [course for course in fresh if sizes[course] >= least]
    small = [course for course in fresh if sizes[course] < least]
    said = []
    if ranked:
        said.append(
            f"{_some(ranked)}: not among the model's courses; learners are ranked among this"
            " site's own"
        )
    if small:
        said.append(
            f"{_some(small)}: not among the model's courses, and fewer than {least} learners here;"
            " scored without their place in the course"
        )
    return said


def not_reached(
    course_id: npt.NDArray[np.object_],
    course_start: npt.NDArray[np.datetime64],
    cutoff: float,
    today: np.datetime64 | None = None,
) -> list[str]:
    """Say which courses have not come to the cutoff day, so that their learners look absent.

    A model reads the days up to the cutoff; those to come hold no visit and no work of anybody.

    Parameters
    ----------
    course_id, course_start : array, shape (rows,)
        Courses without a first day are taken to have come to it.
    cutoff : float
        Days after the course's first day.
    today : datetime64, optional
        Default: the day it is, UTC.
    """
    day = np.datetime64(datetime.now(UTC).date(), "D") if today is None else today
    ahead = course_start.astype("datetime64[D]") + np.timedelta64(math.floor(cutoff), "D") > day
    early = sorted(set(course_id[ahead].tolist()))
    if not early:
        return []
    return [
        f"{_some(early)}: day {cutoff:g} is still to come; what is not done yet counts as not done,"
        " so wait until then, or use a model of an earlier day"
    ]


def _some(courses: list[str]) -> str:
    more = f" and {len(courses) - 3} more" if len(courses) > 3 else ""
    return ", ".join(courses[:3]) + more


def check_suffix(path: Path) -> None:
    """Find out before any work that a list can be written under this name.

    Raises
    ------
    DataError
        Its suffix is neither .csv nor .parquet.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"{path}: predictions are written as .csv or .parquet; name one of these")


def write_predictions(frame: pd.DataFrame, path: Path) -> None:
    """Write scored learners as CSV or Parquet, by the path's suffix.

    The file names learners: it is readable by its owner alone, and whole or absent.

    Raises
    ------
    DataError
        The suffix is another, or the disk refuses.
    """
    check_suffix(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
        try:
            with os.fdopen(handle, "wb") as stream:
                if path.suffix == ".parquet":
                    frame.to_parquet(stream, index=False)
                else:
                    stream.write(_csv(frame))
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise DataError(f"{path}: cannot write predictions: {error.strerror}") from None


def _csv(frame: pd.DataFrame) -> bytes:
    text = frame.to_csv(index=False, float_format="%.6f")
    # Spreadsheets take a file for UTF-8 only where it begins with the byte order mark.
    return text.encode("utf-8" if text.isascii() else "utf-8-sig")
