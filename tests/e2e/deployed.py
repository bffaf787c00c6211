"""A federation of real processes at work on the province: the real apps, four sites, TLS."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from launching import ROOT, Launched, Running, children, wait_until

from data_adapters.base import open_adapter
from edufed.bundle import PACKAGES
from edufed.cli.control import is_up
from edufed.cli.keys import add
from edufed.cli.server import program


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
            near.close()
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

    def change(self, name: str, part: str, **values: Any) -> None:
        """Change a site's YAML; what the coordinator asks next is answered accordingly."""
        content = yaml.safe_load(self.yaml(name).read_text())
        content[part] = {**content.get(part, {}), **values}
        temporary = self.yaml(name).with_suffix(".new")
        temporary.write_text(yaml.safe_dump(content))
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

    def finish(self, running: Running, timeout_s: float = 240.0) -> Finished:
        """Wait for an `edufed run` to end."""
        status = running.process.wait(timeout_s)
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


def worker(running: Running) -> int:
    """Process id of a site's worker."""
    return running.child("clients.worker")
