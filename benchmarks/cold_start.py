"""Cold start: how its settings were chosen, on training courses alone.

The courses that a job trains on are divided once more by their first day: the earlier ones train,
the later ones judge. No course that the job tests on is judged. All columns are in one place, as
in the pooled baseline, which the federation comes to. Prints NDCG@10 of lists for learners without
a use of their own, for each penalty and each weight of the foretold categories.

    python benchmarks/cold_start.py data=oulad_vertical data.path=../shared/data/oulad \
        --from 2013-06-01 [--json FILE]
    python benchmarks/cold_start.py data=province --from 2024-06-01
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from result import save, show
from sklearn.linear_model import LogisticRegression

from clients.newcomers import newcomers
from clients.platform import TRAIN, identifiers, identify
from clients.site import Site
from clients.taste import taste
from edufed.cold_start.evaluation import POPULAR, RECENT, TOGETHER, judge_at, table
from edufed.cold_start.lists import Strength
from edufed.config import Job, compose_job, simulated_sites

Array = npt.NDArray[np.float64]
PENALTIES, WEIGHTS = (0.01, 0.03, 0.1), (0.5, 1.0, 2.0, 3.0, 5.0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Choose the settings of a cold start.")
    parser.add_argument("settings", nargs="+")
    parser.add_argument("--from", dest="begins", type=date.fromisoformat, required=True)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = _tried([*options.settings, f"federation.state={scratch}"], options.begins)
    show(f"NDCG@10 on training courses from {options.begins}", rows, {})
    if options.json is not None:
        save(options.json, shlex.join(sys.argv), rows, {})


def _tried(settings: list[str], begins: date) -> list[dict[str, Any]]:
    job = compose_job(["task=cold_start", "out=x", *settings])
    ends = np.datetime64(job.data.split.test_from, "D")
    split = job.data.split.model_copy(update={"test_from": begins})
    job = job.model_copy(update={"data": job.data.model_copy(update={"split": split})})
    own, x = _together(job)
    trains = own.part == TRAIN
    judges = ~trains & (own.arrivals.course_start < ends)
    task, every = job.cold_start, np.arange(len(trains))
    rows = []
    for penalty in PENALTIES:
        scores = np.column_stack(
            [
                LogisticRegression(C=1 / (penalty * trains.sum()), solver="newton-cholesky")
                .fit(x[trains], label[trains])
                .decision_function(x)
                for label in own.y.T
            ]
        )
        chances = {TOGETHER: own.chances(every, scores)}
        for weight in WEIGHTS:
            judged = judge_at(
                own.arrivals,
                judges,
                chances,
                0,
                task.cutoff_day,
                task.recent_days,
                Strength(weight, task.history_weight),
            )
            for group, among in (("new", own.arrivals.new), ("all", np.ones_like(judges))):
                found = table(judged, among, 1, task.min_cohort, np.random.default_rng(job.seed))
                reached = {row["model"]: round(row["ndcg_at_10"], 4) for row in found["models"]}
                rows.append(
                    {
                        "group": group,
                        "learners": found["learners"],
                        "model.l2": penalty,
                        "task.trust": weight,
                        **{name: reached.get(name) for name in (POPULAR, RECENT, TOGETHER)},
                    }
                )
    return sorted(rows, key=lambda row: (row["group"], row["model.l2"], row["task.trust"]))


def _together(job: Job) -> tuple[Any, Array]:
    """The label party's rows, and all parties' columns of them."""
    sites = {site.name: Site(site) for site in simulated_sites(job)}
    assert job.label_party is not None
    own = newcomers(sites.pop(job.label_party), job)
    ids = identify(own.arrivals.link.tolist(), own.arrivals.course_id.tolist())
    parts = [own.x]
    for site in sites.values():
        brought = taste(site, job)
        place = {name: at for at, name in enumerate(identifiers(brought.learners)) if name}
        rows = np.array([place.get(name, -1) for name in ids])
        parts.append(brought.of(rows, own.part == TRAIN))
    return own, np.hstack(parts)


if __name__ == "__main__":
    main()
