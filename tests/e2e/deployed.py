"""A federation of real processes at work on the province: the real apps, four sites, TLS."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from launching import ROOT, Launched, Running, children, wait_until

from clients.worker import release_node
from data_adapters.base import open_adapter
from edufed.arrays import Arrays
from edufed.bundle import PACKAGES
from edufed.cli.control import is_up
from edufed.cli.keys import add
from edufed.cli.server import program
from edufed.published import load_published

#: What a SuperNode says when it has been let in.
CONNECTED = "SuperNode ID"


def install(folder: Path) -> Path:
    """Make an installation of EduFed in `folder`, as it is in this checkout at this moment."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return folder


def descendants(pid: int) -> list[int]:
    """Process ids of a process's children, and theirs."""
    found = children(pid)
    return found + [grandchild for child in found for grandchild in descendants(child)]


class Recorder:
    """A TCP proxy on 127.0.0.1 that passes bytes on to a port, and keeps them."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.seen: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            # As a load balancer does whose server is away: the handshake ends before it begins.
            with contextlib.suppress(OSError), near:
                near.shutdown(socket.SHUT_WR)
                near.recv(65536)
            return
        threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()
        self._pass_on(far, near)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.seen.append(data)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class Finished:
    """What `edufed run` left behind."""

    status: int
    text: str
    out: Path

    @property
    def report(self) -> dict[str, Any]:
        assert self.status == 0, self.text
        return json.loads((self.out / "report.json").read_text())

    @property
    def weights(self) -> Arrays:
        """Return the weights of the model that came of it."""
        return load_published(self.out / "model").weights


def assert_same(one: Arrays, other: Arrays) -> None:
    """Assert that two models are the same but for the order of a sum's terms."""
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=0, atol=1e-6)


@dataclass
class Deployed(Launched):
    """Keys, settings and processes of a federation whose sites do real work.

    `adapters` says for each site what it reads; `installations` which ones run another copy of
    EduFed than the coordinator.
    """

    adapters: dict[str, dict[str, Any]] = field(default_factory=dict)
    installations: dict[str, Path] = field(default_factory=dict)
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.recorder = Recorder(int(self.address.rpartition(":")[2]))
        for name in self.adapters:
            add(self.folder / "keys", name)
        own = self.python("from edufed.bundle import installed_code as c; print(c().hash)").stdout
        for name, adapter in self.adapters.items():
            site = {
                "name": name,
                "adapter": adapter,
                "state": f"state/{name}",
                "node": {
                    "superlink": f"127.0.0.1:{self.recorder.port}",
                    "keys": f"keys/sites/{name}",
                    "roster": yaml.safe_load((self.folder / "keys" / "roster.yaml").read_text()),
                    "approved_bundles": [own.decode().strip()],
                },
            }
            self.yaml(name).write_text(yaml.safe_dump(site))

    def yaml(self, name: str) -> Path:
        """Settings of a site."""
        return self.folder / f"{name}.yaml"

    @contextlib.contextmanager
    def changed(self, name: str, /, **parts: Any) -> Iterator[None]:
        """Change a site's YAML; what the coordinator asks meanwhile is answered accordingly."""
        before = self.yaml(name).read_text()
        self._write(name, yaml.safe_dump({**yaml.safe_load(before), **parts}))
        try:
            yield
        finally:
            self._write(name, before)

    def _write(self, name: str, text: str) -> None:
        temporary = self.yaml(name).with_suffix(".new")
        temporary.write_text(text)
        os.replace(temporary, self.yaml(name))

    def state(self, name: str) -> Path:
        return self.folder / "state" / name

    def edufed(self, *arguments: str, name: str) -> Running:
        """Start an edufed command in a process group of its own."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as stream:
            process = subprocess.Popen(
                [program("edufed"), *arguments],
                stdout=stream,
                stderr=stream,
                cwd=self.folder,
                env={
                    **os.environ,
                    "PYTHONPATH": str(self.installations.get(name, self.installation)),
                    "COLUMNS": "200",
                },
                start_new_session=True,
            )
        running = Running(name, process, log)
        self.processes.append(running)
        return running

    def server(self) -> Running:
        """Start the coordinator and wait until it takes jobs."""
        running = self.edufed("server", "settings=coordinator.yaml", name="server")
        wait_until(lambda: is_up(self.settings), 60, "the start of the server")
        return running

    def client(self, site: Path) -> Running:
        """Start a site."""
        return self.edufed("client", f"site={site.name}", name=site.stem)

    def start_sites(self) -> None:
        """Start all sites and wait until they are connected."""
        for name in self.adapters:
            self.client(self.yaml(name))
        self.wait_for_sites(*self.adapters)

    def submit(self, name: str, *settings: str) -> Running:
        """Start `edufed run` on the sites; its output is `name`."""
        return self.edufed(
            "run",
            *("federation=deployment", "federation.settings=coordinator.yaml", f"out={name}"),
            *settings,
            name=name,
        )

    def finish(self, running: Running, timeout_s: float = 400.0) -> Finished:
        """Wait for an `edufed run` to end."""
        status = running.wait(timeout_s)
        return Finished(status, running.text(), self.folder / running.name)

    def running(self, name: str) -> Running:
        return [running for running in self.processes if running.name == name][-1]

    def destroy(self, name: str) -> None:
        """End a command and all that it started, at once, as a power cut would."""
        running = self.running(name)
        for pid in [running.process.pid, *descendants(running.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        running.process.wait()

    def await_pull(self) -> None:
        """Wait until the job has every answer that came: it gets none of a site that is gone."""
        state = self.folder / "coordinator" / "superlink.db"
        left = "SELECT count(*) FROM message_res WHERE delivered_at = ''"

        def none_left() -> bool:
            with contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as database:
                return database.execute(left).fetchone() == (0,)

        wait_until(none_left, 60, "the coordinator's taking of all answers")

    def expel(self, name: str) -> None:
        """Have the coordinator know at once that a destroyed site is gone: not in a minute."""
        keys = self.folder / "keys" / "sites" / name
        node_id = int((self.state(name) / "run" / "node_id").read_text())
        release_node(
            f"127.0.0.1:{self.recorder.port}",
            (keys / "ca.pem").read_bytes(),
            keys / "node.key",
            node_id,
        )

    def connections(self, name: str) -> int:
        """How often a site was let in so far."""
        return self.running(name).text().count(CONNECTED)

    def wait_for_connection(self, name: str, more_than: int) -> None:
        wait_until(lambda: self.connections(name) > more_than, 180, f"the return of {name}")

    def come_back(self, name: str) -> None:
        """Start a destroyed site, and wait until it is connected again."""
        before = self.connections(name)
        self.client(self.yaml(name))
        self.wait_for_connection(name, before)

    def files(self, names: Iterable[str]) -> str:
        """Return the setting that has a simulation read what these sites read."""
        return f"data.files=[{','.join(str(self.yaml(name)) for name in names)}]"

    def predict(self, name: str, job: str, *settings: str) -> None:
        """Run `edufed predict` at a site, with the model that it kept of a job."""
        model = self.state(name) / "models" / job
        done = subprocess.run(
            [program("edufed"), "predict", f"site={self.yaml(name)}", f"model={model}", *settings],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def job_of(self, running: Running) -> str:
        """Id of the job that an `edufed run` submitted."""
        line = wait_until(
            lambda: next((x for x in running.text().splitlines() if x.startswith("job ")), None),
            60,
            "the submission",
        )
        return line.split()[1]

    def close(self) -> None:
        """End every process that was started."""
        super().close()
        self.recorder.close()


def provinces(path: Path, regions: int, learners: int) -> dict[str, dict[str, Any]]:
    """Sites that are the regions of a province, which is made in `path`."""
    common = {"name": "province", "path": str(path), "learners": learners, "regions": regions}
    adapters = {
        f"region-{number:02d}": {**common, "region": number, "platform": "mooc"}
        for number in range(regions)
    }
    for adapter in adapters.values():
        open_adapter(adapter, path).read()  # made before two can want it at once
    return adapters


#: Name of a site -> its platform in the province.
PLATFORMS = {"mooc": "mooc", "digital-library": "digital_library", "live-class": "live_class"}


@contextlib.contextmanager
def platforms_at_work(
    folder: Path, regions: int, learners: int, installations: Mapping[str, Path] | None = None
) -> Iterator[Deployed]:
    """Run a coordinator and the platforms of the province's first region, all connected."""
    common = {"name": "province", "path": str(folder / "province"), "region": 0}
    adapters: dict[str, dict[str, Any]] = {
        name: {**common, "learners": learners, "regions": regions, "platform": platform}
        for name, platform in PLATFORMS.items()
    }
    for adapter in adapters.values():
        open_adapter(adapter, folder).read()  # made before two can want it at once
    with at_work(folder, adapters, installations) as deployed:
        yield deployed


@contextlib.contextmanager
def regions_at_work(folder: Path, regions: int, learners: int) -> Iterator[Deployed]:
    """Run a coordinator and the regions of a province in `folder`, all connected."""
    with at_work(folder, provinces(folder / "province", regions, learners)) as deployed:
        yield deployed


@contextlib.contextmanager
def at_work(
    folder: Path,
    adapters: dict[str, dict[str, Any]],
    installations: Mapping[str, Path] | None = None,
) -> Iterator[Deployed]:
    """Run a coordinator and these sites, all connected; `installations` are as `Deployed`'s."""
    deployed = Deployed(
        folder,
        install(folder / "installed"),
        adapters=adapters,
        installations=dict(installations or {}),
    )
    try:
        deployed.server()
        deployed.start_sites()
        yield deployed
    finally:
        deployed.close()


def passed(site: Running, way: Literal["Receiv", "Send"], kind: str) -> int:
    """How many messages of a kind a site's SuperNode has received or sent, to the last byte."""
    lines = [line for line in site.text().splitlines() if line.startswith(" supernode")]
    begun = f"{way}ing: {kind} message"
    done = {"Receiv": "Received successfully", "Send": "Sent successfully"}[way]
    return sum(begun in line and done in after for line, after in pairwise(lines))
