"""Cold start on three platforms of a small region: real messages, no processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flwr.app import Message
from small_vertical import run

from clients.alignment import read_alignment
from clients.cold_start import lists_file
from clients.cold_start_pooled import pooled_cold_start
from clients.newcomers import newcomers
from clients.platform import TEST
from clients.site import Site
from clients.taste import taste
from clients.welcome import figures
from edufed.config import Job, SettingsError, compose_job, simulated_sites
from edufed.wire import unpack


class Ended:
    """A job that ran to its end, and what travelled."""

    def __init__(self, folder: Path) -> None:
        self.job: Job = compose_job(
            [
                *("task=cold_start", f"data.path={folder / 'province'}", "data.regions=2"),
                *("+data.adapter.learners=900", f"out={folder / 'out'}", "scenario.rounds=12"),
                *("task.replicates=50", "scenario.min_improvement=0.0000001"),
            ]
        )
        self.seen: list[tuple[str, dict[str, Any], list[str]]] = []

        def note(node: int, asked: Message, answered: Message) -> Message:
            meta, arrays = unpack(answered.content)
            self.seen.append((asked.metadata.message_type, meta, sorted(arrays)))
            return answered

        self.sites = simulated_sites(self.job)
        self.finished = run(self.job, folder / "job", note)
        self.pooled = pooled_cold_start(self.job, self.sites, len(self.finished.outcome.rounds))
        self.report = self.finished.report(1.0, self.pooled)
        self.label = next(Site(s) for s in self.sites if s.name == "digital-library")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return Ended(tmp_path_factory.mktemp("cold"))


def test_the_parties_reach_the_pooled_model(ended: Ended) -> None:
    vertical: Any = ended.report.more["vertical"]
    assert -1e-5 < vertical["loss_gap"] < 1e-4  # features are rounded, so it may be below 0
    rebuilt = vertical["attacks"]["feature_reconstruction"]
    assert 0 <= rebuilt["own_mean"] <= rebuilt["seen_highest"] <= 1
    roles = {party["site"]: party["role"] for party in vertical["parties"]}
    assert roles == {"digital-library": "label", "mooc": "feature", "live-class": "feature"}
    # The figures are those of the pooled model's scores.
    own = newcomers(ended.label, ended.job)
    rows = read_alignment(ended.label, ended.job.id).rows
    pooled = figures(own, ended.job, rows, ended.pooled["scores"], ended.pooled["scores"])
    told: Any = ended.report.more["cold_start"]
    for here, there in zip(told["figures"], pooled, strict=True):
        assert here["learners"] == there["learners"]
        ours = {row["model"]: row["ndcg_at_10"] for row in here["models"]}
        theirs = {row["model"]: row["ndcg_at_10"] for row in there["models"]}
        for model in ours.keys() - {"own_attributes"}:
            assert ours[model] == pytest.approx(theirs[model], abs=0.01)


def test_every_newcomer_has_a_list_at_the_platform_alone(ended: Ended) -> None:
    file = lists_file(ended.label, ended.job.id)
    assert file.stat().st_mode & 0o777 == 0o600
    listed = pd.read_csv(file, dtype=str)
    own = newcomers(ended.label, ended.job)
    awaited = own.arrivals.new & (own.part == TEST)
    assert set(listed["learner_id"]) == set(own.arrivals.learner_id[awaited])
    told: Any = ended.report.more["cold_start"]
    assert told["lists"] == int(awaited.sum()) > 0
    for _, rows in listed.groupby(["learner_id", "course_id"]):
        assert rows["place"].tolist() == [str(place) for place in range(1, 11)]
        assert rows["resource_id"].is_unique
    assert listed["reason"].notna().all()
    for site in ended.sites:
        if site.name != "digital-library":
            assert not list((site.state / "lists").glob("*"))


def test_no_answer_holds_a_learner_or_a_score(ended: Ended) -> None:
    own = newcomers(ended.label, ended.job)
    people = {*own.arrivals.learner_id.tolist(), *own.arrivals.link.tolist()} - {""}
    for kind, meta, arrays in ended.seen:
        said = json.dumps(meta)
        assert len(said) < 32_000, kind
        assert not any(person in said for person in people)
        if kind in ("query.align", "train.vertical"):
            assert arrays == ["post"]
            if meta["site"] != "digital-library":
                assert set(meta) <= {"site", "status", "present"}


def test_figures_of_few_learners_are_not_told(ended: Ended) -> None:
    task = ended.job.cold_start.model_copy(update={"min_cohort": 100_000})
    job = ended.job.model_copy(update={"task": task})
    own = newcomers(ended.label, ended.job)
    rows = read_alignment(ended.label, ended.job.id).rows
    scores = np.zeros((len(rows), own.y.shape[1]))
    for part in figures(own, job, rows, scores, scores):
        assert (part["learners"], part["models"], part["differences"]) == (None, [], [])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("scenario=horizontal", "data=province"), "scenario=vertical"),
        (("data=province", "strategy.products=dealt"), "is for task=early_warning"),
    ],
)
def test_what_does_not_go_together_is_said(settings: tuple[str, ...], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        compose_job(["task=cold_start", *settings, "out=x"])


def test_a_later_job_of_the_same_process_sees_what_was_refreshed(tmp_path: Path) -> None:
    job = compose_job(
        [
            *("task=cold_start", f"data.path={tmp_path / 'province'}", "data.regions=1"),
            *("+data.adapter.learners=300", f"out={tmp_path / 'out'}"),
        ]
    )
    site = next(Site(s) for s in simulated_sites(job) if s.name == "mooc")
    before = taste(site, job)
    (events,) = tmp_path.glob("province/*/mooc/events.parquet")
    rows = pd.read_parquet(events)
    rows.iloc[: len(rows) // 2].to_parquet(events)
    after = taste(site, job.model_copy(update={"id": "the-next-job"}))
    assert taste(site, job) is before  # a job stays with the rows that it began with
    assert not np.array_equal(before.values, after.values)
