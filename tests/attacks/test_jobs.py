"""Membership inference against the models of whole jobs, trained as `edufed run` trains them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from flwr.serverapp import Grid
from loopback import Loopback, flower_run

from clients.design import build_design
from clients.site import Site
from clients.training import predict_logit
from edufed.config import compose_job, simulated_sites
from edufed.features import design_names
from edufed.models import build_model, set_weights
from edufed.privacy.attacks.advantage import Advantage
from edufed.privacy.attacks.membership import loss_threshold, margins
from edufed.privacy.simulated import simulated_roster
from server.app import run_job

SITES = 3
#: Half of the learners, drawn by a hash of their ids, never train: members are no other kind.
#: Nobody validates, so that the last round's model is kept.
HALVES = ("data.split.by=learner", "data.split.test_share=0.5", "task.validation_share=1e-9")


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("province")


def attacked(province: Path, out: Path, *overrides: str) -> Advantage:
    """Run a job and guess by loss who trained its model."""
    job = compose_job(
        [
            *(f"data.path={province}", f"data.regions={SITES}", "+data.adapter.learners=2500"),
            *(f"out={out}", *HALVES, *overrides),
        ]
    )
    sites = simulated_sites(job)
    with flower_run():
        done = run_job(
            cast(Grid, Loopback(SITES)),
            job,
            simulated_roster(site.name for site in sites),
            out,
            lambda step: None,
        )
    outcome: Any = done.outcome
    model = build_model(job.model, len(design_names()), job.seed)
    set_weights(model, outcome.weights)
    margin, member = [], []
    for settings in sites:
        matrix = Site(settings).learners(job.early_warning.cutoff_day).matrix
        design = build_design(matrix, job, outcome.cohorts, outcome.sums)
        for rows, trained in ((design.split.train, True), (design.split.test, False)):
            x, y = design.part(rows)
            margin.append(margins(predict_logit(model, x), y, matrix.learner_id[rows]))
            member.append(np.full(len(margin[-1]), trained))
    return loss_threshold(np.concatenate(margin), np.concatenate(member))


def test_members_of_an_overfitted_jobs_model_are_given_away(province: Path, tmp_path: Path) -> None:
    gained = attacked(
        province, tmp_path, "privacy=none", "model=mlp", "model.hidden=[256]", "model.dropout=0",
        "model.l2=0", "strategy.local_epochs=40", "strategy.learning_rate=0.01",
        "scenario.rounds=4", "research=false",
    )  # fmt: skip
    assert gained.measurable
    assert gained.value > 0.1


def test_members_of_a_private_jobs_model_are_not(province: Path, tmp_path: Path) -> None:
    gained = attacked(province, tmp_path, "privacy=secagg_dp", "privacy.epsilon=4")
    assert gained.trials > 1000
    assert gained.low <= 0.0 <= gained.high
    assert gained.high < 0.15
