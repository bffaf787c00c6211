"""Recommendation with differential privacy, the whole job on a small province in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from flwr.app import Message
from flwr.serverapp import Grid
from loopback import Loopback
from test_recommend_job import compose

from clients import recommend_dp as room
from clients.lists import make_lists
from clients.recommend import used_at
from clients.site import Site
from clients.spending import SpentError, answer_once, reserved
from edufed.config import SettingsError, simulated_sites
from edufed.privacy.simulated import simulated_roster
from edufed.private_job import noise_of, planned
from edufed.recommend.private import bounded_counts, capped
from edufed.recommend.published import load_recommender
from edufed.recommend.usage import interactions
from edufed.share import Share
from edufed.wire import unpack
from server.checkpoint import Checkpoint
from server.federation import Federation, JobError
from server.recommend_publication import hand_over_privately
from server.report.contract import Report
from server.report.html import render
from server.report.recommend_dp import build_report
from server.strategies import recommend_dp

pytestmark = pytest.mark.usefixtures("in_a_run")
SITES = 3


@pytest.fixture(scope="module", params=["dp", "secagg_dp"])
def done(
    request: pytest.FixtureRequest, province: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, ...]:
    """A job, its outcome and report, what its sites sent, and where its model was written."""
    said: list[tuple[str, dict[str, Any], dict[str, Any]]] = []

    def listen(node: int, asked: Message, answered: Message) -> Message:
        said.append((asked.metadata.message_type, *unpack(answered.content)))
        return answered

    folder = tmp_path_factory.mktemp(request.param)
    job = compose(
        province,
        *(f"privacy={request.param}", "task.private_items=15", "privacy.epsilon=8"),
        f"federation.state={folder / 'sites'}",
    )
    federation = Federation(cast(Grid, Loopback(SITES, listen)), job, lambda _: None)
    roster = simulated_roster(site.name for site in simulated_sites(job))
    outcome = recommend_dp.run(federation, SITES, roster, Checkpoint(folder, job.id))
    save = hand_over_privately(federation, outcome, build_report(federation, outcome, 1.0))
    save(folder / "model")
    return job, outcome, build_report(federation, outcome, 1.0), said, folder / "model"


def test_it_costs_what_was_set_and_every_ledger_says_so(done: tuple[Any, ...]) -> None:
    job, _, report, *_ = done
    dp = cast(Report, report).privacy.dp
    assert dp is not None
    assert dp.epsilon == pytest.approx(8, rel=0.02)
    assert [entry.name for entry in dp.entries] == ["gram", "recent", "evaluation"]
    assert len(report.privacy.ledger) == SITES
    assert all(
        cast(float, row["epsilon"]) == pytest.approx(dp.epsilon, rel=0.02)
        for row in report.privacy.ledger
    )
    assert report.privacy.dp.kind == ("site" if job.privacy.name == "dp" else "sum")


def test_counts_are_the_bounded_ones_with_the_noise_that_is_said(done: tuple[Any, ...]) -> None:
    job, outcome, *_ = done
    exact = sum(site_counts(Site(site), job, outcome) for site in simulated_sites(job))
    made = np.concatenate(
        [c.counts.used[0] for c in outcome.agreed]
    )  # clipped at 0: half of the noise where nobody used a thing
    expected = outcome.deviations["recent"]
    often = exact > 3 * expected
    if often.sum() > 5:
        assert abs((made - exact)[often]).mean() < 3 * expected
    assert all((np.diagonal(c.counts.gram) >= 0).all() for c in outcome.agreed)
    assert outcome.l2 > job.recommend.ease_l2


def site_counts(site: Site, job: Any, outcome: Any) -> np.ndarray:
    usage = used_at(site, job.recommend).usage
    seen = [interactions(usage, course.catalogue) for course in outcome.agreed]
    kept = capped(seen, usage.learner_id, job.recommend.private_items)
    return bounded_counts(seen, kept, job.recommend.cutoff_day)[1][1]


def test_no_message_holds_anything_exact_of_a_learner(done: tuple[Any, ...]) -> None:
    job, _, _, said, _ = done
    kinds = {kind for kind, *_ in said}
    assert {"query.hello", "query.counts", "evaluate.recommend", "query.publish"} <= kinds
    assert "train.recommend" not in kinds
    ids = {
        str(learner)
        for site in simulated_sites(job)
        for learner in used_at(Site(site), job.recommend).usage.learner_id
    }
    for kind, meta, arrays in said:
        text = str(meta)
        assert not any(learner in text for learner in ids)
        named = {name.removeprefix("add/") for name in arrays} - {"weight"}
        allowed = {"gram", "recent", "scores", "masked", "advert", "deposit", "opened"}
        assert named <= allowed, kind
        if kind == "query.hello":
            assert set(meta) <= {"site", "status", "catalogues"}
        if kind == "evaluate.recommend":
            assert set(meta) <= {"site", "status"}
        for name in named & {"gram", "recent"}:
            values = arrays[f"add/{name}"]
            assert (values != np.rint(values)).any()  # noise, not counts


@pytest.mark.parametrize(("language", "said"), [("en", "with noise for each"), ("zh", "加噪声")])
def test_the_page_says_what_noise_left(done: tuple[Any, ...], language: Any, said: str) -> None:
    report = done[2]
    page = render(report, language)
    assert said in page
    assert "nan" not in page
    assert report.more["fairness"] is None
    rows = cast(dict[str, Any], report.more["recommend"])["table"]
    assert all(0 <= row["low"] <= row["ndcg_at_10"] <= row["high"] <= 1 for row in rows)


def test_the_published_model_makes_lists_in_the_chosen_order(done: tuple[Any, ...]) -> None:
    job, outcome, _, _, folder = done
    model = load_recommender(folder)
    assert model.description.settings.ease_l2 == outcome.l2
    site = Site(simulated_sites(job)[0])
    made = make_lists(model, used_at(site, job.recommend).usage).frame
    assert (made.groupby(["learner_id", "course_id"])["score"].diff().dropna() <= 1e-12).all()
    assert set(made["place"]) <= set(range(1, job.recommend.top + 1))


def test_a_second_question_is_not_answered_anew(province: Path, tmp_path: Path) -> None:
    job = compose(province, "privacy=secagg_dp", f"federation.state={tmp_path}")
    site = Site(simulated_sites(job)[0])
    said, _ = room.hello(site, job, {"noise": noise_of(planned(job)), "resumed": False}, {})
    assert set(said) == {"catalogues"}
    entry = reserved(site, job)["gram"]
    answer_once(site, job, "counts", {}, [(entry, 1)], lambda: Share())
    with pytest.raises(SpentError, match="counts was answered already"):
        answer_once(site, job, "counts", {}, [(entry, 1)], lambda: Share())


def test_settings_and_data_that_cannot_work_are_one_line(province: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"list them in data\.courses"):
        compose(province, "privacy=dp", "data.courses=[]")
    with pytest.raises(SettingsError, match="privacy=he"):
        compose(province, "privacy=he")
    job = compose(
        province, "privacy=dp", "data.courses=[nobody-teaches-it]", f"federation.state={tmp_path}"
    )
    federation = Federation(cast(Grid, Loopback(SITES)), job, lambda _: None)
    roster = simulated_roster(site.name for site in simulated_sites(job))
    with pytest.raises(JobError):
        recommend_dp.run(federation, SITES, roster, Checkpoint(tmp_path, job.id))
