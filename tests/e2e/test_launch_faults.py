"""Real processes that die, hang or come with other code: what the others notice."""

from __future__ import annotations

import io
import os
import signal
import zipfile
from pathlib import Path

import pytest
from launching import Launched, Running, alive, children, step, wait_until

from clients.audit import AuditLog
from edufed.bundle import PACKAGES
from edufed.cli.control import control, is_up, runs
from edufed.cli.status import status

pytestmark = pytest.mark.e2e

RECEIVED, CONNECTED = "Received successfully", "SuperNode ID"
ENDED = "supernode ended"


def running(federation: Launched, name: str) -> Running:
    return [process for process in federation.processes if process.name == name][-1]


def test_a_worker_that_dies_or_hangs_is_answered_for_and_replaced(federation: Launched) -> None:
    crashed, after, slow, again = federation.run(
        "faults",
        step("query.crash", site="north"),
        step("query.hello"),
        step("query.slow", 8, seconds=600),
        step("query.hello"),
        sites=2,
    )
    assert "worker ended (signal 9)" in crashed["answers"]["north"]["error"]
    assert crashed["answers"]["south"]["site"] == "south"
    assert crashed["seconds"] < 55, "not the minute that Flower waits for a sign of life"
    # A message whose time is up is no longer waited for, or Flower has already said so.
    expired = [answer.get("error", "") for answer in slow["answers"].values()]
    assert all("Message Unavailable" in error for error in expired)
    for taken in (after, again):
        assert {answer["site"] for answer in taken["answers"].values()} == {"north", "south"}
    assert after["answers"]["north"]["pid"] != again["answers"]["north"]["pid"]


def test_a_killed_supernode_comes_back_as_the_same_node(
    federation: Launched, tmp_path: Path
) -> None:
    before = {site.name: site.node_id for site in status(federation.settings).sites}
    north = running(federation, "north")
    received, connected, ended = (north.text().count(what) for what in (RECEIVED, CONNECTED, ENDED))
    until = tmp_path / "killed"
    federation.start("killed", step("query.slow", seconds=600, until=str(until)), sites=2)
    wait_until(lambda: north.text().count(RECEIVED) > received, what="message")
    os.kill(north.child("clients.supernode"), signal.SIGKILL)
    wait_until(lambda: north.text().count(ENDED) > ended, what="noticing")
    until.touch()
    (taken,) = wait_until(lambda: federation.answers("killed"), 60, "the end of the job")
    assert "Node Unavailable" in taken["answers"]["north"]["error"], "said, and not waited for"
    assert taken["answers"]["south"]["site"] == "south"
    wait_until(lambda: north.text().count(CONNECTED) > connected, 60, "its return")
    (taken,) = federation.run("returned", step("query.hello"), sites=2)
    assert {answer["site"] for answer in taken["answers"].values()} == {"north", "south"}
    assert {site.name: site.node_id for site in status(federation.settings).sites} == before


def test_a_killed_site_leaves_no_process_and_starts_again(federation: Launched) -> None:
    north = running(federation, "north")
    family = children(north.process.pid)
    assert len(family) == 2
    os.kill(north.process.pid, signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in family), 15, "the end of its children")
    connected = north.text().count(CONNECTED)
    again = federation.client(federation.folder / "north.yaml")
    wait_until(lambda: again.text().count(CONNECTED) > connected, 30, "its return")
    federation.wait_for_sites("north", "south")


def test_a_killed_superlink_is_started_again_and_its_run_goes_on(
    federation: Launched, tmp_path: Path
) -> None:
    server, north = running(federation, "server"), running(federation, "north")
    received = north.text().count(RECEIVED)
    until = tmp_path / "killed"
    slow = step("query.slow", seconds=600, until=str(until))
    run = federation.start("cut", slow, step("query.hello"), sites=2)
    wait_until(lambda: north.text().count(RECEIVED) > received, what="message")
    os.kill(server.child("edufed.gate"), signal.SIGKILL)
    wait_until(lambda: "superlink ended (signal 9)" in server.text(), what="noticing")
    until.touch()
    wait_until(lambda: is_up(federation.settings), 60, "the SuperLink")
    wait_until(lambda: status_of(federation, run) == "finished", 90, "the end of the run")
    for taken in federation.answers("cut"):
        assert {answer["site"] for answer in taken["answers"].values()} == {"north", "south"}
    assert len(federation.answers("cut")) == 2


def status_of(federation: Launched, run: int) -> str:
    with control(federation.settings) as client:
        return runs(client, run)[0].status


def altered_bundle(federation: Launched, trap: Path) -> bytes:
    """Bundle the toy installation's files, with a line in the ClientApp that writes a file."""
    settings = zipfile.ZipFile(io.BytesIO(federation.bundle)).read("pyproject.toml")
    files = {"pyproject.toml": settings}
    for package in PACKAGES:
        for file in sorted((federation.installation / package).rglob("*.py")):
            files[file.relative_to(federation.installation).as_posix()] = file.read_bytes()
    files["clients/app.py"] += f"\nopen({str(trap)!r}, 'w').write('trapped')\n".encode()
    from flwr.cli.build import build_fab_from_files

    return build_fab_from_files(files)[0]


def test_altered_code_is_not_run_by_a_site(federation: Launched, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    federation.start(
        "altered", step("query.hello"), sites=2, bundle=altered_bundle(federation, trap)
    )
    (taken,) = wait_until(lambda: federation.answers("altered"), 60, "answers")
    for site in ("north", "south"):
        assert "bundle refused: sha256:" in taken["answers"][site]["error"]
        entries = AuditLog(federation.folder / "state" / site / "audit.jsonl").verify()
        assert entries[-1].event == "bundle refused"
    assert not trap.exists()
    # The SuperNode may have unpacked nothing either.
    assert list(federation.folder.rglob("state/*/flower/apps/*")) == []
