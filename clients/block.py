"""A party's own part of a vertical model: kept at that party, and nowhere else."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from clients.calibration import Calibration
from clients.platform import Columns
from clients.site import Site
from edufed.arrays import Arrays
from edufed.config.compose import check_job
from edufed.config.job import Job
from edufed.features import FEATURE_VERSION
from edufed.records import DataError


@dataclass(frozen=True)
class Block:
    """One party's weights, and how its columns are made.

    Attributes
    ----------
    job : Job
        The one that trained it.
    parties : tuple of str
        All parties of the job.
    columns : Columns
    parameters : dict of arrays
        `weights`, shape (columns, labels), of which the label party's last row is the intercept and
        a feature party's last column says whether it knows the learner; or a network's
        (`clients/splitnn_feature.py`).
    calibration : Calibration, optional
        The label party's, fitted on its validation learners.
    """

    job: Job
    parties: tuple[str, ...]
    columns: Columns
    parameters: Arrays
    calibration: Calibration | None = None


def save_block(site: Site, block: Block) -> None:
    """Write the block into the site's state folder, for its owner alone."""
    fitted = block.calibration
    about = {
        "job": block.job.model_dump(mode="json"),
        "parties": block.parties,
        "columns": block.columns.names,
        "features_version": FEATURE_VERSION,
        "calibration": None if fitted is None else [fitted.intercept, fitted.slope],
    }
    site.store.save(
        _name(block.job.id),
        {
            "about": np.array(json.dumps(about)),
            "moments": block.columns.moments,
            **block.parameters,
        },
    )


def load_block(site: Site, job_id: str) -> Block:
    """Read the site's block of a job's model.

    Raises
    ------
    DataError
        There is none, or it was made with other features.
    """
    stored = site.store.load(_name(job_id))
    if stored is None:
        raise DataError(f"{site.name} keeps no block of the model of job {job_id}")
    about = json.loads(str(stored["about"]))
    if about["features_version"] != FEATURE_VERSION:
        raise DataError(f"the model of job {job_id} was made with other features: train it again")
    fitted = about["calibration"]
    return Block(
        job=check_job(about["job"]),
        parties=tuple(about["parties"]),
        columns=Columns(tuple(about["columns"]), stored["moments"]),
        parameters={n: a for n, a in stored.items() if n not in ("about", "moments")},
        calibration=None if fitted is None else Calibration(*fitted),
    )


def _name(job_id: str) -> str:
    return f"models/{job_id}/block"
