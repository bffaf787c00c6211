"""What a site keeps between the messages of one job, in which each message counts on the last.

State and answer are stored as one before the answer leaves. A message that comes twice, because
its answer was lost or the coordinator was cut off, is answered alike, and changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from clients.site import Site
from edufed.arrays import Arrays, as_array, prefixed, unprefixed
from edufed.config.job import Job

#: Name under which letters travel, a bundle of `edufed.privacy.post`.
POST = "post"
#: A site's state -> its next state, what it says in clear, and its letters.
Act = Callable[[Arrays], tuple[Arrays, dict[str, Any], bytes]]

_STATE, _NUMBER, _DIGEST, _SAID = "state/", "number", "digest", "said"


class StepError(Exception):
    """A message that does not follow on the last one, or cannot be used; one line."""


def take_step(
    site: Site, job: Job, asked: Mapping[str, Any], arrays: Arrays, begins: int, act: Act
) -> tuple[dict[str, Any], Arrays]:
    """Answer one message, or say again what was answered to it before.

    Parameters
    ----------
    site : Site
    job : Job
    asked : mapping
        The message's settings but the job; `asked["step"]` counts from 1, and grows.
    arrays : dict of arrays
        Its letters, under `POST`.
    begins : int
        Up to this step the site may be asked to begin anew, from step 1.
    act : callable

    Raises
    ------
    StepError
        The step was answered already, to another message, or is out of order.
    """
    number = int(asked["step"])
    letters = arrays[POST].tobytes() if POST in arrays else b""
    text = json.dumps(dict(asked), sort_keys=True).encode()
    digest = hashlib.sha256(hashlib.sha256(text).digest() + letters).hexdigest()
    name = f"jobs/{job.id}/steps"
    kept = site.store.load(name) or {}
    last = int(kept[_NUMBER]) if kept else 0
    if kept and number == last and str(kept[_DIGEST]) == digest:
        return json.loads(str(kept[_SAID])), {POST: kept[POST]}
    if number == 1 and last <= begins:
        kept = {}
    elif number <= last or not kept:
        raise StepError(f"step {number} was asked after step {last}: begin the job anew")
    state, said, post = act(unprefixed(_STATE, kept))
    site.store.save(
        name,
        {
            _NUMBER: np.array(number),
            _DIGEST: np.array(digest),
            _SAID: np.array(json.dumps(said, allow_nan=False)),
            POST: as_array(post),
            **prefixed(_STATE, state),
        },
    )
    return said, {POST: as_array(post)}


def forget_steps(site: Site, job_id: str) -> None:
    """Delete what was kept of a job that has ended: its keys and masks with it."""
    (site.store.folder / "jobs" / job_id / "steps.npz").unlink(missing_ok=True)
