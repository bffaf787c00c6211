"""The real job on real processes: four sites of a small province, secure aggregation, TLS.

One federation serves all tests of this file; a start takes as long as a job. Two of the sites run
a copy of EduFed that can be told to misbehave; told nothing, it does as the others do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, cast

import pytest
import yaml
from deployed import (
    Deployed,
    Finished,
    assert_same,
    at_work,
    descendants,
    install,
    passed,
    provinces,
)
from flwr.app import Message
from flwr.serverapp import Grid
from launching import Running, command_line, wait_until
from loopback import Loopback, flower_run

from clients.audit import AuditLog
from clients.store import Store
from edufed.arrays import Arrays
from edufed.cli.status import status
from edufed.config import compose_job
from edufed.privacy.simulated import simulated_roster
from edufed.private_files import private_folder
from server.checkpoint import Checkpoint
from server.federation import Federation
from server.strategies import horizontal

pytestmark = pytest.mark.e2e

REGIONS, LEARNERS = 4, 1200
SITES = tuple(f"region-{number:02d}" for number in range(REGIONS))
#: Sites whose copy of EduFed can be told to misbehave.
DOCTORED = SITES[2:]
JOB = ("data=sites", "research=false", "scenario.rounds=2", "scenario.round_timeout_s=60")

MISCHIEF = """

_honest_train = train


def train(site, job, meta, arrays):
    import json

    said, out = _honest_train(site, job, meta, arrays)
    told = site.store.folder / "mischief.json"
    number = str(meta["model_round"] + 1)
    how = json.loads(told.read_text()).get(number) if told.exists() else None
    name = next((key for key in sorted(out) if key.startswith("mean/")), None)
    if how == "nan":
        out[name] = out[name] * np.nan
    elif how == "shape":
        out[name] = out[name][..., :-1]
    while how == "wait" and number in json.loads(told.read_text()):
        time.sleep(0.05)
    return said, out
"""


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("deployed")
    doctored = install(folder / "doctored")
    with (doctored / "clients" / "horizontal.py").open("a") as stream:
        stream.write(MISCHIEF)
    adapters = provinces(folder / "province", REGIONS, LEARNERS)
    with at_work(folder, adapters, dict.fromkeys(DOCTORED, doctored)) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def both(federation: Deployed) -> dict[str, Finished]:
    """A job that nothing happens to, and the same on the same sites' files, simulated."""
    settings = ("privacy=secagg", federation.files(SITES), "federation.cpus_per_site=2")
    running = [
        federation.edufed("run", *JOB, *settings, "out=simulated", name="simulated"),
        federation.submit("undisturbed", *JOB),
    ]
    return {one.name: federation.finish(one) for one in running}


@pytest.fixture(scope="module")
def undisturbed(both: dict[str, Finished]) -> Finished:
    return both["undisturbed"]


@pytest.fixture(scope="module")
def simulated(both: dict[str, Finished]) -> Finished:
    return both["simulated"]


def test_a_deployed_job_equals_the_simulated_one(
    undisturbed: Finished, simulated: Finished
) -> None:
    assert_same(undisturbed.weights, simulated.weights)
    here, there = undisturbed.report, simulated.report
    for name in ("roc_auc", "pr_auc", "brier", "ece"):
        one, other = (report["metrics"]["federated"][name] for report in (here, there))
        assert one == pytest.approx(other, abs=1e-6), name
    groups = [report["fairness"]["attributes"] for report in (here, there)]
    assert [entry["reference"] for entry in groups[0]] == [e["reference"] for e in groups[1]]
    assert [site["status"] for site in here["sites"]] == ["ok"] * REGIONS
    assert here["exclusions"] == here["refusals"] == []
    # The job's own steps, and nothing of Flower's.
    assert "training [2/2]: round 2: 4 sites" in undisturbed.text
    assert "aggregate_train" not in undisturbed.text
    assert "Traceback" not in undisturbed.text
    kept = (undisturbed.out / "job.log").read_text()
    assert re.search(r"^\d{4}-\S+ training \[2/2\]: round 2: 4 sites", kept, re.MULTILINE)


def test_encrypted_sums_give_the_same_model(federation: Deployed, undisturbed: Finished) -> None:
    pytest.importorskip("tenseal")
    encrypted = federation.finish(federation.submit("encrypted", *JOB, "privacy=he"))
    said = encrypted.report["privacy"]["he"]
    assert said["sums"] == 5
    for name, weight in undisturbed.weights.items():
        assert encrypted.weights[name] == pytest.approx(weight, abs=1e-5)
    assert encrypted.report["exclusions"] == []


def test_noise_is_paid_for_out_of_every_sites_own_ledger(federation: Deployed) -> None:
    private = federation.finish(federation.submit("private", *JOB, "privacy=secagg_dp"))
    report = private.report
    spent = report["privacy"]["dp"]["epsilon"]
    assert 3.9 < spent <= 4.0
    assert report["exclusions"] == report["refusals"] == []
    for name in SITES:
        ledger = federation.edufed("ledger", f"site={name}.yaml", name=f"ledger-{name}")
        assert ledger.wait(60) == 0, ledger.text()
        found = re.search(rf"job {report['job']['id']},.* ε = (\S+) spent, closed", ledger.text())
        # The report has another accountant's bound, a little above the ledger's.
        assert found is not None, ledger.text()
        assert 0.99 * spent < float(found.group(1)) <= spent


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
    assert all(re.fullmatch("[!-~]{7,}", word) for word in words)
    text = b"\n".join(re.findall(rb"[!-~]{7,}", seen))  # all that could be one of these words
    assert [word for word in words if word.encode() in text] == []


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
    job = compose_job(
        [
            *(*JOB, "privacy=secagg", federation.files(SITES), f"out={folder}"),
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


def tell(federation: Deployed, name: str, rounds: Mapping[int, str]) -> None:
    """Tell a doctored site what to do in which rounds of training; what it waits in ends."""
    partial = federation.state(name) / "mischief.partial"
    partial.write_text(json.dumps(rounds))
    partial.replace(federation.state(name) / "mischief.json")


def await_message(
    site: Running, way: Literal["Receiv", "Send"], count: int, kind: str = "train.horizontal"
) -> None:
    """Wait until so many messages of a kind have reached a site, or left it."""
    wait_until(lambda: passed(site, way, kind) >= count, 180, f"{way} {kind} {count}")
    assert passed(site, way, kind) == count


def test_sites_killed_before_and_after_their_update_drop_out_and_come_back(
    federation: Deployed, undisturbed: Finished, tmp_path: Path
) -> None:
    rounds = 4
    known = {site.name: site.node_id for site in status(federation.settings).sites}
    early, late, slow = SITES[3], SITES[0], SITES[2]
    received = passed(federation.running(early), "Receiv", "train.horizontal")
    sent = passed(federation.running(late), "Send", "train.horizontal")
    tell(federation, early, {1: "wait"})
    tell(federation, slow, {1: "wait", 2: "wait", 3: "wait"})
    running = federation.submit("killed", *JOB, f"scenario.rounds={rounds}", "scenario.patience=99")
    # One is killed at work on its update, and back before the round's end.
    await_message(federation.running(early), "Receiv", received + 1)
    federation.destroy(early)
    tell(federation, early, {})
    federation.come_back(early)
    tell(federation, slow, {2: "wait", 3: "wait"})
    # Another when its update is in and that of a third is not: no sum is open yet.
    await_message(federation.running(late), "Send", sent + 2)
    federation.await_pull()
    federation.destroy(late)
    federation.expel(late)
    tell(federation, slow, {3: "wait"})
    wait_until(lambda: 2 in sites_by_round(running), 180, "the end of round 2")
    federation.come_back(late)
    tell(federation, slow, {})
    finished = federation.finish(running)
    counts = sites_by_round(running)
    assert counts == {1: 3, 2: 4, 3: 3, 4: 4}
    reasons = {
        (entry["round"], entry["site"]): entry["reason"] for entry in finished.report["exclusions"]
    }
    # The second update is in the sum, though its site was not there to open it.
    assert reasons == dict.fromkeys([(1, early), (2, late), (3, late)], "the site is not connected")
    assert len(finished.report["exclusions"]) == 3
    # Nobody is known by another name or number than before.
    federation.wait_for_sites(*SITES)
    assert {site.name: site.node_id for site in status(federation.settings).sites} == known
    # The survivors' sum is exact: the model is that of a run with these participants.
    model = replay(federation, tmp_path / "replay", {1: early, 3: late}, rounds)
    assert_same(finished.weights, model)


def cut_off(federation: Deployed, name: str, kill: Callable[[], None]) -> tuple[Running, str]:
    """Submit a job, and do away with something in the second round; return the job and its id."""
    federation.wait_for_sites(*SITES)
    sites = [federation.running(site) for site in SITES]
    seen = [passed(site, "Receiv", "train.horizontal") for site in sites]
    tell(federation, DOCTORED[0], {2: "wait"})
    running = federation.submit(name, *JOB)
    job = federation.job_of(running)
    # All have all of it: a site would be busy for long with a message that stops halfway.
    for site, before in zip(sites, seen, strict=True):
        await_message(site, "Receiv", before + 2)
    kill()
    tell(federation, DOCTORED[0], {})
    return running, job


def resume(federation: Deployed, job: str, name: str) -> Finished:
    command = ("run", f"resume={job}", "federation=deployment")
    settings = ("federation.settings=coordinator.yaml", f"out={name}")
    return federation.finish(federation.edufed(*command, *settings, name=name))


def assert_went_on(federation: Deployed, finished: Finished, undisturbed: Finished) -> None:
    """The job went on after its first round, and ended as one that nothing happens to."""
    assert "going on after round 1" in finished.text
    assert_same(finished.weights, undisturbed.weights)
    assert finished.report["metrics"] == undisturbed.report["metrics"]
    assert [r["round"] for r in finished.report["rounds"]] == [1, 2]
    job = finished.report["job"]["id"]
    assert not list((federation.settings.jobs / job).glob("checkpoint*"))


def supernodes_ended(federation: Deployed, name: str) -> int:
    return federation.running(name).text().count("supernode ended")


def test_a_coordinator_killed_within_a_round_goes_on_with_the_job(
    federation: Deployed, undisturbed: Finished
) -> None:
    connections = {name: federation.connections(name) for name in SITES}
    ends = {name: supernodes_ended(federation, name) for name in SITES}
    running, job = cut_off(federation, "cut", lambda: federation.destroy("server"))
    wait_until(lambda: "does not answer" in running.text(), 60, "noticing")
    running.process.send_signal(signal.SIGINT)
    assert running.wait(30) == 130
    assert f"edufed stop {job}" in running.text()
    assert not (federation.folder / "cut" / "report.json").exists()
    # No SuperNode survives a handshake that is cut off; each is started until it is let in.
    for name, before in ends.items():
        wait_until(
            lambda name=name, before=before: supernodes_ended(federation, name) > before,
            60,
            "the end of a SuperNode",
        )
    federation.server()
    for name in SITES:
        federation.wait_for_connection(name, connections[name])
    finished = resume(federation, job, "resumed")
    assert finished.report["job"]["id"] == job
    assert_went_on(federation, finished, undisturbed)


@pytest.fixture(scope="module")
def beheaded(federation: Deployed, undisturbed: Finished) -> tuple[Running, str]:
    """A job whose ServerApp was killed; Flower notices after a minute without a sign of life."""
    server = federation.running("server").process.pid

    def kill() -> None:
        (app,) = [pid for pid in descendants(server) if "flwr-serverapp" in command_line(pid)]
        os.kill(app, signal.SIGKILL)

    return cut_off(federation, "beheaded", kill)


def test_updates_that_cannot_be_used_and_sites_that_sleep_are_left_out_by_name(
    federation: Deployed, beheaded: tuple[Running, str]
) -> None:
    federation.wait_for_sites(*SITES)
    tell(federation, SITES[2], {1: "nan"})
    tell(federation, SITES[3], {1: "shape", 2: "wait"})
    finished = federation.finish(
        federation.submit("mischief", *JOB, "privacy=none", "scenario.round_timeout_s=25")
    )
    for name in DOCTORED:
        tell(federation, name, {})
    reasons = {
        (entry["round"], entry["site"]): entry["reason"] for entry in finished.report["exclusions"]
    }
    # The worker that takes the place of the one that slept may not be ready for the evaluation.
    expected = {(1, SITES[2]), (1, SITES[3]), (2, SITES[3])}
    assert reasons.keys() - {(None, SITES[3])} == expected, (reasons, finished.text)
    assert "holds NaN or infinity" in reasons[1, SITES[2]]
    assert "has shape" in reasons[1, SITES[3]]
    assert reasons[2, SITES[3]] == "no answer within 25 s"
    assert sites_by_round(federation.running("mischief")) == {1: 2, 2: 3}
    assert "too late for the coordinator" in federation.running(SITES[3]).text()
    log = AuditLog(federation.state(SITES[3]) / "audit.jsonl").verify()
    assert "the site took longer than the coordinator waits" in {
        entry.details["reason"] for entry in log if entry.event == "failed"
    }


def test_a_serverapp_killed_within_a_round_is_reported_and_goes_on_on_request(
    federation: Deployed, beheaded: tuple[Running, str], undisturbed: Finished
) -> None:
    running, job = beheaded
    ended = federation.finish(running)
    assert ended.status == 1
    assert "Traceback" not in ended.text
    assert f"job {job} ended without a report; go on with it by edufed run" in ended.text
    assert_went_on(federation, resume(federation, job, "regrown"), undisturbed)


def test_sites_that_refuse_lie_or_have_a_damaged_file_are_named(
    federation: Deployed, undisturbed: Finished
) -> None:
    federation.wait_for_sites(*SITES)
    (cache,) = (federation.state(SITES[3]) / "features").glob("*.npz")
    whole = cache.read_bytes()
    with (
        federation.changed(SITES[1], name=SITES[0]),
        federation.changed(SITES[2], policy={"min_learners": 100_000}),
        # Another policy has the file read again that the worker holds in memory.
        federation.changed(SITES[3], policy={"min_learners": 2}),
    ):
        cache.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        try:
            settings = ("privacy=none", "scenario.rounds=1", "scenario.min_sites=1")
            finished = federation.finish(federation.submit("fewer", *JOB, *settings))
        finally:
            cache.write_bytes(whole)
    (refusal,) = finished.report["refusals"]
    assert refusal["site"] == SITES[2]
    assert "policy.min_learners is 100000" in refusal["reason"]
    reasons = {entry["site"]: entry["reason"] for entry in finished.report["exclusions"]}
    assert reasons.keys() == {SITES[1], SITES[3]}
    # A site's name is that of its key, whatever it says.
    assert reasons[SITES[1]] == f"it calls itself '{SITES[0]}'"
    assert re.search(rf"{cache.name} is damaged; delete it", reasons[SITES[3]])
    assert [site["site"] for site in finished.report["sites"]] == [SITES[0]]
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
        return running.wait(60), running.text().splitlines()

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
