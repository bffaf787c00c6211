"""Evidence for recognising outcomes, the coordinator's half. The site's: `clients/certify.py`.

Training and evaluation are those of early warning (`server/strategies/horizontal.py`). Two more
exchanges follow: calibration learners' scores, added up over sites, from which the conformal
bounds and the probabilities come; and how often those bounds held for test learners.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays, prefixed
from edufed.certify.calibration import Calibration, calibration_of
from edufed.certify.conformal import BINS
from edufed.metrics import BINS as METRIC_BINS
from edufed.share import Share
from edufed.wire import WEIGHT
from server.answers import Certified, fault
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.federation import Federation
from server.progress import Step
from server.strategies import horizontal
from server.summation import Combined, Summation

ALL = "all"


@dataclass
class Findings:
    """What calibration and its test brought.

    Attributes
    ----------
    groups : dict of str to Calibration
        By whose learners calibrated; empty where each site calibrates by itself.
    types : list of str
        Education types that take part.
    sets : int array, shape (types, 2, 2, 4)
        Later learners by education type; bounds of the same time, then of earlier courses; result;
        kind of set.
    probability : float64 array
        Score summary of the calibrated probability of failing.
    sites : dict of str to dict
        What each site said of its own test learners.
    """

    groups: dict[str, Calibration]
    types: list[str]
    sets: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]
    sites: dict[str, dict[str, Any]]


@dataclass
class Outcome(horizontal.Outcome):
    """A horizontal job's outcome, and what certifying adds."""

    findings: Findings | None = None


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Train, calibrate and test; parameters and errors as `horizontal.run`."""
    trained, summation = horizontal.run_with(federation, expected, roster, checkpoint)
    clock = Clock()
    findings = _certify(federation, summation, trained)
    clock.lap("calibration")
    trained.phases += clock.phases
    return Outcome(**vars(trained), findings=findings)


def _certify(federation: Federation, summation: Summation, trained: horizontal.Outcome) -> Findings:
    task = federation.job.certify
    types = sorted({str(meta["education"]) for meta in trained.hello.values()})
    names = {ALL: [ALL], "education": types, "site": []}[task.quantiles]
    model = prefixed(WEIGHT, trained.weights)
    asked = {
        "model_round": trained.best_round,
        "cohorts": trained.cohorts,
        "groups": names,
        "types": types,
    }
    groups: dict[str, Calibration] = {}
    if names:
        said = f"counts of scores over {len(trained.hello)} sites, {task.folds} folds"
        federation.progress(Step("calibration", said))
        shape = (len(names), task.folds, 2, BINS)
        like = Share(
            sums={
                "calibration": np.zeros(shape, dtype=np.int64),
                "earlier": np.zeros((len(names), 2, BINS), dtype=np.int64),
            }
        )
        counted = _ask(federation, summation, "query.conformity", asked, model, like).total.sums
        counts, earlier = (_whole(counted[name]) for name in ("calibration", "earlier"))
        groups = {
            name: calibration_of(counts[place], earlier[place], task.coverage)
            for place, name in enumerate(names)
        }
    federation.progress(Step("calibration", "do the sets hold the results of test learners?"))
    like = Share(
        sums={
            "sets": np.zeros((len(types), 2, 2, 4), dtype=np.int64),
            "probability": np.zeros((2, METRIC_BINS, 3)),
        }
    )
    sent = model | _bounds(list(groups.values()))
    tested = _ask(federation, summation, "evaluate.certify", asked, sent, like)
    return Findings(
        groups=groups,
        types=types,
        sets=_whole(tested.total.sums["sets"]),
        probability=tested.total.sums["probability"],
        sites={site: meta["certify"] for site, meta in tested.metas.items()},
    )


def _ask(
    federation: Federation,
    summation: Summation,
    kind: str,
    asked: Mapping[str, Any],
    arrays: Arrays,
    like: Share,
) -> Combined:
    """Ask all sites; they have the sums behind their designs since training."""

    def check(reply: Any) -> str | None:
        return fault(Certified, reply.meta) if kind == "evaluate.certify" else None

    return federation.patiently(
        lambda: summation.collect(kind, asked, lambda _: arrays, like, None, check)
    )


def _bounds(groups: list[Calibration]) -> Arrays:
    """Return what a site needs, stacked over groups; nothing where each has its own."""
    if not groups:
        return {}
    each = [group.to_arrays() for group in groups]
    return {
        "bounds": np.stack([arrays["bounds"] for arrays in each]),
        "earlier": np.concatenate([arrays["earlier"] for arrays in each]),
        "tables": np.stack([arrays["tables"] for arrays in each]),
        "calibrated": np.stack([arrays["calibrated"] for arrays in each]),
    }


def _whole(counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Take sums of counts for whole numbers again: masked ones travel as real numbers."""
    return np.rint(counts).astype(np.int64)
