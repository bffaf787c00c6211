"""The pooled baseline: one model on all rows, judged on the same test learners as the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_job

from clients.pooled import pooled_scores
from clients.site import Site
from clients.split import split
from edufed.config import Job, SiteSettings, simulated_sites
from edufed.metrics import metrics_from_summary


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pooled")


@pytest.fixture(scope="module")
def job(folder: Path) -> Job:
    return small_job.settings(folder, "model=logistic", "scenario.rounds=8")


@pytest.fixture(scope="module")
def sites(job: Job) -> list[SiteSettings]:
    return simulated_sites(job)


def test_each_sites_test_learners_are_scored_once(job: Job, sites: list[SiteSettings]) -> None:
    scores = pooled_scores(job, sites)
    assert list(scores) == [site.name for site in sites]
    for site in sites:
        matrix = Site(site).learners(60).matrix
        targets = matrix.target[split(matrix, job).test]
        found = metrics_from_summary(scores[site.name])
        assert (found["n"], found["positives"]) == (len(targets), targets.sum())


def test_two_runs_of_one_seed_are_equal(job: Job, sites: list[SiteSettings]) -> None:
    first, second = pooled_scores(job, sites), pooled_scores(job, sites)
    for name, summary in first.items():
        np.testing.assert_array_equal(second[name], summary)


def test_it_has_learnt_something(job: Job, sites: list[SiteSettings]) -> None:
    together = np.sum(list(pooled_scores(job, sites).values()), axis=0)
    assert (metrics_from_summary(together)["roc_auc"] or 0) > 0.65


def test_one_site_pooled_is_a_model_of_its_own(job: Job, sites: list[SiteSettings]) -> None:
    alone = pooled_scores(job, sites[:1])[sites[0].name]
    together = pooled_scores(job, sites)[sites[0].name]
    assert alone[..., 0].sum() == together[..., 0].sum()
    assert (alone != together).any()
