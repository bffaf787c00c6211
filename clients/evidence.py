"""A site's evidence list: what is known of each of its learners, and what that is worth.

Two files in the state folder, readable by their owner alone: `evidence/JOB.csv`, a row for each
learner and course, and `evidence/JOB.json`, the statement that holds for all of them. Nothing is
sent. A badge is made of both, after rules and by a person: `edufed badge issue`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clients.education import education_of
from clients.site import Site
from edufed.arrays import Arrays, digest, unprefixed
from edufed.certify.calibration import Calibration
from edufed.certify.conformal import KINDS, covered, interval, tally
from edufed.certify.probability import merged
from edufed.certify.statement import Statement, statement
from edufed.config.job import Job
from edufed.features import FeatureMatrix
from edufed.private_files import write_private
from edufed.published import Description
from edufed.quality.suppression import close, enough
from edufed.wire import WEIGHT

COLUMNS = (
    *("learner_id", "course_id", "probability", "low", "high", "set"),
    *("submitted", "submitted_share", "score_mean"),
)
#: Of the features, what says how much was assessed; they stand in the list as they are.
ASSESSED = ("submitted", "submitted_share", "score_mean")
#: Feature that is 1 or 0 -> the names of its two groups of learners.
GROUPS = {
    "female": ("women", "men"),
    "support_need": ("with a support need", "without a support need"),
}

Mask = npt.NDArray[np.bool_]


def evidence_files(state: Path, job_id: str) -> tuple[Path, Path]:
    """Where a site keeps the list and the statement of a job."""
    folder = state / "evidence"
    return folder / f"{job_id}.csv", folder / f"{job_id}.json"


def write_evidence(
    site: Site,
    job: Job,
    bins: npt.NDArray[np.int64],
    fold: npt.NDArray[np.int64],
    calibration: Calibration,
    meta: Mapping[str, Any],
    arrays: Arrays,
) -> None:
    """Write the evidence list of a finished job.

    On it are learners whose result is not known, and those on whom coverage was measured: nobody
    whom the model was trained on, and each judged by others than themselves.

    Parameters
    ----------
    site : Site
    job : Job
    bins, fold : int64 arrays, shape (rows,)
        Of the logit of passing; fold -1 where the learner is in none.
    calibration : Calibration
        Of the site's group.
    meta : mapping
        What the coordinator says of the model, as `description` and `certified`.
    arrays : dict
        The model, for its fingerprint.
    """
    from clients.predict import write_predictions  # with torch: whoever reads a list needs none

    matrix = site.learners(job.certify.cutoff_day).matrix
    kinds = calibration.kinds(bins, fold)
    rows = (fold >= 0) | np.isnan(matrix.target)
    listed, stated = evidence_files(site.store.folder, job.id)
    write_predictions(_frame(matrix, bins, fold, kinds, calibration)[rows], listed)
    said = statement(
        site=site.name,
        education=education_of(site),
        description=Description.model_validate(meta["description"]),
        certified=meta["certified"],
        weights=digest(unprefixed(WEIGHT, arrays)).hex(),
        data=site.version(job.certify.cutoff_day),
        subgroups=_subgroups(matrix, kinds, fold >= 0, job.certify.min_cohort),
        language=job.language,
    )
    write_private(stated, said.model_dump_json(indent=2).encode())


def read_evidence(state: Path, job_id: str) -> tuple[pd.DataFrame, Statement]:
    """Read what `write_evidence` wrote.

    Raises
    ------
    FileNotFoundError
        The site has no evidence of that job.
    """
    listed, stated = evidence_files(state, job_id)
    frame = pd.read_csv(listed, dtype={"learner_id": str, "course_id": str})
    return frame, Statement.model_validate_json(stated.read_bytes())


def _frame(
    matrix: FeatureMatrix,
    bins: npt.NDArray[np.int64],
    fold: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.int64],
    calibration: Calibration,
) -> pd.DataFrame:
    low, high = calibration.probabilities(bins, fold)
    frame = pd.DataFrame(
        {
            "learner_id": matrix.learner_id,
            "course_id": matrix.course_id,
            "probability": merged(low, high),
            "low": low,
            "high": high,
            "set": np.array(KINDS, dtype=object)[kinds],
        }
    )
    for name in ASSESSED:
        frame[name] = matrix.values[:, matrix.names.index(name)]
    return frame[list(COLUMNS)]


def _subgroups(
    matrix: FeatureMatrix, kinds: npt.NDArray[np.int64], tested: Mask, least: int
) -> list[dict[str, Any]]:
    """Coverage of the site's own test learners by group, where a group has enough of them.

    The site's own coverage is told, so what the groups leave of it has enough learners, too.
    """
    found = []
    for feature, names in GROUPS.items():
        column = matrix.values[:, matrix.names.index(feature)]
        groups = [tested & (column == value) for value in (1.0, 0.0)]
        sizes = np.array([rows.sum() for rows in groups], dtype=np.float64)
        whole = np.array([tested.sum()], dtype=np.float64)
        told = close(whole, sizes[:, None], sizes, sizes > 0, enough(least))
        for rows, name, is_told in zip(groups, names, told, strict=True):
            if not is_told:
                continue
            n, right = covered(tally(kinds[rows], matrix.target[rows] == 0))
            low, high = interval(right, n)
            found.append({"group": name, "n": n, "coverage": right / n, "low": low, "high": high})
    return found
