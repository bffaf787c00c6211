"""Filling gaps: what is a federated imputer worth to a platform that lacks columns?

The thirteen regions of OULAD (cutoff day 60, 2013 trains, 2014 tests); one region is made to lack
canonical features, the others keep theirs. Sums of moments over present pairs make the imputer; the
model is trained on the other regions. Prints the error of what is filled in against the truth, how
often its 95 % interval holds the truth, and the ROC-AUC of the region's test learners with the
features filled in, left out, and known; means over the regions, each of which lacks them once.

    python benchmarks/imputation.py --data ../shared/data/oulad [--state DIR] [--json FILE]
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from result import save, show

from clients.canonical import Domain, domain
from clients.site import Site
from edufed.config import Job, compose_job, simulated_sites
from edufed.features.canonical import canonical_columns, canonical_design, columns_of
from edufed.records import CANONICAL
from edufed.transfer.curve import Learners, roc_auc
from edufed.transfer.imputer import (
    Imputer,
    PairMoments,
    filled_ranks,
    normal_scores,
    pair_moments,
    rank_intervals,
)
from edufed.transfer.newton import Curvature, curvature, step

Array = npt.NDArray[np.float64]
#: Features that the region is made to lack, by why a platform would.
LACKING = {
    "no log of activity": ("activity", "regularity", "recency"),
    "no due days": ("completion", "lateness"),
    "no assessments": ("achievement", "completion", "lateness"),
    "no background": ("prior_level", "age_band", "means", "attempts"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="What is filling gaps worth?")
    parser.add_argument("--data", required=True)
    parser.add_argument("--state", default=None, help="where regions keep features between runs")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        job = _job(options.data, options.state or scratch)
        regions = {site.name: domain(Site(site), job) for site in simulated_sites(job)}
    regions = {name: own for name, own in regions.items() if name != "polytechnic"}
    rows: list[dict[str, Any]] = [
        {"lacking": why, **_mean([_tried(regions, name, gone) for name in regions])}
        for why, gone in LACKING.items()
    ]
    show("Filling gaps, mean over regions", rows, {})
    if options.json is not None:
        save(options.json, shlex.join(sys.argv), rows, {})


def _job(data: str, state: str) -> Job:
    """The transfer job of OULAD, whose regions are read as it reads them."""
    path = Path(data).resolve().parent
    return compose_job(
        ["data=oulad_to_polytechnic", f"data.path={path}", f"federation.state={state}", "out=x"]
    )


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]}


def _tried(regions: dict[str, Domain], name: str, gone: tuple[str, ...]) -> dict[str, float]:
    """Make one region lack features; fill them in by what the others and it know together."""
    others = [own for other, own in regions.items() if other != name]
    mine = regions[name]
    lacks = np.array([feature in gone for feature in CANONICAL])
    truth = mine.features.ranks
    placed = np.where(lacks, np.nan, truth)
    parts = [pair_moments(normal_scores(p)) for p in (placed, *(o.features.ranks for o in others))]
    imputer = Imputer.from_moments(
        PairMoments(
            *(np.sum([getattr(p, f) for p in parts], axis=0) for f in ("count", "first", "second"))
        )
    )
    filled = np.where(lacks, filled_ranks(imputer, placed), placed)
    low, high = rank_intervals(imputer, placed)
    known = lacks & ~np.isnan(truth)
    inside = (low <= truth) & (truth <= high)
    whole = _trained(others, tuple(CANONICAL))
    without = _trained(others, tuple(f for f in CANONICAL if f not in gone))
    return {
        "rmse": float(np.sqrt(np.mean((filled - truth)[known] ** 2))),
        "rmse_middle": float(np.sqrt(np.mean((0.5 - truth)[known] ** 2))),
        "coverage": float(inside[known].mean()),
        "left_out": _roc_auc(mine, placed, without),
        "filled": _roc_auc(mine, filled, whole),
        "known": _roc_auc(mine, truth, whole),
    }


def _trained(sources: list[Domain], features: tuple[str, ...]) -> Array:
    """Weights of a logistic model of the sources' training learners, by Newton's steps on sums."""
    w, used = np.zeros(1 + len(canonical_columns())), columns_of(features)
    learners = [own.learners.part(own.train) for own in sources]
    for _ in range(8):
        parts = [curvature(rows.canonical, rows.y, w) for rows in learners]
        total = Curvature(
            np.sum([p.gradient for p in parts], axis=0),
            np.sum([p.hessian for p in parts], axis=0),
            np.sum([p.loss for p in parts], axis=0),
        )
        w, _ = step(total, w, used, 0.001)
    return w


def _roc_auc(own: Domain, placed: Array, w: Array) -> float:
    y = own.learners.y[own.test]
    return roc_auc(Learners(canonical_design(placed[own.test]), np.zeros((len(y), 0)), y), w)


if __name__ == "__main__":
    main()
