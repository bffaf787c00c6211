"""The ClientApp called as Flower calls it: no network, nothing else left out."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata

from clients.app import app
from clients.audit import AuditLog
from data_adapters.base import open_adapter
from edufed.config import compose_job, load_site
from edufed.wire import pack, unpack

RUN, NODE = 42, 7
SITE = """\
name: north
state: state
node: {{superlink: "edufed.example.org:9092"}}
policy: {policy}
adapter: {{name: province, path: {province}, learners: 300, regions: 1, region: 0, platform: mooc,
  events_per_learner: 20}}
"""


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("province")


@pytest.fixture
def site(province: Path, tmp_path: Path) -> Path:
    return write_site(tmp_path, province)


def write_site(folder: Path, province: Path, policy: str = "{}") -> Path:
    file = folder / "north.yaml"
    file.write_text(SITE.format(policy=policy, province=province))
    return file


def job(*overrides: str, **changes: Any) -> dict[str, Any]:
    made = compose_job(["out=x", "task.min_cohort=10", *overrides])
    return {**made.model_dump(mode="json"), **changes}


def ask(site: Path, kind: str, content: RecordDict) -> tuple[dict[str, Any], dict[str, Any]]:
    metadata = Metadata(RUN, "", 1, NODE, "", "", time.time(), 60.0, kind)
    context = Context(RUN, NODE, {"site": str(site)}, RecordDict(), {})
    reply = app(message=make_message(metadata, content), context=context)
    assert isinstance(reply, Message)
    return unpack(reply.content)


def hello(site: Path, *overrides: str, **changes: Any) -> dict[str, Any]:
    content = pack({"job": job(*overrides, **changes), "resumed": False})
    return ask(site, "query.hello", content)[0]


def log_of(site: Path) -> list[tuple[str, dict[str, Any]]]:
    entries = AuditLog(site.parent / "state" / "audit.jsonl").verify()
    return [(entry.event, entry.details) for entry in entries]


def test_an_answer_stands_in_the_audit_log_without_a_learner(site: Path) -> None:
    asked = job()
    meta, arrays = ask(site, "query.hello", pack({"job": asked, "resumed": False}))
    assert (meta["status"], meta["site"]) == ("ok", "north")
    assert meta["n_train"] > 0
    ((event, details),) = log_of(site)
    assert event == "answered"
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    assert details.pop("bytes") > 100
    assert details == {
        "message": "query.hello",
        "run": "42",
        "superlink": "edufed.example.org:9092",
        "job": asked["id"],
        "job_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "settings": {
            "scenario": "horizontal",
            "task": "early_warning",
            "model": "mlp",
            "strategy": "fedavg",
            "privacy": "none",
        },
        "reason": None,
    }
    assert arrays == {}
    logged = (site.parent / "state/audit.jsonl").read_text()
    adapter = open_adapter(load_site(site).adapter, site.parent)
    assert not [id for id in adapter.read().frame("learners")["learner_id"] if str(id) in logged]


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("{privacy: {secagg: required}}", "privacy.secagg is required"),
        ("{tasks: []}", "policy.tasks does not allow early_warning"),
        ("{scenarios: []}", "policy.scenarios does not allow horizontal"),
        ("{min_cohort: 20}", "task.min_cohort is 10 and policy.min_cohort 20"),
    ],
)
@pytest.mark.parametrize("kind", ["query.hello", "query.statistics", "train.horizontal"])
def test_a_refusal_is_an_answer_and_touches_no_data(
    policy: str, reason: str, kind: str, tmp_path: Path
) -> None:
    site = write_site(tmp_path, tmp_path / "province", policy)
    meta, arrays = ask(site, kind, pack({"job": job()}))
    assert meta == {"site": "north", "status": "refused", "reason": reason}
    assert arrays == {}
    ((event, details),) = log_of(site)
    assert (event, details["reason"], details["message"]) == ("refused", reason, kind)
    # The adapter, which generates missing data when it is read, was not even opened.
    assert not (tmp_path / "province").exists()


def test_too_few_learners_is_a_refusal_after_reading(province: Path, tmp_path: Path) -> None:
    site = write_site(tmp_path, province, "{min_learners: 5000}")
    meta = hello(site)
    assert meta["status"] == "refused"
    assert meta["reason"].startswith("policy.min_learners is 5000")
    assert [event for event, _ in log_of(site)] == ["refused"]


def test_denied_columns_take_their_features_along(province: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    free = hello(write_site(tmp_path / "open", province))
    policy = "{data: {deny: [learners.means, events.duration_s]}}"
    meta = hello(write_site(tmp_path, province, policy))
    assert set(meta["missing"]) - set(free["missing"]) == {"means", "hours"}
    assert meta["n_train"] == free["n_train"]
    # The cache of the one policy does not serve the other.
    again = hello(write_site(tmp_path, province))
    assert again["missing"] == free["missing"]


def test_most_jobs_a_day_survives_a_restart_and_lets_a_running_job_go_on(
    province: Path, tmp_path: Path
) -> None:
    site = write_site(tmp_path, province, "{max_jobs_per_day: 1}")
    first = job()
    for _ in range(2):
        meta, _ = ask(site, "query.hello", pack({"job": first, "resumed": False}))
        assert meta["status"] == "ok"
    # Another job does not pass under the id of the first.
    for other in (job(), {**first, "seed": first["seed"] + 1}):
        meta, _ = ask(site, "query.hello", pack({"job": other, "resumed": False}))
        assert meta["status"] == "refused"
        assert meta["reason"] == ("policy.max_jobs_per_day is 1, and as many were taken on today")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (RecordDict({"config": ConfigRecord({"a": 1})}), "not a message of ours: KeyError"),
        (pack({}), "not a message of ours: it names no job"),
        (pack({"job": {"id": 1}}), "setting 'scenario' is required"),
    ],
)
def test_garbage_fails_in_one_line_and_is_noted(
    site: Path, content: RecordDict, reason: str
) -> None:
    meta, _ = ask(site, "query.hello", content)
    assert meta["status"] == "failed"
    assert reason in meta["reason"]
    assert "\n" not in meta["reason"]
    ((event, details),) = log_of(site)
    assert (event, details["job"], details["settings"]) == ("failed", None, None)


def test_what_a_handler_raises_is_noted_by_its_type_alone(site: Path) -> None:
    meta, _ = ask(site, "query.hello", pack({"job": job()}))  # lacks `resumed`
    assert meta["reason"] == "unexpected KeyError; the site's own log says more"
    ((event, details),) = log_of(site)
    assert (event, details["reason"]) == ("failed", meta["reason"])


def test_nothing_leaves_a_site_whose_audit_log_was_changed(site: Path) -> None:
    assert hello(site)["status"] == "ok"
    log = site.parent / "state" / "audit.jsonl"
    log.write_text(log.read_text().replace("answered", "answerec"))
    content = pack({"job": job(), "resumed": False})
    meta, arrays = ask(site, "query.hello", content)
    assert meta == {
        "site": "north",
        "status": "failed",
        "reason": "the site's audit log was changed or cannot be written; see edufed audit verify",
    }
    assert arrays == {}


def test_a_simulated_site_keeps_no_log_but_has_a_policy(province: Path, tmp_path: Path) -> None:
    site = write_site(tmp_path, province, "{privacy: {secagg: required}}")
    asked = job("data=sites", f"data.files=[{site}]", f"federation.state={tmp_path / 'sites'}")
    metadata = Metadata(RUN, "", 1, NODE, "", "", time.time(), 60.0, "query.hello")
    node = {"partition-id": 0, "num-partitions": 1}
    reply = app(
        message=make_message(metadata, pack({"job": asked})),
        context=Context(RUN, NODE, node, RecordDict(), {}),
    )
    assert unpack(reply.content)[0]["reason"] == "privacy.secagg is required"
    assert not list(tmp_path.rglob("audit.jsonl"))
