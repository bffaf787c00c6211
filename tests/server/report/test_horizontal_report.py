"""The report of a horizontal job says what the job did: its figures against its own summaries."""

from __future__ import annotations

import json

import numpy as np
import pytest
import small_job
from small_job import SmallJob

from clients.pooled import pooled_scores
from edufed.metrics import metrics_from_summary
from server.report.contract import Report
from server.report.horizontal import build_report, sum_of
from server.report.html import render


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> SmallJob:
    return small_job.run(tmp_path_factory.mktemp("report"), "model=logistic")


@pytest.fixture(scope="module")
def report(job: SmallJob) -> Report:
    return build_report(job.finished.federation, job.finished.outcome, 12.5)


def test_figures_are_those_of_the_summed_summaries(job: SmallJob, report: Report) -> None:
    outcome = job.finished.outcome
    whole = metrics_from_summary(outcome.summaries["test"])
    assert report.metrics.federated.model_dump(include=set(whole)) == whole
    assert report.metrics.federated.n == sum(site.n_test or 0 for site in report.sites)
    local = [site.local.roc_auc for site in report.sites if site.local is not None]
    assert report.metrics.local is not None
    assert report.metrics.local.roc_auc == pytest.approx(np.mean([x for x in local if x]))


def test_sites_rounds_and_cost_are_the_jobs(job: SmallJob, report: Report) -> None:
    totals = job.finished.federation.totals
    assert [site.site for site in report.sites] == [site.name for site in job.sites]
    assert {site.status for site in report.sites} == {"ok"}
    assert [entry.round for entry in report.rounds] == [1, 2]
    assert all(entry.messages == 2 * len(job.sites) for entry in report.rounds)
    assert report.totals.messages == totals.messages
    assert (report.totals.bytes_up, report.totals.bytes_down) == (
        totals.bytes_up,
        totals.bytes_down,
    )
    assert report.totals.seconds == 12.5
    assert {entry.site for entry in report.quality} == {site.name for site in job.sites}


def test_groups_of_learners_are_compared_on_the_same_test_learners(report: Report) -> None:
    fairness = report.more["fairness"]
    assert isinstance(fairness, dict)
    assert fairness["least"] == 5
    gender = fairness["attributes"][0]
    assert [group["group"] for group in gender["groups"]] == ["female", "not_female"]
    assert report.metrics.federated is not None
    whole = report.metrics.federated  # not every site states a gender
    assert 0 < sum(group["n"] for group in gender["groups"]) <= (whole.n or 0)
    assert 0 < sum(group["positives"] for group in gender["groups"]) <= (whole.positives or 0)
    assert all(0 < row["abroca_p"] <= 1 for row in gender["comparisons"])
    for language, said in (("en", "not female"), ("zh", "非女性")):
        page = render(report, language)
        assert 'id="fairness"' in page
        assert said in page


def test_the_worst_site_is_named(report: Report) -> None:
    scores = {site.site: site.federated.roc_auc for site in report.sites if site.federated}
    assert report.worst_site is not None
    assert report.worst_site.site == min(scores, key=lambda name: scores[name] or 1.0)


def test_without_the_pooled_baseline_there_is_no_delta(report: Report) -> None:
    assert report.metrics.pooled is None
    assert report.delta is None
    said = json.loads(report.model_dump_json())
    assert said["metrics"]["pooled"] is None  # null, not left out
    assert said["delta"] is None


def test_delta_is_the_distance_from_the_pooled_model(job: SmallJob) -> None:
    pooled = pooled_scores(job.job, [site.settings for site in job.sites])
    report = build_report(job.finished.federation, job.finished.outcome, 1.0, pooled)
    ours, theirs = report.metrics.federated.roc_auc, report.metrics.pooled
    assert theirs is not None
    assert theirs.roc_auc == metrics_from_summary(sum_of(pooled))["roc_auc"]
    assert ours is not None
    assert theirs.roc_auc is not None
    assert report.delta is not None
    assert report.delta["roc_auc"] == pytest.approx(abs(ours - theirs.roc_auc))


def test_a_site_that_was_not_scored_is_left_out_of_the_mean(job: SmallJob) -> None:
    outcome = job.finished.outcome
    name = job.sites[1].name
    gone = outcome.metrics.pop(name)
    try:
        report = build_report(job.finished.federation, outcome, 1.0)
    finally:
        outcome.metrics[name] = gone
    (site,) = (site for site in report.sites if site.site == name)
    assert (site.status, site.federated, site.local) == ("left out", None, None)
