"""Keep a finished model at the site, with what only this site has: calibration, own layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from clients.answer import Answer
from clients.calibration import Calibration, fit_calibration
from clients.horizontal import model_from, own_layers, prepared
from clients.site import Site
from clients.training import predict_logit
from edufed.arrays import Arrays, unprefixed
from edufed.config.job import Job
from edufed.published import Description, PublishedModel, save_published
from edufed.wire import SUM, WEIGHT


def publish(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Save the model in the site's state folder, calibrated on its validation learners.

    The answer says that it is done and nothing more: what the site fitted is the site's own.
    """
    data = prepared(site, job, meta, arrays).design
    model = model_from(site, job, data.x.shape[1], meta, arrays)
    x, y = data.part(data.split.valid)
    calibration = fit_calibration(y, predict_logit(model, x))
    description = Description.model_validate(meta["description"])
    sums = unprefixed(SUM, arrays) | {"cohorts": np.array(meta["cohorts"], dtype=str)}
    save_published(
        PublishedModel(description, unprefixed(WEIGHT, arrays), sums), model_folder(site, job.id)
    )
    own = own_layers(site, job, int(meta["model_round"]))
    site.store.save(_file(job.id), {"calibration": _as_array(calibration), **(own or {})})
    return {}, {}


def model_folder(site: Site, job_id: str) -> Path:
    """Where the site keeps the model of a job."""
    return site.store.folder / "models" / job_id


def kept_with(site: Site, job_id: str) -> tuple[Calibration, Arrays] | None:
    """Return the site's calibration and own layers for a job's model, or None."""
    kept = site.store.load(_file(job_id))
    if kept is None:
        return None
    intercept, slope, learners, before, after = kept.pop("calibration").tolist()
    return Calibration(intercept, slope, int(learners), _known(before), _known(after)), kept


def _file(job_id: str) -> str:
    return f"jobs/{job_id}/published"


def _as_array(calibration: Calibration) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = asdict(calibration).values()
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
