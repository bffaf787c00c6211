"""`edufed client site=FILE`: one site's SuperNode and worker, in the foreground."""

from __future__ import annotations

import os
import re
import secrets
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from clients.audit import FILE_NAME
from clients.claim import Claim, WorkerSettings
from edufed.certificates import make_loopback_certificate
from edufed.cli.arguments import keywords
from edufed.cli.processes import Child, Log, Supervisor
from edufed.cli.server import flower_environment
from edufed.deployment import SiteNode, load_site_node
from edufed.identity import NODE_KEY, SIGNING_KEY, load_signing_key, node_key_fingerprint
from edufed.private_files import IdentityError, private_folder, read_file, write_private

#: Seconds for the SuperNode to send on the error that answers for a worker, before it is stopped.
_LAST_ANSWER_S = 2.0
_NODE_ID = re.compile(r"SuperNode ID: (\d+)")


def command(arguments: Sequence[str]) -> None:
    """Run `edufed client site=FILE`."""
    serve(load_site_node(Path(keywords(arguments, ["site"])["site"])))


def serve(site: SiteNode) -> None:
    """Run a site until SIGTERM or SIGINT.

    Raises
    ------
    IdentityError
        A key is missing, can be read by others, or is not the one that the roster pins.
    """
    os.umask(0o077)
    _Site(site).run()


class _Site:
    """The two processes of a site and what they share.

    `run_folder` holds what is made anew at each start: certificate and secret between the two,
    the claim of the worker, and the node's id.
    """

    def __init__(self, site: SiteNode) -> None:
        self.site = site
        self.log = Log(site.node.log)
        _check_keys(site, self.log)
        self.run_folder = site.state / "run"
        for folder in (site.state, self.run_folder, site.state / "flower"):
            private_folder(folder)
        make_loopback_certificate(self.run_folder)
        write_private(self.run_folder / "superexec.secret", secrets.token_bytes(32))
        Claim.drop(self.run_folder)
        self.port = _free_port()
        self.supervisor = Supervisor(self.log)
        environment = flower_environment(site.state)
        self.supernode = Child(
            "supernode",
            self._supernode_command,
            environment,
            on_exit=self._supernode_ended,
            on_line=self._note_node_id,
        )
        self.worker = Child("worker", self._worker_command, environment, self._worker_ended)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def audit(self) -> Path:
        return self.site.state / FILE_NAME

    def run(self) -> None:
        with self.supervisor.until_signal():
            self.supervisor.start(self.supernode)
            self.supervisor.start(self.worker)
            self.supervisor.run(self._watch_deadline)
            self.supervisor.stop_child(self.worker)
            if self._answer("the site was stopped while it was answering"):
                time.sleep(_LAST_ANSWER_S)

    def _supernode_command(self) -> list[str]:
        site, keys = self.site, self.site.node.keys
        self._release()
        security = (
            ["--insecure"]
            if site.node.insecure
            else [
                *("--root-certificates", str(keys / "ca.pem")),
                *("--auth-supernode-private-key", str(keys / NODE_KEY)),
            ]
        )
        runtime = self.run_folder / "runtime.pem"
        return [
            *(sys.executable, "-P", "-m", "clients.supernode"),
            *("--superlink", site.node.superlink),
            *("--node-config", f'site="{site.file}"'),
            *("--isolation", "process"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--ssl-certfile", str(runtime), "--ssl-ca-certfile", str(runtime)),
            *("--ssl-keyfile", str(self.run_folder / "runtime.key")),
            *("--superexec-auth-secret-file", str(self.run_folder / "superexec.secret")),
            *security,
        ]

    def _worker_command(self) -> list[str]:
        settings = WorkerSettings(
            address=self.address,
            folder=str(self.run_folder),
            audit=str(self.audit),
            approved=list(self.site.node.approved_bundles),
            once=self.site.node.worker == "subprocess",
        )
        # -P: the working directory is no place to import from.
        return [sys.executable, "-P", "-m", "clients.worker", settings.argument()]

    def _worker_ended(self, status: int) -> None:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        self._answer(f"the site's worker ended ({how}) while it was answering")

    def _supernode_ended(self, _status: int) -> None:
        """End the worker too: what it was to answer died with the SuperNode."""
        self.supervisor.stop_child(self.worker)
        Claim.drop(self.run_folder)
        self.port = _free_port()

    def _watch_deadline(self) -> None:
        """End a worker that is still busy when the coordinator no longer waits."""
        claim = Claim.load(self.run_folder)
        if claim is None or claim.deadline is None or time.time() < claim.deadline:
            return
        self.log("edufed", "the answer is too late for the coordinator; ending the worker", "error")
        self.supervisor.stop_child(self.worker)
        self._answer("the site took longer than the coordinator waits")

    def _answer(self, reason: str) -> bool:
        from clients.worker import answer_for_dead

        return answer_for_dead(self.address, self.run_folder, self.audit, reason)

    def _note_node_id(self, line: str) -> None:
        if found := _NODE_ID.search(line):
            write_private(self.run_folder / "node_id", found.group(1).encode())

    def _release(self) -> None:
        """Have the SuperLink forget a SuperNode of this site that did not say goodbye."""
        from clients.worker import release_node

        note = self.run_folder / "node_id"
        if self.site.node.insecure or not note.exists():
            return
        keys = self.site.node.keys
        known = release_node(
            self.site.node.superlink,
            read_file(keys / "ca.pem"),
            keys / NODE_KEY,
            int(note.read_text()),
        )
        if known:
            note.unlink()


def _check_keys(site: SiteNode, log: Log) -> None:
    if site.node.insecure:
        log(
            "edufed",
            "insecure: neither TLS nor node authentication; anyone on the way can read and"
            " change what this site sends",
            "warning",
        )
        return
    read_file(site.node.keys / "ca.pem")
    found = node_key_fingerprint(site.node.keys / NODE_KEY)
    if site.node.roster is None:
        return
    pinned = next(entry for entry in site.node.roster.sites if entry.name == site.name)
    if pinned.node_key != found:
        raise IdentityError(
            f"{site.node.keys / NODE_KEY} is {found}, but the roster in {site.file.name} pins"
            f" {pinned.node_key} for {site.name}"
        )
    signing = load_signing_key(site.node.keys / SIGNING_KEY).public_key().public_bytes_raw()
    if signing != site.node.roster.signing_keys()[site.name]:
        raise IdentityError(
            f"{site.node.keys / SIGNING_KEY} is not the key that the roster in {site.file.name}"
            f" pins for {site.name}"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
