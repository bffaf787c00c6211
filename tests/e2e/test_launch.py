"""Real processes on 127.0.0.1: what an enrolled site gets, and what everybody else gets."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from launching import Launched, alive, children, step, wait_until
from ports import free_ports

from edufed.cli import keys
from edufed.cli.control import CoordinatorError, control, runs
from edufed.cli.server import flower_environment, program
from edufed.cli.status import lines, status
from edufed.identity import new_site

pytestmark = pytest.mark.e2e


def https(federation: Launched, address: str) -> httpx.Client:
    trust = ssl.create_default_context(cafile=federation.settings.keys / "ca.pem")
    return httpx.Client(base_url=f"https://{address}", verify=trust)


MARKER = "learner-4711-has-failed"


@dataclass
class FirstJob:
    """What a job was answered, and every packet on the loopback interface meanwhile."""

    answers: list[dict[str, Any]]
    packets: bytes | None


@pytest.fixture(scope="module")
def first(federation: Launched) -> FirstJob:
    with captured() as packets:
        steps = federation.run(
            "first",
            step("query.hello", note=MARKER),
            step("query.hello"),
            step("query.raise"),
            sites=2,
        )
    return FirstJob([taken["answers"] for taken in steps], packets and b"".join(packets))


def test_a_job_reaches_every_site_under_its_own_name(first: FirstJob) -> None:
    for answers in first.answers[:2]:
        assert {name: answer["site"] for name, answer in answers.items()} == {
            "north": "north",
            "south": "south",
        }


def test_a_resident_worker_stays_and_the_other_is_new_for_each_message(first: FirstJob) -> None:
    before, after, _ = first.answers
    assert before["north"]["pid"] == after["north"]["pid"]
    assert after["north"]["answered"] == before["north"]["answered"] + 1
    assert before["south"]["pid"] != after["south"]["pid"]


def test_what_a_site_raises_stays_at_the_site(first: FirstJob, federation: Launched) -> None:
    reasons = {answer["error"] for answer in first.answers[2].values()}
    assert reasons == {"unexpected ValueError; the site's own log says more"}
    assert any("learner 4711 has no score" in site.text() for site in federation.processes)


def test_nothing_of_a_message_is_on_the_wire_in_clear(first: FirstJob) -> None:
    if first.packets is None:
        pytest.skip("capturing packets needs CAP_NET_RAW")
    assert b"the capture sees what is in clear" in first.packets
    assert MARKER.encode() not in first.packets


@contextmanager
def captured() -> Iterator[list[bytes] | None]:
    """Every packet on the loopback interface meanwhile, one in clear among them."""
    try:
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        tap.bind(("lo", 0))
    except (OSError, AttributeError):
        yield None
        return
    tap.settimeout(0.2)
    packets: list[bytes] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with suppress(TimeoutError):
                packets.append(tap.recv(65536))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield packets
        with socket.create_server(("127.0.0.1", 0)) as server:
            with socket.create_connection(server.getsockname()) as probe:
                probe.sendall(b"the capture sees what is in clear")
            wait_until(lambda: b"the capture sees" in b"".join(packets), 10, "the probe")
    finally:
        done.set()
        thread.join()
        tap.close()


def test_submit_follow_fetch_status_and_stop(federation: Launched, tmp_path: Path) -> None:
    job = json.dumps({"id": "fetched", "sites": 2, "steps": [step("query.hello")]})
    code = f"""
from pathlib import Path
from edufed.cli.submit import fetch, follow, submit
from edufed.deployment import load_coordinator
settings = load_coordinator(Path({str(federation.folder / "coordinator.yaml")!r}))
state = follow(settings, submit(settings, {job!r}, "fetched"), print)
assert state.outcome == "completed", state
print(*fetch(settings, "fetched", Path({str(tmp_path / "out")!r})))
"""
    shown = federation.python(code).stdout.decode()
    assert "step 1 done" in shown
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["answers.json"]
    assert {"site north: online", "job fetched: finished, completed"} <= set(
        lines(status(federation.settings))
    )
    until = tmp_path / "stopped"
    endless = step("query.slow", 600, seconds=600, until=str(until))
    run = federation.start("endless", endless, sites=2)
    wait_until(lambda: status_of(federation, run) == "running", what="the run")
    code = f"""
from pathlib import Path
from edufed.cli.stop import command
from edufed.deployment import load_coordinator
settings = load_coordinator(Path({str(federation.folder / "coordinator.yaml")!r}))
(settings.jobs / "endless").mkdir(exist_ok=True)
(settings.jobs / "endless" / "submission.json").write_text('{{"run": {run}}}')
command("endless", ["settings={federation.folder / "coordinator.yaml"}"])
"""
    assert b"job endless is stopped" in federation.python(code).stderr
    until.touch()
    with control(federation.settings) as client:
        assert runs(client, run)[0].outcome == "stopped"


def status_of(federation: Launched, run: int) -> str:
    with control(federation.settings) as client:
        return runs(client, run)[0].status


def test_the_public_port_has_the_fleet_api_and_nothing_else(federation: Launched) -> None:
    token = (federation.settings.keys / "operator.token").read_text()
    with https(federation, federation.address) as client:
        for path in (
            "/v1/control/list-nodes",
            "/v1/control/register-node",
            "/v1/control/start-run",
            "/v1/runtime/acquire-task",
            "/v1/runtime/get-nodes",
            "/docs",
            "/openapi.json",
            "/health",
            "/v1/fleet/../control/list-nodes",
            "/v1/fleet/%2e%2e/control/list-nodes",
        ):
            answer = client.post(path, headers={"edufed-operator": token})
            assert answer.status_code in (404, 405), path
            assert b"node" not in answer.content.lower()
        protobuf = {"content-type": "application/protobuf", "accept": "application/protobuf"}
        for call in ("pull-messages", "activate-node", "get-fab", "pull-object", "get-run"):
            answer = client.post(f"/v1/fleet/{call}", headers=protobuf)
            assert answer.status_code in (400, 401, 415, 422), (call, answer.status_code)
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://{federation.address}/")


def test_the_admin_port_wants_the_operators_token(federation: Launched) -> None:
    with https(federation, federation.settings.admin) as client:
        for headers in ({}, {"edufed-operator": "0" * 64}):
            assert client.post("/v1/control/list-nodes", headers=headers).status_code == 404
        protobuf = {"content-type": "application/protobuf", "accept": "application/protobuf"}
        taken = client.post("/v1/runtime/acquire-task", headers=protobuf)
        assert taken.status_code in (401, 403), "a task is only for the SuperExec"


def test_a_stranger_gets_nothing_and_a_site_talks_to_no_stranger(
    federation: Launched, tmp_path: Path
) -> None:
    # One site's key is not enrolled; another's CA is not the federation's; one has no key at all.
    mallory = federation.site("mallory", enrolled=False)
    own = federation.folder / "keys" / "sites"
    new_site(own / "mallory", "mallory")
    (own / "mallory" / "ca.pem").write_bytes((federation.settings.keys / "ca.pem").read_bytes())
    doubter = federation.site("doubter")
    keys.init(federation.folder / "elsewhere", "elsewhere", ["127.0.0.1"])
    (own / "doubter" / "ca.pem").write_bytes(
        (federation.folder / "elsewhere" / "ca.pem").read_bytes()
    )
    started = [federation.client(site) for site in (mallory, doubter)]
    keyless = subprocess.run(
        [
            *(program("flower-supernode"), "--superlink", federation.address),
            *("--root-certificates", str(federation.settings.keys / "ca.pem")),
            *("--isolation", "process", "--port", str(free_ports(1)[0])),
        ],
        env=flower_environment(tmp_path),
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert keyless.returncode != 0
    assert b"Failed to initialize the connection" in keyless.stdout + keyless.stderr
    wait_until(lambda: "Failed to initialize the connection" in started[0].text(), 60, "refusal")
    wait_until(lambda: "SSL/TLS handshake error" in started[1].text(), 60, "refusal")
    online = {site.name for site in status(federation.settings).sites if site.status == "online"}
    assert online == {"north", "south"}
    assert [running.stop() for running in started] == [0, 0]
    keys.remove(federation.folder / "keys", "doubter")


def test_a_key_other_than_the_pinned_one_does_not_start(federation: Launched) -> None:
    roster = yaml.safe_load((federation.settings.keys / "roster.yaml").read_text())
    wrong = federation.site("north2", enrolled=False, keys="keys/sites/south", roster=roster)
    text = wrong.read_text().replace("name: north2", "name: north")
    wrong.write_text(text)
    running = federation.client(wrong)
    assert running.wait(60) != 0
    assert "pins" in running.text()


def test_insecure_only_by_a_flag_with_a_warning_and_a_stop_ends_every_process(
    launch: Callable[..., Launched],
) -> None:
    federation = launch(insecure=True)
    site = federation.site("north")
    server, client = federation.server(), federation.client(site)
    for running in (server, client):
        assert "insecure: neither TLS nor node authentication" in wait_until(running.text)
    federation.start("busy", step("query.slow", 600, seconds=600), sites=1)
    wait_until(lambda: "Received successfully" in client.text(), 60, "the message")
    family = descendants(server.process.pid) + descendants(client.process.pid)
    assert len(family) == 5, "SuperLink, SuperExec, ServerApp, SuperNode, worker"
    assert client.stop(20) == 0
    assert server.stop(20) == 0
    assert [pid for pid in family if alive(pid)] == []
    with pytest.raises(CoordinatorError, match="is edufed server running"):
        status(federation.settings)


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return found + [grandchild for child in found for grandchild in descendants(child)]


def test_lines_are_json_on_request(federation: Launched) -> None:
    code = """
from edufed.cli.processes import Child, Log, Supervisor
import sys
supervisor = Supervisor(Log("json"))
child = Child("child", lambda: [sys.executable, "-c", "print('WARNING: half full')"])
child.on_exit = lambda status: supervisor.stopping.set()
with supervisor.until_signal():
    supervisor.start(child)
    supervisor.run()
"""
    shown = federation.python(code).stderr.decode().splitlines()
    first = json.loads(shown[0])
    assert (first["process"], first["level"]) == ("child", "warning")
    assert first["message"] == "WARNING: half full"
