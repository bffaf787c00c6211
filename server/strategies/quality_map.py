"""The regional quality map, the coordinator's half. The site's: `clients/quality_map.py`.

Two federation-wide sums: the number of learners in every cell, by which it is decided what may be
told; then the measures' sums of those cells alone. What is not told of a cell beyond its number of
learners is thus not known here either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays
from edufed.config.task import QualityMapSettings
from edufed.quality import travel
from edufed.quality.frame import LEVELS, UNKNOWN, Frame
from edufed.quality.measures import MEASURES, SUMS
from edufed.quality.told import Told, by_counts, by_sums, folding
from edufed.share import Share
from server.answers import MapHello
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.encrypted_summation import EncryptedSum
from server.exchange import Exchange
from server.federation import Federation, JobError
from server.gathering import gather
from server.progress import Step
from server.summation import Summation, build_summation, least_sites

#: How often both questions are asked until the same sites answer them.
TRIES = 3


@dataclass
class Outcome:
    """Everything that the report of a quality map is made of.

    Attributes
    ----------
    hello : dict of str to dict
        What each site said first.
    frame : Frame
    counts : int array, shape (units, width)
        Of all cells, told or not.
    sums : float array, shape (units, width, measures, SUMS)
        0 in cells that were not asked for.
    told : Told
    exchanges : list of Exchange
        What each of the two sums cost.
    phases : list of (str, float)
    """

    hello: dict[str, dict[str, Any]]
    frame: Frame
    counts: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]
    told: Told
    exchanges: list[Exchange]
    phases: list[tuple[str, float]]
    encrypted: dict[str, Any] | None = None  # what encrypting the sums has cost


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Ask the sites for the map's sums.

    Parameters
    ----------
    federation, expected, roster, checkpoint
        As for the horizontal scenario. A job that was cut off starts again: it takes seconds.

    Raises
    ------
    JobError
        Too few sites answer, or there are too few learners for any figure.
    """
    job, progress = federation.job, federation.progress
    clock = Clock()

    federation.least = least_sites(job, roster)
    checkpoint.forget()
    greeted = gather(federation, expected, clock, form=MapHello, kind="query.quality_hello")
    hello = {site: reply.meta for site, reply in greeted.items()}
    frame = build_frame(hello)
    summation = build_summation(federation, greeted, roster, checkpoint)
    for _ in range(TRIES):
        outcome = _ask(federation, summation, hello, frame, clock)
        if outcome is not None:
            return outcome
        progress(Step("counting", "a site answered one of the two questions alone; asking again"))
    raise JobError("sites came and went between two questions; run the job again")


def _ask(
    federation: Federation,
    summation: Summation,
    hello: Mapping[str, dict[str, Any]],
    frame: Frame,
    clock: Clock,
) -> Outcome | None:
    """Ask both questions; None where not the same sites answered them."""
    assert isinstance(federation.job.task, QualityMapSettings)
    least, progress = federation.job.task.min_cohort, federation.progress
    nothing: Arrays = {}
    shape = (len(frame.units), frame.width)
    progress(Step("counting", f"learners in {shape[0]} units, {shape[0] * shape[1]} cells"))
    counted = federation.patiently(
        lambda: summation.collect(
            "query.quality_counts",
            {"frame": frame.to_json()},
            lambda _: nothing,
            Share(sums={"learners": np.zeros(shape, np.int64)}),
            1,
        )
    )
    clock.lap("counting")
    counts = np.rint(counted.total.sums["learners"]).astype(np.int64)
    frame = folding(frame, counts, least)
    first = by_counts(frame, counts, least)
    if not first.totals[0]:
        raise JobError(f"fewer than task.min_cohort={least} learners in all: nothing can be told")

    asked = first.cells(frame)
    size = int(asked.sum())
    progress(Step("statistics", f"sums of the {size} cells that may be told"))
    arrays: Arrays = {"asked": asked.astype(np.uint8)}
    summed = federation.patiently(
        lambda: summation.collect(
            "query.quality_sums",
            {"frame": frame.to_json()},
            lambda _: arrays,
            Share(sums=travel.like(size)),
            2,
        )
    )
    clock.lap("statistics")
    if summed.metas.keys() != counted.metas.keys():
        return None
    sums = np.zeros((*shape, len(MEASURES), SUMS))
    sums[asked] = travel.from_arrays(summed.total.sums)
    return Outcome(
        hello={site: hello[site] for site in summed.metas},
        frame=frame,
        counts=counts,
        sums=sums,
        told=by_sums(frame, counts, sums, first, least),
        exchanges=[counted.cost, summed.cost],
        phases=clock.phases,
        encrypted=summation.said if isinstance(summation, EncryptedSum) else None,
    )


def build_frame(hello: Mapping[str, Mapping[str, Any]]) -> Frame:
    """Return the cells of all sites together; a level that one has, all have, stated or not."""
    levels = [name for name in LEVELS if any(name in meta["levels"] for meta in hello.values())]
    leaves, stages = set(), dict[str, int]()
    for meta in hello.values():
        for path in meta["units"]:
            own = dict(zip(meta["levels"], path, strict=True))
            leaves.add(tuple(own.get(level, UNKNOWN) for level in levels))
        for course, level in meta["stages"].items():
            stages[course] = max(level, stages.get(course, 0))
    terms = {term for meta in hello.values() for term in meta["terms"]}
    return Frame.of(levels, leaves, terms, stages)
