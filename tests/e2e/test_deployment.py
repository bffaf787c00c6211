"""The real job on real processes: four sites of a small province, secure aggregation, TLS.

One federation serves all tests of this file; a start takes as long as a job. Two of the sites run
a copy of EduFed that can be told to misbehave; told nothing, it does as the others do.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import yaml
from deployed import Deployed, Finished, install, provinces, worker
from flwr.app import Message
from flwr.serverapp import Grid
from launching import Running, wait_until
from loopback import Loopback, flower_run

from clients.store import Store
from edufed.cli.status import status
from edufed.config import compose_job
from edufed.privacy.simulated import simulated_roster
from edufed.private_files import private_folder
from edufed.published import load_published
from edufed.wire import Arrays
from server.checkpoint import Checkpoint
from server.federation import Federation
from server.strategies import horizontal

pytestmark = pytest.mark.e2e

REGIONS, LEARNERS = 4, 1200
SITES = tuple(f"region-{number:02d}" for number in range(REGIONS))
#: Sites whose copy of EduFed can be told to misbehave.
DOCTORED = SITES[2:]
JOB = ("data=sites", "research=false", "scenario.rounds=3", "scenario.round_timeout_s=60")

MISCHIEF = """

_honest_train = train


def train(site, job, meta, arrays):
    import json

    said, out = _honest_train(site, job, meta, arrays)
    told = site.store.folder / "mischief.json"
    number = str(meta["model_round"] + 1)
    how = json.loads(told.read_text()).get(number) if told.exists() else None
    name = next((key for key in sorted(out) if key.startswith("mean/")), None)
    if how == "sleep":
        time.sleep(600)
    elif how == "nan":
        out[name] = out[name] * np.nan
    elif how == "shape":
        out[name] = out[name][..., :-1]
    return said, out
"""


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("deployed")
    doctored = install(folder / "doctored")
    with (doctored / "clients" / "horizontal.py").open("a") as stream:
        stream.write(MISCHIEF)
    deployed = Deployed(
        folder,
        install(folder / "installed"),
        adapters=provinces(folder / "province", REGIONS, LEARNERS),
        installations=dict.fromkeys(DOCTORED, doctored),
    )
    try:
        deployed.server()
        deployed.start_sites()
        yield deployed
    finally:
        deployed.close()


@pytest.fixture(scope="module")
def undisturbed(federation: Deployed) -> Finished:
    """A job that nothing happens to."""
    return federation.finish(federation.submit("undisturbed", *JOB))


@pytest.fixture(scope="module")
def simulated(federation: Deployed) -> Finished:
    """The same job on the same sites' files, simulated."""
    files = ",".join(str(federation.yaml(name)) for name in SITES)
    settings = ("privacy=secagg", f"data.files=[{files}]", "federation.cpus_per_site=2")
    return federation.finish(
        federation.edufed("run", *JOB, *settings, "out=simulated", name="simulated")
    )


def weights(finished: Finished) -> Arrays:
    return load_published(finished.out / "model").weights


def assert_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=0, atol=1e-6)


def test_a_deployed_job_equals_the_simulated_one(
    undisturbed: Finished, simulated: Finished
) -> None:
    assert_same(weights(undisturbed), weights(simulated))
    here, there = undisturbed.report, simulated.report
    for name in ("roc_auc", "pr_auc", "brier", "ece"):
        one, other = (report["metrics"]["federated"][name] for report in (here, there))
        assert one == pytest.approx(other, abs=1e-6), name
    assert [site["status"] for site in here["sites"]] == ["ok"] * REGIONS
    assert here["exclusions"] == here["refusals"] == []
    # The job's own steps, and nothing of Flower's.
    assert "training [3/3]: round 3: 4 sites" in undisturbed.text
    assert "aggregate_train" not in undisturbed.text
    assert "Traceback" not in undisturbed.text


def test_no_field_of_a_learner_is_on_the_wire_in_clear(
    federation: Deployed, undisturbed: Finished
) -> None:
    probe = b"learner_id=the recorder sees what is in clear"
    with socket.create_connection(("127.0.0.1", federation.recorder.port)) as connection:
        connection.sendall(probe)
    recorder = federation.recorder
    wait_until(lambda: any(probe in part for part in recorder.seen), 10, "the probe")
    seen = b"".join(part for part in recorder.seen if probe not in part)
    assert len(seen) > 10_000_000, "the job's messages went by here"
    words = {"learner_id", "course_id", "query.hello", "train.horizontal", "n_train", *SITES}
    for name in SITES:
        (file,) = (federation.state(name) / "features").glob("*.npz")
        kept = Store(federation.state(name)).load(f"features/{file.stem}")
        assert kept is not None
        words |= {*kept["learner_id"].tolist(), *kept["course_id"].tolist()}
    assert len(words) > 500
    assert [word for word in sorted(words) if str(word).encode() in seen] == []


def answered(site: Running, kind: str) -> int:
    """How often a site's worker has answered a kind of question."""
    return site.text().count(f"answered {kind} of run")


def received(site: Running) -> int:
    return site.text().count("Received successfully")


def sent(site: Running) -> int:
    return site.text().count("Sent successfully")


@contextlib.contextmanager
def halted(pid: int) -> Iterator[None]:
    """Halt a process meanwhile; it may be killed before it goes on."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def await_more(what: Any, site: Running, *arguments: Any, than: int) -> None:
    end = time.monotonic() + 90
    while what(site, *arguments) <= than:
        assert time.monotonic() < end, (what.__name__, site.text()[-2000:])
        time.sleep(0.01)


def sites_by_round(running: Running) -> dict[int, int]:
    """How many sites' updates are in each round, as the job tells."""
    found = re.findall(r"round (\d+): (\d+) sites", running.text())
    return {int(number): int(count) for number, count in found}


def replay(federation: Deployed, folder: Path, absent: Mapping[int, str], rounds: int) -> Arrays:
    """Return the same job's model, made in this process; some rounds lack a site's update."""

    def alter(node: int, asked: Message, answered: Message) -> Message | None:
        missing = absent.get(len(told) + 1) == SITES[node]
        return None if missing and asked.metadata.message_type[:5] == "train" else answered

    told: list[str] = []
    files = ",".join(str(federation.yaml(name)) for name in SITES)
    job = compose_job(
        [
            *(*JOB, "privacy=secagg", f"data.files=[{files}]", f"out={folder}"),
            *(f"scenario.rounds={rounds}", "scenario.round_timeout_s=0.1", "scenario.patience=99"),
        ]
    )
    with flower_run():
        outcome = horizontal.run(
            Federation(
                cast(Grid, Loopback(REGIONS, alter)),
                job,
                lambda step: told.append(step.text) if step.done and "round" in step.text else None,
            ),
            REGIONS,
            simulated_roster(SITES),
            Checkpoint(folder, job.id),
        )
    return outcome.weights


def test_sites_killed_before_and_after_their_update_drop_out_and_come_back(
    federation: Deployed, undisturbed: Finished, tmp_path: Path
) -> None:
    rounds = 8
    known = {site.name: site.node_id for site in status(federation.settings).sites}
    early, late, other = (federation.running(SITES[number]) for number in (3, 0, 1))
    sums = answered(early, "query.unmask") + 1
    running = federation.submit("killed", *JOB, f"scenario.rounds={rounds}", "scenario.patience=99")
    # The first opened sum is the statistics'; the second that of round 1.
    await_more(answered, early, "query.unmask", than=sums)
    with halted(worker(early)):
        await_more(received, early, than=received(early))
        federation.destroy(early.name)
    federation.client(federation.yaml(early.name))
    # Back in a later round.
    wait_until(
        lambda: any(n > 2 and count == REGIONS for n, count in sites_by_round(running).items()),
        120,
        "its return",
    )
    # The other is killed when its update is in, and another site's is not: no sum is open yet.
    await_more(answered, other, "query.unmask", than=answered(other, "query.unmask"))
    with halted(worker(other)):
        masked, out = answered(late, "train.horizontal"), sent(late)
        await_more(answered, late, "train.horizontal", than=masked)
        await_more(sent, late, than=out)
        during = max(sites_by_round(running)) + 1
        federation.destroy(late.name)
    federation.client(federation.yaml(late.name))
    finished = federation.finish(running)
    counts = sites_by_round(running)
    assert counts[2] == REGIONS - 1
    assert {**counts, during: REGIONS}[during] == REGIONS
    assert set(counts.values()) == {REGIONS - 1, REGIONS}
    left_out = {(entry["round"], entry["site"]) for entry in finished.report["exclusions"]}
    assert (2, early.name) in left_out
    assert {site for _, site in left_out} == {early.name, late.name}
    assert all(entry["reason"] for entry in finished.report["exclusions"])
    # Nobody is known by another name or number than before.
    federation.wait_for_sites(*SITES)
    assert {site.name: site.node_id for site in status(federation.settings).sites} == known
    # The survivors' sum is exact: the model is that of a run with these participants.
    absent = {
        number: early.name if number < during else late.name
        for number, count in counts.items()
        if count < REGIONS
    }
    assert_same(weights(finished), replay(federation, tmp_path / "replay", absent, rounds))


def test_a_coordinator_killed_within_a_round_goes_on_with_the_job(
    federation: Deployed, undisturbed: Finished
) -> None:
    federation.wait_for_sites(*SITES)
    site = federation.running(SITES[1])
    sums = answered(site, "query.unmask") + 1
    running = federation.submit("cut", *JOB)
    job = federation.job_of(running)
    await_more(answered, site, "query.unmask", than=sums)
    await_more(received, site, than=received(site))
    federation.destroy("server")
    wait_until(lambda: "does not answer" in running.text(), 60, "noticing")
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(30) == 130
    assert f"edufed stop {job}" in running.text()
    assert not (federation.folder / "cut" / "report.json").exists()
    federation.server()
    resumed = federation.edufed(
        "run",
        *(f"resume={job}", "federation=deployment", "federation.settings=coordinator.yaml"),
        "out=resumed",
        name="resumed",
    )
    finished = federation.finish(resumed)
    assert finished.report["job"]["id"] == job
    assert "going on after round 1" in finished.text
    assert_same(weights(finished), weights(undisturbed))
    assert finished.report["metrics"] == undisturbed.report["metrics"]
    assert [r["round"] for r in finished.report["rounds"]] == [1, 2, 3]
    assert not list((federation.settings.jobs / job).glob("checkpoint*"))


def test_updates_that_cannot_be_used_and_sites_that_sleep_are_left_out_by_name(
    federation: Deployed, undisturbed: Finished
) -> None:
    federation.wait_for_sites(*SITES)
    told = {SITES[2]: {"1": "nan"}, SITES[3]: {"1": "shape", "2": "sleep"}}
    for name, rounds in told.items():
        (federation.state(name) / "mischief.json").write_text(json.dumps(rounds))
    finished = federation.finish(
        federation.submit("mischief", *JOB, "privacy=none", "scenario.round_timeout_s=20")
    )
    for name in told:
        (federation.state(name) / "mischief.json").unlink()
    reasons = {
        (entry["round"], entry["site"]): entry["reason"] for entry in finished.report["exclusions"]
    }
    assert "holds NaN or infinity" in reasons[1, SITES[2]]
    assert "has shape" in reasons[1, SITES[3]]
    assert reasons[2, SITES[3]] == "no answer within 20 s"
    assert sites_by_round(federation.running("mischief")) == {1: 2, 2: 3, 3: 4}
    assert len(reasons) == 3
    assert "too late for the coordinator" in federation.running(SITES[3]).text()


def test_a_site_that_refuses_and_one_with_a_damaged_file_are_named(
    federation: Deployed, undisturbed: Finished
) -> None:
    federation.wait_for_sites(*SITES)
    federation.change(SITES[2], "policy", min_learners=100_000)
    # Another policy has the file read again that the worker holds in memory.
    federation.change(SITES[3], "policy", min_learners=2)
    (cache,) = (federation.state(SITES[3]) / "features").glob("*.npz")
    whole = cache.read_bytes()
    cache.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    finished = federation.finish(
        federation.submit("fewer", *JOB, "privacy=none", "scenario.rounds=1")
    )
    cache.write_bytes(whole)
    for name in SITES[2:]:
        federation.change(name, "policy", min_learners=10)
    (refusal,) = finished.report["refusals"]
    assert refusal["site"] == SITES[2]
    assert "policy.min_learners is 100000" in refusal["reason"]
    (left_out,) = finished.report["exclusions"]
    assert left_out["site"] == SITES[3]
    assert re.search(rf"{cache.name} is damaged; delete it", left_out["reason"])
    assert [site["site"] for site in finished.report["sites"]] == list(SITES[:2])
    assert f"site {SITES[2]} refused: policy.min_learners" in finished.text


def test_a_tampered_audit_log_does_not_pass(
    federation: Deployed, undisturbed: Finished, tmp_path: Path
) -> None:
    private_folder(tmp_path / "state")
    for file in federation.state(SITES[0]).glob("audit.*"):
        shutil.copy2(file, tmp_path / "state")
    content = yaml.safe_load(federation.yaml(SITES[0]).read_text())
    site = tmp_path / "site.yaml"
    site.write_text(yaml.safe_dump({**content, "state": str(tmp_path / "state")}))

    def verify(name: str) -> tuple[int, list[str]]:
        running = federation.edufed("audit", "verify", f"site={site}", name=name)
        return running.process.wait(60), running.text().splitlines()

    code, lines = verify("whole")
    assert (code, len(lines)) == (0, 1)
    log = tmp_path / "state" / "audit.jsonl"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    kinds = {entry["details"]["message"] for entry in entries}
    assert {"query.hello", "query.keys", "train.horizontal", "query.unmask"} <= kinds
    log.write_text(log.read_text().replace("query.statistics", "query.publishers", 1))
    code, lines = verify("tampered")
    assert (code, len(lines)) == (1, 1)
    assert re.search(r"entry \d+ was changed", lines[0])
