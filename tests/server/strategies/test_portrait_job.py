"""Portraits of a small province, in this process: as if all learners were in one place."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from flwr.app import Message
from flwr.serverapp import Grid
from loopback import Loopback
from rich.console import Console
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from clients import portrait as site_half
from clients.site import Site
from clients.tag_lists import make_tags
from edufed.arrays import Arrays
from edufed.cli.show import print_results
from edufed.config import Job, compose_job, simulated_sites
from edufed.portrait.fits import Family, assign
from edufed.portrait.published import load_portraits
from edufed.portrait.search import Search, answer
from edufed.portrait.starts import moments
from edufed.privacy.simulated import simulated_roster
from edufed.records import DataError
from edufed.wire import SUM, WireError, unpack
from server.checkpoint import Checkpoint
from server.federation import Federation, JobError
from server.portrait_publication import hand_over
from server.report.contract import Report
from server.report.html import render
from server.report.portrait import build_report
from server.strategies import portrait
from server.strategies.portrait import Outcome

pytestmark = pytest.mark.usefixtures("in_a_run")
SITES = 6
CUTOFF = 60.0
#: What learners' ids are made of.
WORD = re.compile("[0-9a-f]{16}")
#: Accepts anything: what is accepted is another test's matter.
LAX = "task.accept={stability: 0, replication: 0, separation: -1}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("portrayed")


def compose(folder: Path, *settings: str) -> Job:
    return compose_job(
        [
            *("task=portrait", f"data.path={folder / 'province'}", f"data.regions={SITES}"),
            *("+data.adapter.learners=600", "+data.adapter.events_per_learner=15"),
            *("task.min_cohort=5", "task.replicates=30", "task.clusters.sizes=[2,3]"),
            *("task.clusters.bootstraps=3", "task.clusters.partitions=2"),
            *("task.clusters.starts=2", "task.clusters.trial_rounds=1", "task.clusters.rounds=8"),
            *(f"out={folder / 'out'}", f"federation.state={folder / 'sites'}", *settings),
        ]
    )


@dataclass(frozen=True)
class Run:
    job: Job
    federation: Federation
    outcome: Outcome
    report: Report
    said: list[tuple[str, dict[str, Any], Arrays]]

    @property
    def section(self) -> dict[str, Any]:
        return cast(dict[str, Any], self.report.more["portrait"])


def run(job: Job, folder: Path) -> Run:
    said: list[tuple[str, dict[str, Any], Arrays]] = []

    def listen(_: int, asked: Message, answered: Message) -> Message:
        said.append((asked.metadata.message_type, *unpack(answered.content)))
        return answered

    sites = simulated_sites(job)
    federation = Federation(cast(Grid, Loopback(len(sites), listen)), job, lambda _: None)
    roster = simulated_roster(site.name for site in sites)
    outcome = portrait.run(federation, len(sites), roster, Checkpoint(folder, job.id))
    return Run(job, federation, outcome, build_report(federation, outcome, 1.0), said)


@pytest.fixture(scope="module")
def plain(folder: Path) -> Run:
    return run(compose(folder, LAX), folder / "plain")


@pytest.fixture(scope="module")
def secure(folder: Path) -> Run:
    return run(compose(folder, LAX, "privacy=secagg"), folder / "secure")


def rows(here: Run) -> tuple[list[site_half.Prepared], np.ndarray]:
    """Every site's learners, and all weights of the training ones, one site after the other."""
    prepared, weights = [], []
    for settings in simulated_sites(here.job):
        site = Site(settings)
        told = {f"{SUM}counts": here.outcome.counts}
        own = site_half.prepared(site, here.job, {"cohorts": here.outcome.cohorts}, told)
        prepared.append(own)
        drawn = own.draw(here.outcome.resamples, site, here.job)
        weights.append(drawn[own.learners.learn])
    return prepared, np.concatenate(weights)


@pytest.mark.parametrize("privacy", ["plain", "secure"])
def test_the_fits_are_those_of_all_learners_in_one_place(
    privacy: str, request: pytest.FixtureRequest
) -> None:
    here = cast(Run, request.getfixturevalue(privacy))
    prepared, weights = rows(here)
    x = np.concatenate([each.learners.x[each.learners.learn] for each in prepared])
    clusters = here.job.portrait.clusters
    search = Search(clusters, moments(x), len(here.outcome.resamples), here.job.seed)
    while not search.done and search.steps < clusters.rounds:
        search.tell(answer(*search.asked(), x, weights))
    search.end()
    chosen = here.outcome.chosen
    assert chosen is not None
    pooled = search.fits[chosen.candidate.family]
    centres = pooled.parameters["centres"][0]
    # Numbered by risk here, by chance there.
    order = np.lexsort(centres.T)
    ours = chosen.fit["centres"][np.lexsort(chosen.fit["centres"].T)]
    np.testing.assert_allclose(ours, centres[order], atol=1e-9 if privacy == "plain" else 1e-5)
    for candidate in here.outcome.candidates:
        fits = search.fits[candidate.family]
        own = [
            assign(candidate.family, {n: a[fit] for n, a in fits.parameters.items()}, x)
            for fit in range(len(fits))
        ]
        stability = [adjusted_rand_score(own[0], own[1 + b]) for b in range(clusters.bootstraps)]
        assert candidate.stability == pytest.approx(stability, abs=1e-9)
        assert len(candidate.replication) == 2 * clusters.partitions


def test_k_means_of_all_sites_is_scikit_learns_of_all_learners(plain: Run) -> None:
    prepared, _ = rows(plain)
    x = np.concatenate([each.learners.x[each.learners.learn] for each in prepared])
    settings = plain.job.portrait.clusters.model_copy(update={"tolerance": 1e-12, "rounds": 200})
    family = Family("kmeans", 3)
    search = Search(settings, moments(x), 1, plain.job.seed)
    begun = search.fits[family].parameters["centres"]
    inertia = [KMeans(3, init=start, n_init=1, tol=0).fit(x).inertia_ for start in begun]
    while not search.done:
        parts = [
            answer(*search.asked(), part, np.ones((len(part), 1), np.int64))
            for part in np.array_split(x, SITES)
        ]
        search.tell({name: sum(part[name] for part in parts) for name in parts[0]})
    search.end()
    assert search.fits[family].loss[0] * len(x) == pytest.approx(min(inertia), rel=0.01)


def test_separation_and_profiles_are_those_of_all_learners_in_one_place(secure: Run) -> None:
    prepared, _ = rows(secure)
    x = np.concatenate([each.learners.x for each in prepared])
    y = np.concatenate([each.learners.target for each in prepared]).astype(float)
    learn = np.concatenate([each.learners.learn for each in prepared])
    tags = np.concatenate([each.tags for each in prepared])
    chosen, section = secure.outcome.chosen, secure.section
    assert chosen is not None
    own = assign(chosen.candidate.family, chosen.fit, x)
    known = ~np.isnan(y)
    k = chosen.candidate.family.k
    rate = np.array([y[learn & known & (own == c)].mean() for c in range(k)])
    assert (np.diff(rate) >= 0).all()  # numbered from lowest to highest risk
    test = known & ~learn
    eta = 1 - ((y[test] - rate[own[test]]) ** 2).mean() / y[test].var()
    assert chosen.candidate.eta == pytest.approx(eta, abs=1e-9)
    assert chosen.candidate.eta_low < eta < chosen.candidate.eta_high
    assert section["learners"] == len(x)
    for place, tag in enumerate(section["tags"]):
        if tag["rate"] is not None:
            has = tags[:, place]
            assert tag["learners"] == has.sum()
            assert tag["rate"] == pytest.approx(y[known & has].mean())
            assert tag["rate_others"] == pytest.approx(y[known & ~has].mean())
    assert any(tag["rate"] is not None for tag in section["tags"])
    for number, cluster in enumerate(section["clusters"]):
        assert cluster["learners"] == (own == number).sum()
        if cluster["rate_test"] is not None:
            assert cluster["rate_test"] == pytest.approx(y[test & (own == number)].mean())
        for place, tag in enumerate(secure.job.portrait.tags):
            share = cluster["tags"][tag.name]
            if share is not None:
                assert share == pytest.approx(tags[own == number, place].mean())


def test_nothing_of_a_learner_leaves_a_site(secure: Run, plain: Run) -> None:
    ids = {
        str(learner)
        for settings in simulated_sites(secure.job)
        for learner in Site(settings).learners(CUTOFF).matrix.learner_id
    }
    assert len(ids) > 300
    assert all(WORD.fullmatch(learner) for learner in ids)
    kinds = set()
    for here in (secure, plain):
        for kind, meta, arrays in here.said:
            kinds.add(kind)
            assert not ids & set(WORD.findall(json.dumps(meta)))
            assert all(array.dtype.kind in "fiu" for array in arrays.values())
            if here is secure:
                # Sums travel masked: a vector of bytes, and nothing under a name of its own.
                assert not [name for name in arrays if "/" in name], kind
    assert kinds >= {"query.portrait_counts", "train.portrait", "evaluate.portrait"}
    page = render(secure.report, "en") + secure.report.model_dump_json()
    assert not ids & set(WORD.findall(page))


@pytest.mark.parametrize("page", ["threat-model.md", "threat-model.zh-CN.md"])
def test_every_value_of_an_answer_is_on_the_page(page: str, root: Path, plain: Run) -> None:
    text = (root / "docs" / page).read_text(encoding="utf-8")
    for kind, meta, arrays in plain.said:
        if kind in ("query.hello", "query.publish"):
            continue
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{kind}` |"))
        explained = {"site", "status", "add", *re.findall(r"`(\w+)`", row)}
        explained |= {candidate.family.name for candidate in plain.outcome.candidates}
        # By tag and by cluster, and of all.
        explained |= {"tags", "clusters", "all"} if kind == "query.portrait_profiles" else set()
        said = {part for name in arrays for part in name.split("/")} - {"weight"}
        assert {*meta, *said} <= explained, kind
        assert float(arrays["weight"]) == 0  # nothing is averaged


def test_a_report_says_that_a_clustering_passed(secure: Run) -> None:
    section = secure.section
    assert section["accepted"]
    assert section["replication_by"] == "halves"
    name = section["chosen"]
    console = Console(file=io.StringIO(), width=120)
    print_results(console, secure.report)
    assert f"{name} passed" in cast(io.StringIO, console.file).getvalue()
    for language in ("en", "zh"):
        page = render(secure.report, language)
        passed = {"en": "passed: ", "zh": "通过检验：分为"}[language]
        assert passed in page
    assert secure.report.privacy.secagg is not None


@pytest.mark.parametrize(
    ("accept", "why", "said"),
    [
        ("{stability: 1, replication: 1, separation: 0}", "none_stable", "None is both stable"),
        ("{stability: 0, replication: 0, separation: 1}", "no_separation", "do not differ enough"),
    ],
)
def test_a_report_says_that_no_clustering_passed(
    folder: Path, plain: Run, accept: str, why: str, said: str
) -> None:
    job = compose(folder, f"task.accept={accept}")
    chosen = portrait.choose(plain.outcome.candidates, job.portrait.accept, 5)
    outcome = Outcome(**{**vars(plain.outcome), "chosen": None})
    if chosen is not None:
        former = plain.outcome.chosen
        assert former is not None
        outcome.chosen = portrait.Chosen(
            former.candidate, False, former.fit, former.train, former.test
        )
    federation = Federation(plain.federation.grid, job, lambda _: None)
    report = build_report(federation, outcome, 1.0)
    section = cast(dict[str, Any], report.more["portrait"])
    assert section["why"] == why
    assert section["clusters"] is None
    assert not section["accepted"]
    page = render(report, "en")
    assert "No clustering passed" in page
    assert said in page
    assert "没有聚类通过检验" in render(report, "zh")
    assert any("no clustering passed" in warning for warning in report.warnings)


def test_encrypted_sums_give_the_same(plain: Run, folder: Path, tmp_path: Path) -> None:
    here = run(
        compose(
            folder, LAX, "privacy=he", "task.clusters.kinds=[kmeans]", "task.clusters.sizes=[2]"
        ),
        tmp_path,
    )
    assert here.report.privacy.he is not None
    by_name = {each.family: each for each in plain.outcome.candidates}
    for candidate in here.outcome.candidates:
        assert candidate.eta == pytest.approx(by_name[candidate.family].eta, abs=1e-3)
        assert candidate.stability == pytest.approx(by_name[candidate.family].stability, abs=0.02)
    np.testing.assert_array_equal(
        here.outcome.profiles["tags/learners"], plain.outcome.profiles["tags/learners"]
    )


@pytest.mark.data
def test_two_groups_of_real_learners_are_told_apart(shared_data: Path, tmp_path: Path) -> None:
    regions = ("Ireland", "North Region", "Wales")  # all thirteen: docs/portraits.md
    sites = ", ".join(
        f"{{name: {region.split()[0].lower()}, adapter: {{region: {region}}}}}"
        for region in regions
    )
    job = compose_job(
        [
            *("task=portrait", "data=oulad", f"data.path={shared_data / 'oulad'}"),
            *(f"data.sites=[{sites}]", "privacy=secagg", f"out={tmp_path}"),
            *("task.clusters.kinds=[kmeans]", "task.clusters.sizes=[2]", "task.replicates=100"),
            *("task.clusters.bootstraps=5", "task.clusters.starts=2"),
        ]
    )
    here = run(job, tmp_path / "checkpoint")
    [row] = here.section["table"]
    assert here.section["accepted"], row
    assert row["eta"] > 0.1
    assert row["replication"] > 0.8
    tags = {tag["name"]: tag for tag in here.section["tags"]}
    assert tags["night_owl"]["learners"] is None  # OULAD has days alone
    assert tags["at_risk"]["rate"] > tags["at_risk"]["rate_others"] + 0.3
    assert tags["regular"]["rate"] < tags["regular"]["rate_others"] - 0.2


def test_a_half_of_few_sites_gets_no_sums(secure: Run) -> None:
    few = {"halves": [[["region-00", "region-01"], ["region-02", "region-03", "region-04"]]]}
    with pytest.raises(WireError, match="fewer than 3: this is not summed"):
        site_half.resamples_of(secure.job, few)


@pytest.mark.parametrize("ghosts", [("nobody", "nothing"), ("region-01", "region-01")])
def test_a_half_of_one_site_and_of_names_alone_gets_no_sums(
    ghosts: tuple[str, str], secure: Run
) -> None:
    site = Site(simulated_sites(secure.job)[0])
    names = [other.name for other in simulated_sites(secure.job)]
    few = {"halves": [[[site.name, *ghosts], [name for name in names if name != site.name]]]}
    with pytest.raises(WireError, match="this is not summed"):
        site_half.resamples_of(secure.job, few, site)


def test_halves_that_tell_of_few_by_their_difference_get_no_sums(secure: Run) -> None:
    site = Site(simulated_sites(secure.job)[0])
    names = sorted(other.name for other in simulated_sites(secure.job))
    other = [*names[:2], names[3]]
    halves = [[names[:3], names[3:]], [other, [name for name in names if name not in other]]]
    assert site_half.resamples_of(secure.job, {"halves": halves[:1]}, site)
    with pytest.raises(WireError, match="halves tell of fewer than 3 sites"):
        site_half.resamples_of(secure.job, {"halves": halves}, site)


def test_a_site_makes_its_tag_list_from_what_it_kept(secure: Run, tmp_path: Path) -> None:
    save = hand_over(secure.federation, secure.outcome, secure.report)
    save(tmp_path / "model")
    card = (tmp_path / "model" / "card.md").read_text(encoding="utf-8")
    assert secure.section["chosen"] in card
    site = Site(simulated_sites(secure.job)[0])
    kept = load_portraits(site.store.folder / "models" / secure.job.id)
    assert kept.family is not None
    matrix = site.learners(CUTOFF).matrix
    made = make_tags(kept, site, matrix)
    assert made.warnings == []
    frame = made.frame
    assert list(frame.columns) == ["learner_id", "course_id", "tags", "cluster"]
    assert len(frame) == len(matrix)
    assert set(frame["cluster"]) == {str(1 + number) for number in range(kept.family.k)}
    own = rows(secure)[0][0].tags
    names = [tag.zh for tag in secure.job.portrait.tags]
    for place, said in enumerate(make_tags(kept, site, matrix, "zh").frame["tags"]):
        assert set(filter(None, said.split("; "))) == {
            name for name, has in zip(names, own[place], strict=True) if has
        }


def test_a_course_that_is_new_is_ranked_among_the_sites_own(secure: Run, tmp_path: Path) -> None:
    hand_over(secure.federation, secure.outcome, secure.report)(tmp_path / "model")
    model = load_portraits(tmp_path / "model")
    site = Site(simulated_sites(secure.job)[0])
    matrix = site.learners(CUTOFF).matrix
    course = str(pd.Series(matrix.course_id).mode()[0])
    place = model.cohorts.index(course)
    without = type(model)(
        model.description,
        [name for name in model.cohorts if name != course],
        np.delete(model.counts, place, axis=0),
        model.fit,
    )
    made = make_tags(without, site, matrix)
    assert any(course in warning for warning in made.warnings)
    (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match="damaged"):
        load_portraits(tmp_path / "model")


def test_too_few_learners_for_any_cluster(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"3 clusters of task\.min_cohort=900 need 2700"):
        run(compose(folder, "task.min_cohort=900"), tmp_path)
