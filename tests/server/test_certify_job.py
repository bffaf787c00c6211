"""A whole certifying job on real sites in this process: sums, coverage, evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import small_job
from small_job import SmallJob

from clients.certify import Scored, score
from clients.evidence import evidence_files, read_evidence
from edufed.arrays import prefixed
from edufed.certify.calibration import calibration_of
from edufed.certify.conformal import covered, tally
from edufed.config import SettingsError, compose_job
from edufed.wire import WEIGHT
from server.report.contract import Report
from server.report.html import render

SETTINGS = ("task=certify", "task.cutoff_day=60", "task.folds=3", "task.coverage=0.9")


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> SmallJob:
    return small_job.run(tmp_path_factory.mktemp("certified"), *SETTINGS)


def section(found: SmallJob) -> dict[str, Any]:
    return cast(dict[str, Any], report_of(found).more["certify"])


def report_of(found: SmallJob) -> Report:
    return found.finished.report(1.0)


def scored(found: SmallJob) -> list[Scored]:
    """Score every site's learners anew, as whoever had all the records could."""
    outcome = found.finished.outcome
    meta = {"model_round": outcome.best_round, "cohorts": outcome.cohorts}
    arrays = prefixed(WEIGHT, outcome.weights)
    return [score(site, found.job, meta, arrays) for site in found.sites]


def test_federated_coverage_is_that_of_all_learners_in_one_place(certified: SmallJob) -> None:
    sites, said = scored(certified), section(certified)
    every = Scored(
        *(
            np.concatenate([getattr(site, name) for site in sites])
            for name in ("bins", "passed", "valid", "fold")
        )
    )
    pooled = calibration_of(every.counts(3), every.earlier(), 0.9)
    rows = every.fold >= 0
    kinds = pooled.kinds(every.bins[rows], every.fold[rows])
    n, right = covered(tally(kinds, every.passed[rows]))
    assert (said["overall"]["n"], said["overall"]["coverage"]) == (n, right / n)
    assert said["calibration"] == [
        {"group": "all", "passed": pooled.passed, "failed": pooled.failed}
    ]
    assert sum(row["n"] for row in said["regions"]) == n
    hits = sum(row["n"] * row["coverage"] for row in said["regions"])
    assert hits == pytest.approx(right)
    assert said["told"] == small_job.SITES
    # The average over folds is close to nominal by construction.
    assert abs(right / n - 0.9) < 0.05


def test_evidence_is_of_learners_whom_the_model_was_not_trained_on(certified: SmallJob) -> None:
    for site, own in zip(certified.sites, scored(certified), strict=True):
        frame, stated = read_evidence(site.store.folder, certified.job.id)
        matrix = site.learners(60).matrix
        later = set(matrix.learner_id[(own.fold >= 0) | np.isnan(matrix.target)])
        assert set(frame["learner_id"]) == later
        assert len(frame) == (own.fold >= 0).sum() + np.isnan(matrix.target).sum()
        assert (frame["low"] <= frame["probability"]).all()
        assert (frame["probability"] <= frame["high"]).all()
        assert set(frame["set"]) <= {"pass", "fail", "both", "neither"}
        assert stated.issuing_site == site.name
        assert stated.site is not None
        assert stated.nominal == 0.9
        assert all(group.n >= certified.job.certify.min_cohort for group in stated.subgroups)
        for file in evidence_files(site.store.folder, certified.job.id):
            assert file.stat().st_mode & 0o777 == 0o600


def of_two_types() -> str:
    kinds = {"basic": "basic", "higher": "higher", "other": "higher"}
    sites = ", ".join(
        f"{{name: {site}, adapter: {{region: {number}, regions: 3, education: {kind}}}}}"
        for number, (site, kind) in enumerate(kinds.items())
    )
    return f"+data.sites=[{sites}]"


def test_bounds_by_education_type(tmp_path: Path) -> None:
    settings = (
        *SETTINGS,
        "task.quantiles=education",
        "privacy=secagg",
        "data.regions=null",
        "data.platforms=[]",
    )
    found = small_job.run(tmp_path, *settings, of_two_types())
    said = section(found)
    assert [row["group"] for row in said["calibration"]] == ["basic", "higher"]
    by_type = {row["education"]: row["n"] for row in said["education"]}
    assert by_type["basic"] == said["regions"][0]["n"]
    assert by_type["higher"] == sum(row["n"] for row in said["regions"][1:])
    stated = [read_evidence(site.store.folder, found.job.id)[1] for site in found.sites]
    assert [each.calibration_group for each in stated] == ["basic", "higher", "higher"]


def test_bounds_of_each_site_and_coverage_of_few_learners_is_not_told_apart(tmp_path: Path) -> None:
    settings = (*SETTINGS, "task.quantiles=site", "task.min_cohort=10000", "task.relative=false")
    found = small_job.run(tmp_path, *settings)
    said = section(found)
    assert {row["coverage"] for row in said["regions"]} == {None}
    assert said["overall"]["n"] == sum(row["n"] for row in said["regions"])
    for site, own in zip(found.sites, scored(found), strict=True):
        _, stated = read_evidence(site.store.folder, found.job.id)
        assert (stated.site, stated.subgroups, stated.regions) == (None, [], [])
        assert stated.calibration_passed == (own.passed & (own.fold >= 0)).sum()
    assert "certify" in render(report_of(found), "en")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page(certified: SmallJob, language: str) -> None:
    page = render(report_of(certified), language)  # type: ignore[arg-type]
    assert 'id="certify"' in page
    assert all(row["site"] in page for row in section(certified)["regions"])


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("privacy=dp", "task=certify does not run with privacy=dp yet"),
        ("strategy=fedper", "strategy=fedper keeps layers there"),
        ("task.folds=1", "task.folds"),
        ("task.coverage=1", "task.coverage"),
    ],
)
def test_a_job_that_cannot_certify_says_so(setting: str, line: str) -> None:
    with pytest.raises(SettingsError, match=line):
        compose_job(["task=certify", setting, "out=x"])
