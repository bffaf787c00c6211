"""The whole job on a small province, in this process: equal to all learners in one place."""

from __future__ import annotations

import io
import json
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from flwr.app import Message
from flwr.serverapp import Grid
from loopback import Loopback
from rich.console import Console

from clients.recommend import used_at
from clients.site import Site
from clients.split import learn_and_test
from edufed.cli.show import print_results
from edufed.config import Job, SettingsError, compose_job, simulated_sites
from edufed.fairness.groups import ATTRIBUTES
from edufed.privacy.simulated import simulated_roster
from edufed.ranking import judge, top
from edufed.recommend.counts import count
from edufed.recommend.evaluation import K
from edufed.recommend.factors import learner_vectors, normal_equations, resource_vectors, start
from edufed.recommend.features import FEATURES, features
from edufed.recommend.items import Items, ease
from edufed.recommend.models import FEDERATED, MODELS, score, start_weights
from edufed.recommend.published import load_recommender
from edufed.recommend.ranker import Likelihood, Newton, likelihood
from edufed.recommend.usage import Interactions, interactions
from edufed.wire import pack, unpack
from server.checkpoint import Checkpoint
from server.federation import Federation, JobError
from server.recommend_publication import hand_over
from server.report.contract import Report
from server.report.html import render
from server.report.recommend import build_report
from server.strategies import recommend
from server.strategies.recommend import Outcome

pytestmark = pytest.mark.usefixtures("in_a_run")
SITES = 3


def compose(province: Path, *settings: str) -> Job:
    return compose_job(
        [
            *("task=recommend", f"data.path={province}", f"data.regions={SITES}"),
            *("+data.adapter.learners=400", "+data.adapter.events_per_learner=40"),
            *("task.min_cohort=15", "task.replicates=60", "task.factor_rounds=3", "task.rank=3"),
            *(f"out={province / 'out'}", f"federation.state={province / 'sites'}", *settings),
        ]
    )


def run(job: Job, grid: Loopback, folder: Path) -> tuple[Federation, Outcome]:
    federation = Federation(cast(Grid, grid), job, lambda _: None)
    roster = simulated_roster(site.name for site in simulated_sites(job))
    return federation, recommend.run(federation, SITES, roster, Checkpoint(folder, job.id))


@pytest.fixture(scope="module")
def secure(province: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """A job under secure aggregation, and every message that its sites sent."""
    said: list[tuple[str, dict[str, Any], dict[str, Any]]] = []

    def listen(node: int, asked: Message, answered: Message) -> Message:
        said.append((asked.metadata.message_type, *unpack(answered.content)))
        return answered

    job = compose(province, "privacy=secagg")
    federation, outcome = run(job, Loopback(SITES, listen), tmp_path_factory.mktemp("secure"))
    return job, federation, outcome, said


def together(job: Job, outcome: Outcome) -> list[tuple[Interactions, np.ndarray, np.ndarray]]:
    """All sites' learners of each agreed course, as if they were in one place."""
    whole = []
    used = [used_at(Site(site), job.recommend).usage for site in simulated_sites(job)]
    parts = [learn_and_test(usage.learner_id, usage.course_start, job) for usage in used]
    for course in outcome.agreed:
        seen = [interactions(usage, course.catalogue) for usage in used]
        arrays = [
            np.concatenate([getattr(one, name) for one in seen])
            for name in ("rows", "first", "last", "later")
        ]
        masks = [
            np.concatenate([mask[one.rows] for mask, one in zip(side, seen, strict=True)])
            for side in zip(*parts, strict=True)
        ]
        whole.append((Interactions(*arrays), masks[0], masks[1]))
    return whole


def test_counts_and_ease_are_those_of_all_learners(secure: tuple[Any, ...]) -> None:
    job, _, outcome, _ = secure
    for course, (seen, _, _) in zip(outcome.agreed, together(job, outcome), strict=True):
        pooled = count(seen, 60)
        np.testing.assert_array_equal(course.counts.gram, pooled.gram)
        np.testing.assert_array_equal(course.counts.follows, pooled.follows)
        np.testing.assert_allclose(course.counts.sums, pooled.sums, atol=1e-5)
        used = seen.used.astype(float)
        ours, theirs = used @ ease(course.counts.gram, 100.0), used @ ease(pooled.gram, 100.0)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_ranker_and_factors_are_those_of_all_learners(secure: tuple[Any, ...]) -> None:
    job, _, outcome, _ = secure
    whole = together(job, outcome)
    data = []
    for course, (seen, learn, _) in zip(outcome.agreed, whole, strict=True):
        wanted = seen.part(learn & seen.later.any(axis=1))
        items = Items.of(course.counts, job.recommend.ease_l2)
        x = features(wanted, course.counts, items, course.catalogue.kinds, 60)
        data.append((x, ~wanted.used, wanted.later))
    newton = Newton(start_weights(), job.recommend.ranker_l2)
    while not newton.done:
        parts = (likelihood(newton.asked, *part) for part in data)
        newton.tell(reduce(add, parts, Likelihood.none(len(FEATURES))))
    assert outcome.converged
    # Fixed-point sums: a feature that hardly varies has a large weight, known less finely.
    np.testing.assert_allclose(outcome.trained.weights, newton.weights, rtol=1e-3, atol=1e-4)
    sizes = [len(course.catalogue) for course in outcome.agreed]
    vectors = start(sum(sizes), 3, np.random.default_rng(job.seed))
    ends = np.cumsum(sizes)[:-1]
    for _ in range(3):
        made = []
        for (seen, _, _), own in zip(whole, np.split(vectors, ends), strict=True):
            learners = learner_vectors(seen.used, own, 10.0, 1.0)
            made.append(resource_vectors(*normal_equations(seen.used, learners, 10.0), 1.0))
        vectors = np.concatenate(made)
    np.testing.assert_allclose(outcome.trained.vectors, vectors, atol=1e-4)


def test_figures_are_those_of_all_learners(secure: tuple[Any, ...]) -> None:
    job, federation, outcome, _ = secure
    report = build_report(federation, outcome, 1.0)
    said = cast(dict[str, Any], report.more["recommend"])
    assert [row["model"] for row in said["table"]] == list(MODELS)
    found: dict[str, list[float]] = {model: [] for model in FEDERATED}
    sizes = np.cumsum([len(course.catalogue) for course in outcome.agreed])[:-1]
    vectors = np.split(outcome.trained.vectors, sizes)
    for course, (seen, _, test), own in zip(
        outcome.agreed, together(job, outcome), vectors, strict=True
    ):
        tested = seen.part(test & seen.later.any(axis=1))
        if not len(tested.rows):
            continue
        weights, kinds = outcome.trained.weights, course.catalogue.kinds
        scores = score(tested, course.counts, kinds, weights, own, job.recommend)
        for model in FEDERATED:
            judged = judge(top(scores[model], ~tested.used, K), tested.later)
            found[model].append(float(judged.ndcg.mean()))
    rows = {row["model"]: row for row in said["table"]}
    for model, values in found.items():
        assert rows[model]["ndcg_at_10"] == pytest.approx(np.mean(values), abs=1e-6)
        assert rows[model]["low"] <= rows[model]["ndcg_at_10"] <= rows[model]["high"]
        assert 0 < rows[model]["coverage"] <= 1
    assert rows["ranker"]["ndcg_at_10"] > rows["used_14"]["ndcg_at_10"]
    assert rows["used_14"]["gain"] == 0
    assert report.worst_site is not None
    # A site with fewer test learners than its policy's min_learners tells no mean of theirs.
    of_sites = [
        (site.federated.more["ndcg_at_10"], site.site) for site in report.sites if site.federated
    ]
    assert report.worst_site.site == min(pair for pair in of_sites if pair[0] is not None)[1]
    assert report.privacy.secagg
    assert report.totals.bytes_up
    lists = cast(dict[str, Any], report.more["fairness"])["lists"]
    told = [group for entry in lists["attributes"] for group in entry["groups"]]
    assert [entry["attribute"] for entry in lists["attributes"]] == list(ATTRIBUTES)
    assert all(group["n"] >= lists["least"] == 15 for group in told)
    for group in told:
        assert 0 <= group["low"] <= group["ndcg_at_10"] <= group["high"] <= 1, group


@pytest.mark.parametrize(("language", "title"), [("en", "Recommendations"), ("zh", "资源推荐")])
def test_the_page_tells_models_courses_and_sites(
    secure: tuple[Any, ...], language: Any, title: str
) -> None:
    report = build_report(secure[1], secure[2], 1.0)
    page = render(report, language)
    assert f"<title>{title}" in page
    assert 'id="recommend"' in page
    assert 'id="fairness"' in page
    assert 'id="metrics"' not in page
    assert 'id="sites"' not in page
    said = cast(dict[str, Any], report.more["recommend"])
    for row in said["presentations"]:
        assert row["course"] in page
        assert row["gain_low"] <= row["gain"] <= row["gain_high"]
    assert page.count("<svg") >= 3
    assert "nan" not in page


def test_the_command_prints_the_table(secure: tuple[Any, ...]) -> None:
    report = build_report(secure[1], secure[2], 1.0)
    written = io.StringIO()
    # As a deployed job's, read from its file.
    again = Report.model_validate_json(report.model_dump_json())
    print_results(Console(file=written, width=120), again)
    text = written.getvalue()
    assert all(model in text for model in MODELS)
    assert "worst site: region-0" in text


def test_without_secure_aggregation_the_result_is_the_same(
    province: Path, tmp_path: Path, secure: tuple[Any, ...]
) -> None:
    _, plain = run(compose(province, "privacy=none"), Loopback(SITES), tmp_path)
    masked = secure[2]
    np.testing.assert_allclose(masked.trained.weights, plain.trained.weights, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(masked.sums["ndcg"], plain.sums["ndcg"], atol=1e-3)
    np.testing.assert_array_equal(masked.sums["weights"], plain.sums["weights"])


def test_a_job_that_was_cut_off_starts_again(
    province: Path, tmp_path: Path, secure: tuple[Any, ...]
) -> None:
    asked = 0

    def cut_off(node: int, message: Message, answered: Message) -> Message:
        nonlocal asked
        asked += message.metadata.message_type == "train.recommend"
        if asked == SITES + 1:
            raise KeyboardInterrupt
        return answered

    job = compose(province, "privacy=secagg")
    with pytest.raises(KeyboardInterrupt):
        run(job, Loopback(SITES, cut_off), tmp_path)
    _, outcome = run(job, Loopback(SITES), tmp_path)
    assert [entry.number for entry in outcome.rounds] == [e.number for e in secure[2].rounds]
    np.testing.assert_allclose(outcome.trained.weights, secure[2].trained.weights, rtol=1e-3)


def test_no_message_holds_a_learner(secure: tuple[Any, ...]) -> None:
    job, _, _, said = secure
    ids = {
        str(learner)
        for site in simulated_sites(job)
        for learner in used_at(Site(site), job.recommend).usage.learner_id
    }
    assert len(ids) > 100
    kinds = {kind for kind, _, _ in said}
    assert {"query.counts", "train.recommend", "evaluate.recommend"} <= kinds
    for kind, meta, arrays in said:
        text = json.dumps(meta)
        assert not any(learner in text for learner in ids), kind
        if kind in ("query.counts", "train.recommend", "evaluate.recommend"):
            assert set(arrays) == {"masked"}, kind


def test_every_site_keeps_the_recommender(secure: tuple[Any, ...], tmp_path: Path) -> None:
    job, federation, outcome, _ = secure
    save = hand_over(federation, outcome, build_report(federation, outcome, 1.0))
    save(tmp_path / "model")
    ours = load_recommender(tmp_path / "model")
    for site in simulated_sites(job):
        theirs = load_recommender(Site(site).store.folder / "models" / job.id)
        assert theirs.description == ours.description
        np.testing.assert_array_equal(theirs.trained.weights, ours.trained.weights)
        for one, other in zip(theirs.agreed, ours.agreed, strict=True):
            assert one.catalogue.resources == other.catalogue.resources
            np.testing.assert_array_equal(one.counts.gram, other.counts.gram)
    for card in ("card.md", "card.zh.md"):
        assert "NDCG@10" in (tmp_path / "model" / card).read_text(encoding="utf-8")


def test_a_site_that_lost_the_counts_gets_them_again(province: Path, tmp_path: Path) -> None:
    class Forgetful(Loopback):
        def push_messages(self, messages: list[Message]) -> list[str]:
            if messages[0].metadata.message_type == "train.recommend" and self.rounds == 1:
                for file in (province / "sites" / "region-01" / "jobs").rglob("counts-*"):
                    file.unlink()
                from clients.kept import KEPT

                KEPT._values.clear()
            self.rounds += messages[0].metadata.message_type == "train.recommend"
            return super().push_messages(messages)

        rounds = 0

    federation, outcome = run(compose(province), Forgetful(SITES), tmp_path)
    ((left_out),) = federation.exclusions
    assert left_out["reason"] == "the site does not have the federation's counts"
    assert outcome.converged
    assert set(outcome.metrics) == {"region-00", "region-01", "region-02"}


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("query.counts", None, "no answer within 2 s"),
        ("train.recommend", None, "no answer within 2 s"),
        ("query.hello", {"catalogues": 3}, "its answer is not what was asked for: catalogues"),
        ("evaluate.recommend", {"metrics": {"n": -1}}, "its answer is not what was asked for"),
    ],
)
def test_a_site_that_fails_is_left_out_and_named(
    province: Path, tmp_path: Path, kind: str, change: dict[str, Any] | None, reason: str
) -> None:
    left = [1]

    def alter(node: int, asked: Message, answered: Message) -> Message | None:
        if node != 2 or asked.metadata.message_type != kind or not left:
            return answered
        left.clear()
        if change is None:
            return None
        meta, arrays = unpack(answered.content)
        answered.content = pack({**meta, **change}, arrays)
        return answered

    job = compose(province, "privacy=secagg", "scenario.round_timeout_s=2", "scenario.rounds=2")
    federation, outcome = run(job, Loopback(SITES, alter), tmp_path)
    assert [entry["site"] for entry in federation.exclusions] == ["region-02"]
    assert federation.exclusions[0]["reason"].startswith(reason)
    assert len(outcome.rounds) == 2
    report = build_report(federation, outcome, 1.0)
    assert report.warnings[-1].startswith("the ranker had not converged")


@pytest.mark.parametrize(
    ("border", "says"),
    [("2000-01-01", "no course to learn from"), ("2100-01-01", "no course to test on")],
)
def test_without_courses_on_one_side_of_the_border(
    province: Path, tmp_path: Path, border: str, says: str
) -> None:
    federation, outcome = run(
        compose(province, f"data.split.test_from={border}"), Loopback(SITES), tmp_path
    )
    report = build_report(federation, outcome, 1.0)
    assert any(warning.startswith(says) for warning in report.warnings)
    assert "nan" not in render(report, "en")
    hand_over(federation, outcome, report)(tmp_path / "model")
    kept = load_recommender(tmp_path / "model")
    if border == "2000-01-01":
        np.testing.assert_array_equal(kept.trained.weights, start_weights())


def test_settings_that_cannot_work_are_one_line(province: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="task=recommend does not run with privacy=he"):
        compose(province, "privacy=he")
    with pytest.raises(JobError, match=r"task\.max_resources is 5; raise it"):
        run(compose(province, "task.max_resources=5"), Loopback(SITES), tmp_path)
    with pytest.raises(JobError, match=r"no course has task\.min_cohort=9999 learners"):
        run(compose(province, "task.min_cohort=9999"), Loopback(SITES), tmp_path)
