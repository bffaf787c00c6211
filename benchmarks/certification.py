"""How close to nominal is conformal coverage, region by region, and does it depend on the draw?

    edufed run task=certify data=oulad data.path=../shared/data/oulad research=false out=RUN
    python benchmarks/certification.py --run RUN [--json FILE]

Scores the later learners of a finished simulation with its model, and calibrates them anew in ways
that a job could: by folds as it does, by one random quarter of the learners, by each region's own
learners, and by the earlier courses' learners. Folds and quarters are drawn 20 times. For each way:
coverage over all regions (lowest, mean, highest draw), the farthest region from nominal (in the
mean over draws, and in the median draw), and in how many draws all regions are within 2 points.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from result import save, show

from clients.certify import Scored, score
from clients.site import Site
from edufed.arrays import prefixed
from edufed.certify.conformal import FAIL, PASS, bounds, count
from edufed.config import Job, simulated_sites
from edufed.published import load_published
from edufed.wire import WEIGHT

DRAWS, QUARTER, POINTS = 20, 0.25, 0.02
Mask = npt.NDArray[np.bool_]


class Later:
    """All sites' later learners in one place: `bins`, `passed`, `region`, `learner` of each row."""

    def __init__(self, job: Job, sites: list[Site], scored: list[Scored]) -> None:
        parts = [own.fold >= 0 for own in scored]
        pairs = list(zip(scored, parts, strict=True))
        self.bins = np.concatenate([own.bins[rows] for own, rows in pairs])
        self.passed = np.concatenate([own.passed[rows] for own, rows in pairs])
        self.region = np.repeat(np.arange(len(sites)), [rows.sum() for rows in parts])
        day = job.certify.cutoff_day
        ids = [
            site.learners(day).matrix.learner_id[rows]
            for site, rows in zip(sites, parts, strict=True)
        ]
        self.learner = np.unique(np.concatenate(ids), return_inverse=True)[1]
        self.earlier = np.sum([own.earlier() for own in scored], axis=0)
        self.coverage, self.folds = job.certify.coverage, job.certify.folds

    def held(self, rows: Mask, counts: npt.NDArray[np.integer]) -> Mask:
        """Whether the set of each of `rows` holds the result, calibrated by `counts`."""
        held = bounds(counts, self.coverage).holds(self.bins[rows])
        return np.where(self.passed[rows], held[PASS], held[FAIL])

    def counts(self, rows: Mask) -> npt.NDArray[np.int64]:
        """Count calibration learners."""
        return count(self.bins[rows], self.passed[rows])

    def uniform(self, draw: int) -> npt.NDArray[np.float64]:
        """Give each learner, with all their rows, a random number."""
        return np.random.default_rng(draw).random(self.learner.max() + 1)[self.learner]


def by_folds(later: Later, draw: int) -> npt.NDArray[np.float64]:
    """Judge each fold by the others: 1 where covered."""
    fold = (later.uniform(draw) * later.folds).astype(int)
    found = np.empty(len(fold))
    for number in range(later.folds):
        found[fold == number] = later.held(fold == number, later.counts(fold != number))
    return found


def by_a_quarter(later: Later, draw: int) -> npt.NDArray[np.float64]:
    """Judge three quarters by the fourth; NaN where a learner calibrates."""
    calibrates = later.uniform(draw) < QUARTER
    found = np.full(len(calibrates), np.nan)
    found[~calibrates] = later.held(~calibrates, later.counts(calibrates))
    return found


def by_region(later: Later, draw: int) -> npt.NDArray[np.float64]:
    """Judge each fold of a region by the region's others."""
    fold = (later.uniform(draw) * later.folds).astype(int)
    found = np.empty(len(fold))
    for region in np.unique(later.region):
        own = later.region == region
        for number in range(later.folds):
            rows = own & (fold == number)
            found[rows] = later.held(rows, later.counts(own & (fold != number)))
    return found


def by_earlier(later: Later, _draw: int) -> npt.NDArray[np.float64]:
    """Judge all by learners of earlier courses."""
    return later.held(np.ones(len(later.bins), dtype=bool), later.earlier).astype(float)


WAYS: dict[str, tuple[Callable[[Later, int], npt.NDArray[np.float64]], int]] = {
    "folds, all regions together": (by_folds, DRAWS),
    "one quarter, all regions together": (by_a_quarter, DRAWS),
    "folds, each region alone": (by_region, DRAWS),
    "earlier courses": (by_earlier, 1),
}


def measure(later: Later, name: str) -> dict[str, Any]:
    """Return one row of the table."""
    way, draws = WAYS[name]
    found = [way(later, draw) for draw in range(draws)]
    regions = np.array(
        [[np.nanmean(each[later.region == r]) for r in np.unique(later.region)] for each in found]
    )
    off = np.abs(regions - later.coverage)
    overall = [float(np.nanmean(each)) for each in found]
    return {
        "calibrated by": name,
        "lowest": round(min(overall), 4),
        "mean": round(float(np.mean(overall)), 4),
        "highest": round(max(overall), 4),
        "farthest region, mean of draws": round(
            float(abs(regions.mean(axis=0) - later.coverage).max()), 4
        ),
        "farthest region, median draw": round(float(np.median(off.max(axis=1))), 4),
        "draws with all regions within": f"{int((off <= POINTS).all(axis=1).sum())} of {draws}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="How close to nominal is coverage?")
    parser.add_argument("--run", type=Path, required=True, help="out folder of the job")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    config = json.loads((options.run / "report.json").read_text())["job"]["config"]
    job = Job.model_validate({**config, "out": str(options.run)})
    model = load_published(options.run / "model")
    meta = {"model_round": model.description.rounds}
    sites = [Site(settings) for settings in simulated_sites(job)]
    scored = [score(site, job, meta, prefixed(WEIGHT, model.weights)) for site in sites]
    later = Later(job, sites, scored)
    rows = [measure(later, name) for name in WAYS]
    worst = rows[0]["farthest region, mean of draws"]
    goals = {"coverage_by_region": {"value": worst, "goal": "<= 0.02", "holds": worst <= POINTS}}
    show(f"Coverage of {len(later.bins):,} learners, nominal {later.coverage}", rows, goals)
    if options.json is not None:
        save(options.json, shlex.join(sys.argv), rows, goals)


if __name__ == "__main__":
    main()
