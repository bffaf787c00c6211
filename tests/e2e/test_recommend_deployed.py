"""A recommendation job on real processes: three sites, TLS, secure aggregation, lists at a site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from deployed import Deployed, Finished, regions_at_work
from loopback import in_one_process

from edufed.config import compose_job
from edufed.recommend.published import load_recommender
from server.report.recommend import build_report
from server.strategies import recommend

pytestmark = pytest.mark.e2e

REGIONS = 3
SITES = tuple(f"region-{number:02d}" for number in range(REGIONS))
JOB = (
    *("task=recommend", "data=sites", "task.min_cohort=15", "task.factor_rounds=2"),
    *("task.rank=2", "task.replicates=50", "scenario.round_timeout_s=90"),
)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with regions_at_work(tmp_path_factory.mktemp("recommend"), REGIONS, 600) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def finished(federation: Deployed) -> Finished:
    return federation.finish(federation.submit("lists", *JOB), 400)


def test_it_equals_the_same_job_in_one_process(
    federation: Deployed, finished: Finished, tmp_path: Path
) -> None:
    report = finished.report
    assert report["privacy"]["secagg"]
    assert report["exclusions"] == report["refusals"] == []
    assert [site["status"] for site in report["sites"]] == ["ok"] * REGIONS
    job = compose_job([*JOB, federation.files(SITES), f"out={tmp_path}"])
    here, outcome = in_one_process(job, SITES, recommend.run, tmp_path / "checkpoint")
    again = cast(dict[str, Any], build_report(here, outcome, 1.0).more["recommend"])
    for one, other in zip(report["recommend"]["table"], again["table"], strict=True):
        assert one["model"] == other["model"]
        assert one["ndcg_at_10"] == pytest.approx(other["ndcg_at_10"], abs=1e-4)
    ours = load_recommender(finished.out / "model")
    np.testing.assert_allclose(ours.trained.weights, outcome.trained.weights, rtol=1e-3, atol=1e-4)
    for course, other in zip(ours.agreed, outcome.agreed, strict=True):
        np.testing.assert_array_equal(course.counts.gram, other.counts.gram)


def test_a_site_makes_lists_with_the_model_that_it_kept(
    federation: Deployed, finished: Finished
) -> None:
    name = SITES[0]
    job = finished.report["job"]["id"]
    federation.predict(name, job, "out=lists.csv", "language=zh")
    lists = pd.read_csv(federation.folder / "lists.csv")
    assert lists.groupby(["learner_id", "course_id"])["place"].max().max() == 10
    assert lists["reason"].str.contains("课程").any()
