"""An answer that fails tells no more for nothing than one that is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clients import horizontal_dp
from clients.horizontal import prepared
from clients.site import Site
from clients.spending import SpentError, answer_once, answered, job_ledger, reserve, reserved
from edufed.arrays import Arrays, prefixed
from edufed.config import Job, SettingsError, compose_job, simulated_sites
from edufed.features import FEATURES, design_names
from edufed.models import build_model, get_weights
from edufed.private_job import noise_of, planned
from edufed.share import Share
from edufed.wire import SUM, WEIGHT


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Job, Arrays, Arrays]:
    """A site that has told its numbers, its test learners' columns, a model of zeros, no means."""
    folder = tmp_path_factory.mktemp("failures")
    job = compose_job(
        [
            *(f"data.path={folder / 'province'}", "data.regions=1", f"out={folder / 'out'}"),
            *("+data.adapter.learners=300", "data.courses=[]", "privacy=dp"),
        ]
    )
    site = Site(simulated_sites(job)[0])
    reserve(site, job, noise_of(planned(job)))
    horizontal_dp.send_statistics(site, job, {}, {})
    sums = prefixed(SUM, {"means": np.zeros((0, len(FEATURES)))})
    design = prepared(site, job, {"cohorts": []}, sums).design
    weights = get_weights(build_model(job.model, len(design_names()), job.seed))
    model = {name: np.zeros_like(array) for name, array in weights.items()}
    return site, job, {"x": design.x[design.split.test]}, prefixed(WEIGHT, model) | sums


def steps(site: Site, job: Job) -> int:
    return sum(entry.kind == "spend" for entry in job_ledger(site, job).entries())


@pytest.mark.parametrize("question", ["evaluate", "train"])
def test_weights_beyond_all_bounds_do_not_single_out_a_learner(
    question: str, asked: tuple[Site, Job, Arrays, Arrays]
) -> None:
    """Two features weighed by +w and -w: the score is NaN for who has both beyond 3.4e38 / w."""
    site, job, rows, model = asked
    places = np.argsort(-rows["x"][:, : len(FEATURES)].max(axis=0))
    one, other = next(
        (i, j) for i in places for j in places if i != j and (rows["x"][:, [i, j]] > 1).all(1).any()
    )
    (name,) = (name for name in model if name.endswith("weight"))
    weights = model[name].copy()
    weights[0, one], weights[0, other] = 3.4e38, -3.4e38
    meta: dict[str, Any] = {"step": 1, "model_round": 0, "cohorts": []}
    before = steps(site, job)
    _, answer = getattr(horizontal_dp, question)(site, job, meta, model | {name: weights})
    assert all(np.isfinite(array).all() for array in answer.values())
    assert steps(site, job) == before + 1


def test_a_failed_answer_is_spent_and_not_tried_again(
    asked: tuple[Site, Job, Arrays, Arrays],
) -> None:
    site, job, _, _ = asked
    entry = reserved(site, job)["training"]
    tries = 0

    def fail() -> Share:
        nonlocal tries
        tries += 1
        raise ArithmeticError

    before = steps(site, job)
    with pytest.raises(ArithmeticError):
        answer_once(site, job, "train-0002", {}, [(entry, 1)], fail)
    assert steps(site, job) == before + 1
    with pytest.raises(SpentError, match="train-0002 was answered already"):
        answer_once(site, job, "train-0002", {}, [(entry, 1)], fail)
    assert tries == 1
    assert answered(site, job, "train-0002") is None


def test_a_question_that_settings_refuse_costs_nothing(
    asked: tuple[Site, Job, Arrays, Arrays],
) -> None:
    site, job, _, _ = asked
    entry = reserved(site, job)["training"]

    def refuse() -> Share:
        raise SettingsError("not so")

    before = steps(site, job)
    for _ in range(2):
        with pytest.raises(SettingsError):
            answer_once(site, job, "train-0003", {}, [(entry, 1)], refuse)
    assert steps(site, job) == before
