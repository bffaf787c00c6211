"""`edufed server`: the coordinator's SuperLink and SuperExec, in the foreground."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edufed.certificates import server_certificate_end
from edufed.cli.arguments import keywords
from edufed.cli.control import CoordinatorError, control, enrol_nodes, is_up
from edufed.cli.processes import Child, Log, Supervisor
from edufed.deployment import CoordinatorSettings, load_coordinator
from edufed.identity import load_roster
from edufed.private_files import private_folder, read_private, write_private

#: Seconds for the SuperLink to answer after its start.
START_S = 60.0
#: Seconds between two looks of the SuperExec for new runs.
_RUN_POLL_S = 1.0


def command(arguments: Sequence[str]) -> None:
    """Run `edufed server [settings=FILE] [KEY=VALUE ...]`."""
    serve(coordinator_settings(arguments))


def coordinator_settings(arguments: Sequence[str]) -> CoordinatorSettings:
    """Read what `edufed server`, `status` and `stop` take: a file, and single settings.

    Raises
    ------
    SettingsError
        A setting is unknown, missing or of a wrong type.
    """
    given = keywords(arguments, [], ["settings", *CoordinatorSettings.model_fields])
    file = given.pop("settings", None)
    return load_coordinator(Path(file) if file else None, given)


def serve(settings: CoordinatorSettings) -> None:
    """Run the coordinator until SIGTERM or SIGINT.

    SIGHUP has the roster read again, so that sites enrolled meanwhile may connect. Jobs run in
    processes of their own with ``EDUFED_JOBS`` in their environment, the folder in which each
    job keeps what it writes in a folder named by its id, and ``EDUFED_ROSTER``, the roster's file.

    Raises
    ------
    IdentityError
        A key is missing or can be read by others.
    CoordinatorError
        The SuperLink does not start.
    """
    os.umask(0o077)
    log = Log(settings.log)
    _check_keys(settings, log)
    run_folder = settings.state / "run"
    for folder in (settings.state, run_folder, settings.jobs, settings.state / "flower"):
        private_folder(folder)
    write_private(run_folder / "superexec.secret", secrets.token_bytes(32))
    supervisor = Supervisor(log)
    environment = flower_environment(settings.state) | {
        "EDUFED_JOBS": str(settings.jobs),
        "EDUFED_ROSTER": str(settings.keys / "roster.yaml"),
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": str(_RUN_POLL_S),
    }
    superlink = Child("superlink", lambda: _superlink(settings), environment)
    superexec = Child("superexec", lambda: _superexec(settings), environment)
    reload = threading.Event()
    signal.signal(signal.SIGHUP, lambda _number, _frame: reload.set())
    with supervisor.until_signal():
        supervisor.start(superlink)
        if not supervisor.wait_for(lambda: is_up(settings), superlink, START_S):
            if supervisor.stopping.is_set():
                return
            raise CoordinatorError(
                f"the SuperLink did not start on {settings.listen} and {settings.admin};"
                " its own lines above say why"
            )
        _enrol(settings, log)
        supervisor.start(superexec)
        log("edufed", f"ready: sites connect to {settings.listen}")

        def read_roster_again() -> None:
            if reload.is_set():
                reload.clear()
                _enrol(settings, log)

        supervisor.run(read_roster_again)


def flower_environment(state: Path) -> dict[str, str]:
    """Environment of every Flower process: its files in our state folder, and no calls home."""
    return {
        # Flower starts its own commands by name.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "FLWR_HOME": str(state / "flower"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def program(name: str) -> str:
    """Path of one of Flower's commands, installed beside this Python."""
    return str(Path(sys.executable).parent / name)


def _superlink(settings: CoordinatorSettings) -> list[str]:
    keys = settings.keys
    host, port = settings.admin.split(":")
    security = (
        ["--insecure"]
        if settings.insecure
        else [
            *("--ssl-certfile", str(keys / "server.pem")),
            *("--ssl-keyfile", str(keys / "server.key")),
            *("--ssl-ca-certfile", str(keys / "ca.pem")),
            "--enable-supernode-auth",
        ]
    )
    return [
        *(sys.executable, "-P", "-m", "edufed.gate"),
        *(settings.listen, str(keys / "operator.token")),
        *("--host", host, "--port", port),
        *("--database", str(settings.state / "superlink.db")),
        *("--isolation", "process"),
        *("--superexec-auth-secret-file", str(settings.state / "run" / "superexec.secret")),
        "--disable-runtime-dependency-installation",
        *security,
    ]


def _superexec(settings: CoordinatorSettings) -> list[str]:
    security = (
        ["--insecure"]
        if settings.insecure
        else ["--root-certificates", str(settings.keys / "ca.pem")]
    )
    return [
        program("flower-superexec"),
        *("--runtime-api-address", settings.admin),
        *("--superexec-auth-secret-file", str(settings.state / "run" / "superexec.secret")),
        *("--parent-pid", str(os.getpid())),
        *security,
    ]


def _check_keys(settings: CoordinatorSettings, log: Log) -> None:
    read_private(settings.keys / "operator.token")
    if settings.insecure:
        log(
            "edufed",
            "insecure: neither TLS nor node authentication; anyone who reaches"
            f" {settings.listen} can take part, and anyone on the way can read and change messages",
            "warning",
        )
        return
    read_private(settings.keys / "server.key")
    load_roster(settings.keys / "roster.yaml")
    left = server_certificate_end(settings.keys) - datetime.now(UTC)
    if left < timedelta(days=30):
        text = f"the server certificate ends in {left.days} days; edufed keys renew makes a new one"
        log("edufed", text, "warning")


def _enrol(settings: CoordinatorSettings, log: Log) -> None:
    if settings.insecure:
        return
    with control(settings) as client:
        added, removed = enrol_nodes(client, settings.keys)
    for site in added:
        log("edufed", f"site {site} may connect")
    for site in removed:
        log("edufed", f"site {site} may no longer connect")
