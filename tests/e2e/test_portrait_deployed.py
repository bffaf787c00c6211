"""Portraits on real processes: a coordinator and three sites, TLS, secure aggregation on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from deployed import Deployed, Finished, regions_at_work
from loopback import in_one_process

from data_adapters.base import open_adapter
from edufed.config import compose_job
from edufed.portrait.published import load_portraits
from server.report.portrait import build_report
from server.strategies import portrait

pytestmark = pytest.mark.e2e

REGIONS = 3
SITES = tuple(f"region-{number:02d}" for number in range(REGIONS))
JOB = (
    *("task=portrait", "data=sites", "task.min_cohort=10", "scenario.round_timeout_s=90"),
    *("task.replicates=50", "task.clusters.sizes=[3]", "task.clusters.rounds=2"),
    *("task.clusters.starts=2", "task.clusters.trial_rounds=1", "task.clusters.bootstraps=3"),
    "task.accept={stability: 0, replication: 0, separation: -1}",
)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with regions_at_work(tmp_path_factory.mktemp("portrayed"), REGIONS, 600) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def finished(federation: Deployed) -> Finished:
    return federation.finish(federation.submit("portraits", *JOB), 500)


def test_it_equals_the_same_job_in_one_process(
    federation: Deployed, finished: Finished, tmp_path: Path
) -> None:
    report = finished.report
    assert report["privacy"]["secagg"]
    assert report["exclusions"] == report["refusals"] == []
    assert [site["status"] for site in report["sites"]] == ["ok"] * REGIONS
    job = compose_job([*JOB, federation.files(SITES), f"out={tmp_path}"])
    here, outcome = in_one_process(job, SITES, portrait.run, tmp_path / "checkpoint")
    again = cast(dict[str, Any], build_report(here, outcome, 1.0).more["portrait"])
    found = report["portrait"]
    # Bootstrap weights are each real site's secret: what they decide differs from run to run.
    assert found["replication_by"] == again["replication_by"] == "sites"
    assert found["tags"] == again["tags"]
    for one, other in zip(found["table"], again["table"], strict=True):
        for name in ("eta", "eta_training", "roc_auc", "replication"):
            assert one[name] == pytest.approx(other[name], abs=1e-6), name
    ours = load_portraits(finished.out / "model")
    np.testing.assert_array_equal(ours.counts, outcome.counts)
    if ours.family == (outcome.chosen and outcome.chosen.candidate.family):
        np.testing.assert_allclose(ours.fit["centres"], outcome.chosen.fit["centres"], atol=1e-5)


def test_no_learner_and_no_count_is_on_the_wire_in_clear(
    federation: Deployed, finished: Finished
) -> None:
    assert finished.status == 0
    seen = b"".join(federation.recorder.seen)
    assert len(seen) > 100_000
    for word in ("portrait", "kmeans", "learners", "night_owl", *SITES):
        assert word.encode() not in seen, word
    adapter = next(iter(federation.adapters.values()))
    rows = open_adapter(adapter, federation.folder).read().connection
    ids = {
        str(learner) for (learner,) in rows.execute("SELECT learner_id FROM learners").fetchall()
    }
    told = json.dumps(finished.report) + (finished.out / "report.html").read_text(encoding="utf-8")
    assert len(ids) > 100
    assert not ids & set(re.findall(r"\w+", told))


def test_a_site_tags_its_learners_by_what_it_kept(federation: Deployed, finished: Finished) -> None:
    name = SITES[0]
    out = federation.folder / "tags.csv"
    federation.predict(name, finished.report["job"]["id"], f"out={out}", "language=zh")
    assert out.stat().st_mode & 0o777 == 0o600
    tags = pd.read_csv(out, dtype=str)
    assert len(tags) > 50
    assert tags["tags"].str.contains("全部完成").any()
    if finished.report["portrait"]["accepted"]:
        assert set(tags["cluster"]) <= {"1", "2", "3"}
