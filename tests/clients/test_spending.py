"""A real site process, killed between spending and answering: its ledger never under-counts."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from clients.site import Site
from clients.spending import job_ledger, reserve
from edufed.config import compose_job, simulated_sites
from edufed.private_job import noise_of, planned

ROUNDS = 1000
KILLS = 3
SITE = """
import hashlib, os, sys
from pathlib import Path
import numpy as np
from clients.horizontal_dp import send_statistics, train
from clients.site import Site
from edufed.config import Job, simulated_sites
from edufed.features import FEATURES, design_names
from edufed.models import build_model, get_weights
from edufed.arrays import prefixed
from edufed.wire import SUM, WEIGHT

job = Job.model_validate_json(Path(sys.argv[1]).read_text())
site = Site(simulated_sites(job)[0])
answers = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
send_statistics(site, job, {}, {})
model = prefixed(WEIGHT, get_weights(build_model(job.model, len(design_names()), 1)))
sums = prefixed(SUM, {"means": np.zeros((0, len(FEATURES)))})
for number in range(int(sys.argv[3]), job.scenario.rounds + 1):
    meta = {"step": number, "model_round": 0, "cohorts": []}
    _, arrays = train(site, job, meta, model | sums)
    said = hashlib.sha256(arrays["mean/layers.0.weight"].tobytes()).hexdigest()
    os.write(answers, f"{number} {said}\\n".encode())
"""


def given(file: Path) -> list[tuple[int, str]]:
    """Steps that were answered, and what was said."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(number), said) for number, said in (line.split() for line in lines)]


def test_a_site_killed_between_spending_and_answering_never_under_counts(tmp_path: Path) -> None:
    job = compose_job(
        [
            *(f"data.path={tmp_path / 'province'}", "data.regions=1", f"out={tmp_path / 'out'}"),
            *("+data.adapter.learners=300", "data.courses=[]", "privacy=dp"),
            *(f"scenario.rounds={ROUNDS}", "strategy.local_steps=1", "privacy.sampling_rate=1"),
        ]
    )
    site = Site(simulated_sites(job)[0])
    budget = planned(job)
    reserve(site, job, noise_of(budget))
    reserved = job_ledger(site, job).epsilon("learners")
    said, answers = tmp_path / "job.json", tmp_path / "answers"
    said.write_text(job.model_dump_json())
    chance = random.Random(7)
    for kill in range(1, KILLS + 1):
        had = len(given(answers))
        # The last step is asked again: its answer may have been lost.
        first = given(answers)[-1][0] if had else 1
        process = subprocess.Popen(
            [sys.executable, "-c", SITE, str(said), str(answers), str(first)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            end = time.monotonic() + 300
            while len(given(answers)) < had + 5:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.05))
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        done = set(given(answers))
        assert len({number for number, _ in done}) == len(done)  # a step has one answer for good
        entries = job_ledger(site, job).entries()
        spent = sum(e.kind == "spend" and e.charges[0] == one_step(budget) for e in entries)
        assert len(done) <= spent <= len(done) + kill
    assert job_ledger(site, job).epsilon("learners") >= reserved
    assert (site.store.folder / "jobs" / job.id / "ledger.jsonl").stat().st_mode & 0o777 == 0o600


def one_step(budget: object) -> object:
    from dataclasses import replace

    return replace(budget["training"].charge, steps=1)  # type: ignore[index]
