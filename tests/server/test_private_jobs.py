"""Whole jobs with differential privacy: what leaves, what ledgers say, what is reported."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
from dp_accounting.pld import PLDAccountant
from loopback import Loopback
from private_jobs import SITES, Recorded, compose, run

from clients.site import Site
from clients.spending import ledger_of
from clients.split import split
from edufed.config import simulated_sites
from edufed.privacy.composition import Charge
from edufed.privacy.dp.evaluation import score_counts
from edufed.privacy.dp.statistics import course_sums
from edufed.private_job import courses_of, planned
from server.federation import JobError
from server.report.html import render

BOTH = pytest.mark.parametrize("privacy", ["dp", "secagg_dp"])
#: All that an answer may hold beside arrays, by message.
SAID = {"site", "status"}


@pytest.fixture(scope="module", params=["dp", "secagg_dp"])
def finished(request: Any, province: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One job, with all that its sites answered."""
    out = tmp_path_factory.mktemp(request.param)
    job = compose(province, out, f"privacy={request.param}", "scenario.rounds=2")
    grid = Recorded()
    return job, grid, run(job, out, grid)


def exact_values(job: Any) -> dict[str, set[float]]:
    """Numbers of every site that must not be in its answers."""
    found = {}
    for settings in simulated_sites(job):
        matrix = Site(settings).learners(job.early_warning.cutoff_day).matrix
        parts = split(matrix, job)
        counts = [
            len(set(matrix.learner_id[rows])) for rows in (parts.train, parts.valid, parts.test)
        ]
        sums = course_sums(matrix, courses_of(job))
        found[settings.name] = {*map(float, counts), *sums[sums != 0].tolist()}
    return found


def test_no_answer_holds_anything_exact_of_a_learner(finished: Any) -> None:
    job, grid, _ = finished
    exact = exact_values(job)
    ids = {
        str(learner)
        for site in simulated_sites(job)
        for learner in Site(site).learners(job.early_warning.cutoff_day).matrix.learner_id
    }
    assert len(ids) > 500
    for _, kind, meta, arrays in grid.answers:
        said = SAID | ({"ledger"} if kind == "query.publish" else set())
        assert set(meta) == said, kind
        text = json.dumps(meta)
        assert not any(learner in text for learner in ids)
        for name, array in arrays.items():
            if array.dtype.kind == "f" and name != "weight":
                values = set(np.asarray(array, float).ravel().tolist()) - {0.0}
                assert not values & exact[meta["site"]], (kind, name)
    allowed = {
        "dp": {
            "query.hello": set(),
            "query.statistics": {"add/learners", "add/courses", "weight"},
            "train.horizontal": {"mean/layers.0.weight", "mean/layers.0.bias", "weight"},
            "evaluate.horizontal": {"add/scores", "weight"},
            "query.publish": set(),
        },
        "secagg_dp": {
            "query.hello": {"advert"},
            "query.keys": {"deposit"},
            "query.statistics": {"masked"},
            "train.horizontal": {"masked"},
            "evaluate.horizontal": {"masked"},
            "query.unmask": {"opened"},
            "query.publish": set(),
        },
    }[job.privacy.name]
    assert {kind for _, kind, _, _ in grid.answers} == set(allowed)
    for _, kind, _, arrays in grid.answers:
        assert set(arrays) == allowed[kind], kind


@pytest.mark.parametrize(
    ("page", "to"), [("threat-model.md", "to"), ("threat-model.zh-CN.md", "对")]
)
def test_every_answer_is_in_the_threat_model(finished: Any, root: Path, page: str, to: str) -> None:
    rows = {
        line.split("`")[1]: line
        for line in (root / "docs" / page).read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| *{to}* `")
    }
    for _, kind, meta, arrays in finished[1].answers:
        for name in {*meta, *arrays} - SAID - {"masked", "deposit", "opened"}:
            if name.startswith("mean/") or (name == "weight" and kind != "train.horizontal"):
                continue  # weights by their names; nothing is averaged elsewhere
            assert f"`{name.removeprefix('add/')}`" in rows[kind], (kind, name)


def test_the_reported_epsilon_is_what_another_accountant_finds(finished: Any) -> None:
    job, _, done = finished
    report = json.loads(done.report(1.0).model_dump_json())
    dp = report["privacy"]["dp"]
    accountant = PLDAccountant(value_discretization_interval=1e-4)
    for entry in dp["entries"]:
        event = GaussianDpEvent(entry["noise_multiplier"])
        if entry["sampling_rate"] < 1:
            event = PoissonSampledDpEvent(entry["sampling_rate"], event)
        accountant.compose(event, entry["steps"])
    assert dp["epsilon"] == pytest.approx(accountant.get_epsilon(dp["delta"]), rel=0.01)
    assert dp["epsilon"] <= job.privacy.epsilon
    assert {entry["name"] for entry in dp["entries"]} == {
        "counts", "statistics", "training", "evaluation"
    }  # fmt: skip


def test_every_sites_ledger_holds_what_the_job_spent(finished: Any) -> None:
    job, _, done = finished
    report = done.report(1.0)
    assert [row["site"] for row in report.privacy.ledger] == [s.name for s in simulated_sites(job)]
    for settings, row in zip(simulated_sites(job), report.privacy.ledger, strict=True):
        ledger = ledger_of(settings)
        kinds = [entry.kind for entry in ledger.entries()]
        assert kinds == ["reserve", *["spend"] * 5, "close"]
        assert ledger.epsilon("learners") == row["epsilon"]
        assert row["epsilon"] == pytest.approx(report.privacy.dp.epsilon, rel=0.01)
        assert (settings.state / "ledger.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_said_is_null_with_a_reason(finished: Any) -> None:
    _, _, done = finished
    report = done.report(1.0)
    assert report.metrics.federated.more["released"] is True
    assert report.metrics.federated.roc_auc == report.privacy.dp.released.roc_auc
    assert report.metrics.pooled is report.metrics.local is report.delta is None
    assert report.quality == []
    assert report.baselines == {"rule": None}
    assert all(site.n_train is site.n_test is site.federated is None for site in report.sites)
    assert all(entry.metrics.loss is None for entry in report.rounds)
    fields = [field for part in report.privacy.dp.withheld for field in part.fields]
    assert {"sites[].n_train", "quality", "rounds[].metrics", "baselines.rule"} <= set(fields)
    for language in ("en", "zh"):
        page = html.unescape(render(report, language))
        assert report.privacy.dp.words[language][:20] in page
        assert getattr(report.privacy.dp.withheld[0], language) in page
        assert "3." in page


def test_the_released_scores_come_from_noisy_counts_near_the_truth(finished: Any) -> None:
    job, _, done = finished
    private = done.outcome.private
    exact = np.zeros((2, 20))
    learners = np.zeros(2)
    for settings in simulated_sites(job):
        site = Site(settings)
        matrix = site.learners(job.early_warning.cutoff_day).matrix
        parts = split(matrix, job)
        rows = parts.test
        exact += score_counts(
            matrix.target[rows], np.full(rows.sum(), 0.5), matrix.learner_id[rows]
        )
        learners += [len(set(matrix.learner_id[part])) for part in (parts.train, parts.test)]
    assert abs(private.scores.sum() - exact.sum()) < 6 * private.deviation * np.sqrt(40)
    assert not np.array_equal(private.scores, np.rint(private.scores))
    assert private.learners == pytest.approx(learners, abs=6 * 10 * np.sqrt(2) * 2)


def test_the_model_is_kept_by_every_site_and_by_the_coordinator(
    finished: Any, tmp_path: Path
) -> None:
    job, _, done = finished
    done.save_model(tmp_path / "model")
    said = json.loads((tmp_path / "model/model.json").read_text())
    assert said["design"] == "private"
    assert said["sites"][0]["n_train"] is None
    assert "– |" in (tmp_path / "model/card.md").read_text()
    for settings in simulated_sites(job):
        kept = settings.state / "models" / job.id / "model.json"
        assert json.loads(kept.read_text())["sha256"] == said["sha256"]


@BOTH
def test_a_job_that_the_ledger_cannot_pay_for_is_refused_before_training(
    province: Path, tmp_path: Path, privacy: str
) -> None:
    job = compose(province, tmp_path, f"privacy={privacy}", "scenario.rounds=2")
    for settings in simulated_sites(job):
        Site(settings)  # makes the state folder
        ledger_of(settings).reserve("earlier", "learners", [Charge(0.7)])
    grid = Recorded()
    with pytest.raises(JobError, match="beyond the site's budget of 8") as failed:
        run(job, tmp_path / "job", grid)
    assert "\n" not in str(failed.value)
    assert {kind for _, kind, _, _ in grid.answers} == {"query.hello"}
    assert all(meta["status"] == "refused" for _, _, meta, _ in grid.answers)


def test_a_site_does_not_take_the_coordinators_word_for_its_noise(
    province: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = compose(province, tmp_path, "privacy=dp", "scenario.rounds=2")
    too_little = planned(job.model_copy(
        update={"privacy": job.privacy.model_copy(update={"epsilon": 6.0})}
    ))  # fmt: skip
    monkeypatch.setattr("server.strategies.horizontal_dp.planned", lambda job: too_little)
    with pytest.raises(JobError, match=r"costs ε = 5\.9\d\d, more than privacy\.epsilon \(4\)"):
        run(job, tmp_path)


def test_an_answer_lost_on_the_way_is_given_again_and_costs_nothing(
    province: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[str] = []

    def lose(node: int, asked: Any, answered: Any) -> Any:
        kind = asked.metadata.message_type
        if node and kind not in lost and kind != "query.publish":
            lost.extend([kind] * (node == SITES - 1))
            return None
        return answered

    monkeypatch.setattr("server.federation.AGAIN_S", 0.0)
    job = compose(province, tmp_path, "privacy=dp", "scenario.rounds=2", "scenario.wait_s=60")
    grid = Recorded(lose)
    run(job, tmp_path, grid)
    for kind in ("query.statistics", "train.horizontal", "evaluate.horizontal"):
        given: dict[int, list[dict[str, Any]]] = {}
        for node, meta, arrays in grid.of(kind):
            assert meta["status"] == "ok"
            given.setdefault(node, []).append(arrays)
        for first, again, *_ in given.values():
            assert all(np.array_equal(first[n], again[n]) for n in first)
    for settings in simulated_sites(job):
        assert [e.kind for e in ledger_of(settings).entries()].count("spend") == 5


def test_a_round_that_a_sum_lost_is_not_asked_again(
    province: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sums over the same round could be subtracted: the round is gone, training goes on."""
    away = {"left": 3}

    def lose(node: int, asked: Any, answered: Any) -> Any:
        if asked.metadata.message_type == "train.horizontal" and away["left"] and node:
            away["left"] -= 1
            return None
        return answered

    job = compose(
        province, tmp_path, "privacy=secagg_dp", "scenario.rounds=3", "scenario.wait_s=60"
    )
    done = run(job, tmp_path, Recorded(lose))
    assert [entry.number for entry in done.outcome.rounds] == [2, 3]


def test_a_third_of_the_sites_may_drop_out_of_a_sum(province: Path, tmp_path: Path) -> None:
    def lose(node: int, asked: Any, answered: Any) -> Any:
        return None if node == 3 and "hello" not in asked.metadata.message_type else answered

    job = compose(province, tmp_path, "privacy=secagg_dp", "scenario.rounds=2")
    done = run(job, tmp_path, Recorded(lose))
    assert [entry.number for entry in done.outcome.rounds] == [1, 2]
    evaluation = planned(job)["evaluation"].deviation
    assert done.outcome.private.deviation == pytest.approx(evaluation)  # of three sites' shares
    assert done.report(1.0).sites[3].status == "left out"


class CutError(Exception):
    """The coordinator is no more."""


class Cut(Loopback):
    """The coordinator dies when its n-th question was sent, before it has an answer."""

    def __init__(self, at: int) -> None:
        super().__init__(SITES)
        self.at = at

    def push_messages(self, messages: list[Any]) -> list[str]:
        names = super().push_messages(messages)
        self.at -= 1
        if not self.at:
            raise CutError
        return names


@pytest.mark.parametrize(
    ("privacy", "at", "rounds"),
    [("dp", 4, [1, 2, 3]), ("secagg_dp", 7, [1, 3])],  # while round 2 is asked for
)
def test_a_coordinator_that_was_cut_off_goes_on_and_sites_spend_no_more(
    province: Path, tmp_path: Path, privacy: str, at: int, rounds: list[int]
) -> None:
    job = compose(province, tmp_path, f"privacy={privacy}", "scenario.rounds=3")
    with pytest.raises(CutError):
        run(job, tmp_path / "job", Cut(at))
    done = run(job, tmp_path / "job")
    assert [entry.number for entry in done.outcome.rounds] == rounds
    for settings in simulated_sites(job):
        spent = [e for e in ledger_of(settings).entries() if e.kind == "spend"]
        assert len(spent) == 2 + 3 + 1


def test_the_seed_of_a_job_does_not_decide_its_noise(province: Path, tmp_path: Path) -> None:
    def first_answers(folder: Path) -> list[Any]:
        job = compose(province, folder, "privacy=dp", "scenario.rounds=2", "seed=7")
        grid = Recorded()
        run(job, folder, grid)
        return [arrays for _, kind, _, arrays in grid.answers if kind == "query.statistics"]

    for one, other in zip(
        first_answers(tmp_path / "a"), first_answers(tmp_path / "b"), strict=True
    ):
        assert not (one["add/courses"] == other["add/courses"]).any()
        assert not (one["add/learners"] == other["add/learners"]).any()


def test_a_reason_that_depends_on_learners_stays_at_the_site(
    province: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = compose(province, tmp_path, "privacy=dp", "scenario.rounds=2")
    sites = simulated_sites(job)
    small = [s.model_copy(update={"policy": s.policy.model_copy(update={"min_learners": 10**6})})
             for s in sites]  # fmt: skip
    monkeypatch.setattr("clients.site.simulated_sites", lambda job: small)
    with pytest.raises(JobError) as failed:
        run(job, tmp_path)
    assert "it cannot take part with its data; the site's own log says more" in str(failed.value)
    assert "min_learners" not in str(failed.value)


def test_a_clip_that_follows_a_quantile_moves_and_costs_no_more(
    province: Path, tmp_path: Path
) -> None:
    settings = ("privacy=dp", "scenario.rounds=2", "privacy.clip=50")
    jobs = [
        compose(province, tmp_path / name, *settings, f"privacy.clip_quantile={quantile}")
        for name, quantile in (("fixed", "null"), ("moving", "0.5"))
    ]
    fixed, moving = (run(job, Path(job.out)) for job in jobs)
    dp = [one.report(1.0).model_dump()["privacy"]["dp"] for one in (fixed, moving)]
    assert dp[0]["epsilon"] == dp[1]["epsilon"]
    kept = [Site(site).store.load(f"jobs/{jobs[1].id}/clip") for site in simulated_sites(jobs[1])]
    # Gradients are much shorter than 50: each of 20 steps takes a tenth off the clip, more or less
    # by the noise in its count. One site's clip stays above 25 once in 3,000 runs; the mean of the
    # logarithms of four is 8 deviations away from that.
    assert np.exp(np.mean([np.log(each["clip"]) for each in kept if each is not None])) < 25
    assert None not in kept
    assert any(
        not np.allclose(weight, moving.outcome.weights[name])
        for name, weight in fixed.outcome.weights.items()
    )
