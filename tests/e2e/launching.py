"""A federation of real processes for tests: an installation with a toy app, keys, settings."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from ports import free_ports

from edufed.cli.keys import add, init
from edufed.cli.status import status
from edufed.cli.submit import follow, start_run
from edufed.deployment import CoordinatorSettings, load_coordinator

ROOT = Path(__file__).resolve().parents[2]
#: How many times longer than a quiet machine a busy one may take for anything. Only what fails
#: waits as long.
PATIENCE = 5.0

CLIENT_APP = """
import os
import signal
import time

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()
answered = 0


def say(message, context, **more):
    site = os.path.basename(str(context.node_config["site"])).removesuffix(".yaml")
    config = ConfigRecord({"site": site, "pid": os.getpid(), **more})
    return Message(RecordDict({"config": config}), reply_to=message)


@app.query("hello")
def hello(message, context):
    global answered
    answered += 1
    return say(message, context, answered=answered)


@app.query("slow")
def slow(message, context):
    config = message.content["config"]
    end = time.monotonic() + float(config.get("seconds", 0.0))
    while time.monotonic() < end and not os.path.exists(str(config.get("until", ""))):
        time.sleep(0.05)
    return say(message, context)


@app.query("crash")
def crash(message, context):
    site = os.path.basename(str(context.node_config["site"]))
    if site.startswith(str(message.content["config"]["site"])):
        os.kill(os.getpid(), signal.SIGKILL)
    return say(message, context)


@app.query("raise")
def complain(message, context):
    raise ValueError("learner 4711 has no score")
"""

SERVER_APP = """
import contextlib
import json
import os
import time
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    job = json.loads(str(context.run_config["job"]))
    folder = Path(os.environ["EDUFED_JOBS"]) / job["id"]
    folder.mkdir(parents=True, exist_ok=True)
    nodes = {}
    while len(nodes) < job["sites"]:
        time.sleep(0.1)
        nodes = {node.node_id: node.name for node in grid.get_nodes()}
    steps = []
    for step in job["steps"]:
        started = time.monotonic()
        content = RecordDict({"config": ConfigRecord(step.get("config", {}))})
        sent = [Message(content, node, step["type"], ttl=step["ttl"]) for node in nodes]
        waiting = dict(zip(grid.push_messages(sent), nodes, strict=True))
        answers = {}
        while waiting and time.monotonic() - started < step["ttl"]:
            for reply in grid.pull_messages(list(waiting)):
                name = nodes[waiting.pop(reply.metadata.reply_to_message_id)]
                if reply.has_error():
                    answers[name] = {"error": reply.error.reason, "code": reply.error.code}
                else:
                    answers[name] = dict(reply.content["config"])
            time.sleep(0.05)
        steps.append({"answers": answers, "seconds": time.monotonic() - started})
        print("step", len(steps), "done", flush=True)
        partial = folder / "partial"
        partial.write_text(json.dumps(steps))
        partial.replace(folder / "answers.json")
"""


def step(kind: str, ttl: float = 150.0, **config: Any) -> dict[str, Any]:
    """One exchange of a job of the toy apps; its time is up after `ttl` seconds."""
    return {"type": kind, "ttl": ttl, "config": config}


def install_toy(folder: Path, client_app: str = CLIENT_APP, server_app: str = SERVER_APP) -> Path:
    """Make an installation of EduFed in `folder` whose two apps are toys."""
    ignore = shutil.ignore_patterns("__pycache__")
    folder.mkdir()
    shutil.copytree(ROOT / "edufed", folder / "edufed", ignore=ignore)
    for package in ("clients", "server"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("")
    for name in ("worker.py", "supernode.py", "audit.py", "approval.py", "claim.py"):
        shutil.copy(ROOT / "clients" / name, folder / "clients" / name)
    (folder / "clients" / "app.py").write_text(client_app)
    (folder / "server" / "app.py").write_text(server_app)
    return folder


def wait_until(true: Callable[[], Any], timeout_s: float = 30.0, what: str = "it") -> Any:
    """Wait for something to become true, and return it; seconds are those of a quiet machine."""
    end = time.monotonic() + PATIENCE * timeout_s
    while time.monotonic() < end:
        if value := true():
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {PATIENCE * timeout_s:g} s")


def children(pid: int) -> list[int]:
    """Process ids of a process's children."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            found += [int(child) for child in file.read_text().split()]
    return found


def command_line(pid: int) -> str:
    """Return a process's command line; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be noticed does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@dataclass
class Running:
    """One edufed command in the foreground of its own process group, its lines in a file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, timeout_s: float = 30.0) -> int:
        """Ask for a stop; past the time, end the process group."""
        self.process.terminate()
        return self.wait(timeout_s)

    def wait(self, timeout_s: float) -> int:
        """Wait for its end; past the time, end the process group."""
        try:
            return self.process.wait(PATIENCE * timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it as a crash would; the kernel then ends its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def child(self, command: str) -> int:
        """Process id of the one child whose command line holds `command`."""
        found = [pid for pid in children(self.process.pid) if command in command_line(pid)]
        assert len(found) == 1, found
        return found[0]


@dataclass
class Launched:
    """A federation's keys, settings and processes under one folder."""

    folder: Path
    installation: Path
    insecure: bool = False
    settings: CoordinatorSettings = field(init=False)
    processes: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        listen, admin = free_ports(2)
        self.address = f"127.0.0.1:{listen}"
        init(self.folder / "keys", "toys", ["127.0.0.1"])
        file = self.folder / "coordinator.yaml"
        content = {"listen": self.address, "admin_port": admin, "keys": "keys"}
        file.write_text(
            yaml.safe_dump({**content, "state": "coordinator", "insecure": self.insecure})
        )
        self.settings = load_coordinator(file)

    def site(self, name: str, enrolled: bool = True, **node: Any) -> Path:
        """Write a site's YAML and make its keys."""
        if enrolled:
            add(self.folder / "keys", name)
        file = self.folder / f"{name}.yaml"
        node = {
            "superlink": self.address,
            "keys": f"keys/sites/{name}",
            "insecure": self.insecure,
            **node,
        }
        file.write_text(yaml.safe_dump({"name": name, "state": f"state/{name}", "node": node}))
        return file

    def server(self) -> Running:
        """Start the coordinator and wait until it takes sites."""
        running = self._start("server", "edufed.cli.server", self.folder / "coordinator.yaml")
        wait_until(lambda: "ready:" in running.text(), 60, "the start of the server")
        return running

    def client(self, site: Path) -> Running:
        """Start a site."""
        return self._start(site.stem, "edufed.cli.client", site)

    def wait_for_sites(self, *names: str, timeout_s: float = 60.0) -> None:
        """Wait until the named sites, and no others, are online."""

        def online() -> bool:
            return {s.name for s in status(self.settings).sites if s.status == "online"} == {*names}

        wait_until(online, timeout_s, f"sites {names} online")

    def run(self, job_id: str, *steps: dict[str, Any], sites: int) -> list[dict[str, Any]]:
        """Run a job of the toy apps to its end and return what each step was answered."""
        run_id = self.start(job_id, *steps, sites=sites)
        lines: list[str] = []
        state = follow(self.settings, run_id, lines.append)
        assert state.outcome == "completed", (state, lines)
        return self.answers(job_id)

    def start(
        self, job_id: str, *steps: dict[str, Any], sites: int, bundle: bytes | None = None
    ) -> int:
        """Start a job of the toy apps; return the id of its run."""
        job = json.dumps({"id": job_id, "sites": sites, "steps": list(steps)})
        return start_run(self.settings, bundle or self.bundle, {"job": job})

    def python(self, code: str) -> subprocess.CompletedProcess[bytes]:
        """Run some lines with the toy installation."""
        return subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={**os.environ, "PYTHONPATH": str(self.installation)},
            cwd=self.folder,
            capture_output=True,
            check=True,
            timeout=120 * PATIENCE,
        )

    @cached_property
    def bundle(self) -> bytes:
        """What the toy installation submits."""
        code = "import sys; from edufed.cli.submit import build_bundle as b;"
        return self.python(f"{code} sys.stdout.buffer.write(b())").stdout

    def answers(self, job_id: str) -> list[dict[str, Any]]:
        """What the toy ServerApp wrote."""
        file = self.settings.jobs / job_id / "answers.json"
        return json.loads(file.read_text()) if file.exists() else []

    def close(self) -> None:
        """End every process that was started."""
        for running in reversed(self.processes):
            if running.process.poll() is None:
                running.process.terminate()
        for running in reversed(self.processes):
            try:
                running.process.wait(60)
            except subprocess.TimeoutExpired:
                running.kill()

    def _start(self, name: str, module: str, settings: Path) -> Running:
        loader = "load_coordinator" if module.endswith("server") else "load_site_node"
        code = (
            f"from pathlib import Path; from edufed.deployment import {loader};"
            f"from {module} import serve; serve({loader}(Path({str(settings)!r})))"
        )
        log = self.folder / f"{name}.log"
        with log.open("ab") as stream:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdout=stream,
                stderr=stream,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(self.installation)},
                start_new_session=True,
            )
        running = Running(name, process, log)
        self.processes.append(running)
        return running
