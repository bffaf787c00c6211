"""Cold start on real processes: three platforms of a region of the province, TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest
from deployed import PLATFORMS, Deployed, platforms_at_work

pytestmark = pytest.mark.e2e

JOB = (
    *("scenario=vertical", "task=cold_start", "data=sites", "data.label_party=digital-library"),
    *("scenario.rounds=2", "task.replicates=50", "research=false"),
)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with platforms_at_work(tmp_path_factory.mktemp("cold"), 1, 600) as deployed:
        yield deployed


def test_lists_lie_at_the_platform_that_newcomers_come_to(federation: Deployed) -> None:
    running = federation.submit("cold", *JOB)
    report = federation.finish(running, 600).report
    assert report["exclusions"] == []
    assert [r["messages"] for r in report["rounds"]] == [6, 6]
    losses = [r["metrics"]["loss"] for r in report["rounds"]]
    assert losses[1] < losses[0]
    told = report["cold_start"]
    assert told["platform"] == "digital-library"
    assert {(part["seen"], part["group"]) for part in told["figures"]} == {
        (seen, group) for seen in (0, 1, 3, 5) for group in ("new", "all")
    }
    lists = {name: list((federation.state(name) / "lists").glob("*.csv")) for name in PLATFORMS}
    assert [len(lists[name]) for name in PLATFORMS] == [0, 1, 0]
    [file] = lists["digital-library"]
    assert file.stat().st_mode & 0o777 == 0o600
    listed = pd.read_csv(file, dtype=str)
    assert len(listed[["learner_id", "course_id"]].drop_duplicates()) == told["lists"] > 0
    # Nothing of a learner crossed the wire in clear, nor lies at the coordinator.
    ids = {learner.encode() for learner in listed["learner_id"]}
    seen = b"".join(federation.recorder.seen)
    assert not any(learner in seen for learner in ids)
    assert not list(federation.folder.glob("state/coordinator/**/*.csv"))
    log = (federation.state("live-class") / "audit.jsonl").read_text()
    assert report["job"]["id"] in log
    assert "Traceback" not in running.text()
