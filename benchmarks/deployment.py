"""How long does a deployed round take, and where does the time go, against stock Flower?

    python benchmarks/deployment.py [--rounds 6] [--json FILE]

Three sites of the province, every process on this machine, TLS and node authentication in both.
Stock is Flower's SuperLink and SuperNodes as they come, with FedAvg by `strategy.start`
(`benchmarks/stock`): once with training alone, once with its round of evaluation. EduFed is
the real job under `edufed server` and `edufed client`, one message a round, which trains and
scores the validation learners. Same features, model and local epochs. Medians over the rounds
after the first, which builds features; parts are means over sites of what one message spends.
"""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import tomli_w
import typer
import yaml
from rich.console import Console
from rich.table import Table

from edufed.cli import keys
from edufed.cli.control import CoordinatorError, control, enrol_nodes, runs, sites
from edufed.cli.server import flower_environment, program
from edufed.cli.submit import start_run, submit
from edufed.config import Job, compose_job
from edufed.deployment import CoordinatorSettings, load_coordinator

SITES = ("north", "middle", "south")
GOAL = 0.45
START_S, RUN_S = 120.0, 900.0
STOCK = Path(__file__).parent / "stock"


@dataclass(frozen=True)
class Line:
    """Seconds of one round, and of its parts."""

    way: str
    round: float
    waiting: float
    process_start: float
    imports: float
    compute: float
    rounds: int


class Federation:
    """Keys, settings and processes of one federation in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listen, self.admin = _free_ports(2)
        keys.init(folder / "keys", "benchmark", ["127.0.0.1"], SITES)
        (folder / "coordinator.yaml").write_text(
            yaml.safe_dump({"listen": f"127.0.0.1:{self.listen}", "admin_port": self.admin})
        )
        self.settings = load_coordinator(folder / "coordinator.yaml")
        for number, site in enumerate(SITES):
            self._write_site(site, number)
        self._processes: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> Path:
        """Start a process in a group of its own; return the file of what it prints."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command,
                stdout=stream,
                stderr=stream,
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
                start_new_session=True,
            )
        self._processes.append((process, log))
        return log

    def stop(self) -> None:
        """End every process, the last started first."""
        for process, _ in reversed(self._processes):
            process.terminate()
        for process, _ in reversed(self._processes):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    def wait_for_sites(self) -> None:
        """Wait until all sites are online."""

        def online() -> bool:
            with control(self.settings) as client:
                return [site.status for site in sites(client)].count("online") == len(SITES)

        _wait(online, START_S, "the sites")

    def finish(self, run: int) -> None:
        """Wait for the end of a run."""

        def finished() -> bool:
            with control(self.settings) as client:
                return runs(client, run)[0].status == "finished"

        _wait(finished, RUN_S, "the end of the run")
        with control(self.settings) as client:
            state = runs(client, run)[0]
        if state.outcome != "completed":
            raise SystemExit(f"the run {state.outcome}: {state.details}")

    def _write_site(self, site: str, number: int) -> None:
        adapter = {"name": "province", "path": "../province", "regions": len(SITES)}
        content = {
            "name": site,
            "adapter": {**adapter, "region": number, "platform": "mooc"},
            "state": f"state/{site}",
            "node": {"superlink": f"127.0.0.1:{self.listen}", "keys": f"keys/sites/{site}"},
        }
        (self.folder / f"{site}.yaml").write_text(yaml.safe_dump(content))


def measure_edufed(folder: Path, job: Job) -> Line:
    """Run the job under `edufed server` and `edufed client`."""
    federation = Federation(folder)
    edufed = [str(Path(sys.executable).parent / "edufed")]
    try:
        settings = f"settings={folder / 'coordinator.yaml'}"
        server = federation.start("server", [*edufed, "server", settings], {})
        _wait(lambda: "ready:" in server.read_text(), START_S, "the coordinator")
        logs = [
            federation.start(site, [*edufed, "client", f"site={folder / site}.yaml"], {})
            for site in SITES
        ]
        federation.wait_for_sites()
        run = submit(federation.settings, json.dumps(job.for_sites()), job.id)
        federation.finish(run)
    finally:
        federation.stop()
    report = json.loads((federation.settings.jobs / job.id / "report.json").read_text())
    seconds = [taken["seconds"] for taken in report["rounds"]][1:]
    answered = re.compile(r"answered train\.horizontal of run \d+ in ([\d.]+) s")
    spent = [[float(s) for s in answered.findall(log.read_text())][1:] for log in logs]
    compute = statistics.median(statistics.mean(part) for part in zip(*spent, strict=True))
    return _line("EduFed, train and evaluate", seconds, 0.0, 0.0, compute)


def measure_stock(folder: Path, job: Job, columns: int, rounds: int) -> list[Line]:
    """Run FedAvg under Flower's own commands, without and with its round of evaluation."""
    federation = Federation(folder)
    own = federation.settings.keys
    environment = flower_environment(folder)
    try:
        federation.start(
            "superlink",
            [
                *(program("flower-superlink"), "--port", str(federation.admin)),
                *("--ssl-certfile", str(own / "server.pem")),
                *("--ssl-keyfile", str(own / "server.key")),
                *("--ssl-ca-certfile", str(own / "ca.pem"), "--enable-supernode-auth"),
                *("--database", str(folder / "superlink.db")),
                "--disable-runtime-dependency-installation",
            ],
            environment,
        )
        _wait(lambda: _enrolled(federation.settings), START_S, "the SuperLink")
        for site, port in zip(SITES, _free_ports(len(SITES)), strict=True):
            federation.start(
                site,
                [
                    *(program("flower-supernode"), "--port", str(port)),
                    *("--superlink", federation.settings.admin),
                    *("--root-certificates", str(own / "ca.pem")),
                    *("--auth-supernode-private-key", str(own / "sites" / site / "node.key")),
                    *("--node-config", f'site="{folder / site}.yaml"'),
                ],
                environment,
            )
        federation.wait_for_sites()
        lines = []
        for way, share in (("stock, train", 0.0), ("stock, train and evaluate", 1.0)):
            result = folder / f"result-{share:g}.json"
            config: dict[str, str | int | float] = {
                "job": json.dumps(job.for_sites()),
                "columns": columns,
                "sites": len(SITES),
                "rounds": rounds,
                "fraction-evaluate": share,
                "result": str(result),
            }
            federation.finish(start_run(federation.settings, _stock_bundle(config), {}))
            lines.append(_stock_line(way, json.loads(result.read_text())))
        return lines
    finally:
        federation.stop()


def _stock_bundle(config: dict[str, str | int | float]) -> bytes:
    from flwr.cli.build import build_fab_from_files

    components = {"serverapp": "server_app:app", "clientapp": "client_app:app"}
    settings = {
        "project": {"name": "stock", "version": "1.0.0"},
        "tool": {
            "flwr": {"app": {"publisher": "edufed", "components": components, "config": config}}
        },
    }
    files = {name: (STOCK / name).read_bytes() for name in ("client_app.py", "server_app.py")}
    return build_fab_from_files({"pyproject.toml": tomli_w.dumps(settings).encode(), **files})[0]


def _stock_line(way: str, result: dict[str, Any]) -> Line:
    seconds = [after - before for before, after in pairwise(result["ends"])][1:]
    spent = {
        part: sum(
            statistics.median(metrics[part] for number, metrics in of.items() if number != "1")
            for of in result["spent"]
            if of
        )
        for part in ("process", "imports", "compute")
    }
    return _line(way, seconds, spent["process"], spent["imports"], spent["compute"])


def _line(way: str, rounds: list[float], process: float, imports: float, compute: float) -> Line:
    taken = statistics.median(rounds)
    return Line(
        way,
        round(taken, 2),
        waiting=round(taken - process - imports - compute, 2),
        process_start=round(process, 2),
        imports=round(imports, 2),
        compute=round(compute, 2),
        rounds=len(rounds),
    )


def _enrolled(settings: CoordinatorSettings) -> bool:
    try:
        with control(settings) as client:
            enrol_nodes(client, settings.keys)
    except CoordinatorError:
        return False
    return True


def _wait(ready: Callable[[], bool], timeout_s: float, what: str) -> None:
    end = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not come within {timeout_s:g} s")
        time.sleep(0.5)


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def _workplace(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def judge(lines: list[Line]) -> dict[str, dict[str, object]]:
    """Hold what was measured against the goal: against stock's round of training alone."""
    taken = {line.way: line.round for line in lines}
    ratio = round(taken["EduFed, train and evaluate"] / taken["stock, train"], 3)
    return {"round_ratio": {"value": ratio, "goal": f"<= {GOAL}", "holds": ratio <= GOAL}}


def main(
    rounds: Annotated[int, typer.Option(help="Rounds of each way; the first does not count.")] = 6,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep settings and logs in this folder.")
    ] = None,
) -> None:
    with _workplace(keep) as folder:
        job = compose_job(
            [
                *("data=province", f"data.regions={len(SITES)}", f"out={folder / 'out'}"),
                *(f"scenario.rounds={rounds}", f"scenario.patience={rounds}"),
                *("research=false", "privacy=none", "federation=deployment"),
                f"federation.settings={folder / 'edufed' / 'coordinator.yaml'}",
            ]
        )
        lines = [measure_edufed(folder / "edufed", job)]
        columns = _columns(folder / "edufed", job)
        lines += measure_stock(folder / "stock", job, columns, rounds)
    goals = judge(lines)
    show(lines, goals)
    if json_file is not None:
        report = {
            "command": f"python benchmarks/deployment.py --rounds {rounds}",
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
            f"{platform.python_version()}",
            "rows": [asdict(line) for line in lines],
            "goals": goals,
        }
        partial = json_file.with_suffix(".partial")
        partial.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, json_file)


def _columns(folder: Path, job: Job) -> int:
    """Inputs of the model: features and their ranks."""
    from clients.design import build_design
    from clients.design import statistics as sums
    from clients.site import open_site

    matrix = (
        open_site({"site": str(folder / f"{SITES[0]}.yaml")}, job)
        .learners(job.early_warning.cutoff_day)
        .matrix
    )
    cohorts = sorted(set(matrix.course_id.tolist()))
    return int(build_design(matrix, job, cohorts, sums(matrix, job, cohorts)).x.shape[1])


def show(lines: list[Line], goals: dict[str, dict[str, object]]) -> None:
    table = Table(title=f"seconds of a round, {len(SITES)} sites, one machine")
    for column in fields(Line):
        table.add_column(column.name, justify="left" if column.name == "way" else "right")
    for line in lines:
        table.add_row(*(str(value) for value in astuple(line)))
    console = Console()
    console.print(table)
    for name, goal in goals.items():
        verdict = "holds" if goal["holds"] else "MISSED"
        console.print(f"{name}: {goal['value']} (goal {goal['goal']}): {verdict}")


if __name__ == "__main__":
    typer.run(main)
