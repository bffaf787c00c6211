"""The worker against the pinned Flower's own Runtime API, served in this process."""

from __future__ import annotations

import io
import secrets
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata
from flwr.cli.build import build_fab_from_files
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode
from flwr.supercore.constant import TaskType
from flwr.supercore.fab import Fab
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.run import Run
from flwr.supernode.main import create_app
from flwr.supernode.nodestate import NodeState, NodeStateFactory
from flwr.supernode.start_client_internal import _insert_message

from clients.approval import bundle_refusal
from clients.audit import AuditLog
from clients.claim import Claim, WorkerSettings
from clients.worker import answer_for_dead, release_node, serve
from edufed.bundle import BundleError, Code, bundle_code, installed_code, pyproject
from edufed.certificates import make_loopback_certificate
from edufed.cli import keys
from edufed.cli.submit import build_bundle

NODE, RUN = 77, 42


@pytest.fixture(scope="module")
def bundle() -> bytes:
    return build_bundle()


@dataclass
class SuperNode:
    """A SuperNode without a SuperLink: its state, its Runtime API, and a worker's settings."""

    state: NodeState
    settings: WorkerSettings

    def send(self, kind: str, bundle: bytes, ttl: float = 60.0) -> str:
        """Have a message of the coordinator arrive; return its id."""
        fab = Fab("", bundle, {})
        run = Run.create_empty(RUN)
        run.fab_hash = self.state.store_fab(fab)
        self.state.store_run(run)
        context = Context(RUN, NODE, {"site": "north.yaml"}, RecordDict(), {"job": "{}"})
        self.state.set_run_series_context(run.series_id, context)
        metadata = Metadata(RUN, "", 1, NODE, "", "", time.time(), ttl, kind)
        message = make_message(metadata, RecordDict({"config": ConfigRecord({"a": 1})}))
        _insert_message(message, self.state, self.state.object_store)
        assert self.state.create_task(TaskType.CLIENT_APP, RUN, fab_hash=run.fab_hash)
        return message.metadata.message_id

    def reply(self) -> Message:
        (message,) = self.state.get_messages_legacy(is_reply=True)
        return message


@pytest.fixture
def supernode(tmp_path: Path) -> Iterator[SuperNode]:
    secret = secrets.token_bytes(32)
    (tmp_path / "superexec.secret").touch(mode=0o600)
    (tmp_path / "superexec.secret").write_bytes(secret)
    make_loopback_certificate(tmp_path)
    states = NodeStateFactory(objectstore_factory=ObjectStoreFactory())
    states.state().set_node_id(NODE)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(states, secret),
            ssl_keyfile=tmp_path / "runtime.key",
            ssl_certfile=tmp_path / "runtime.pem",
            log_level="warning",
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    audit = str(tmp_path / "audit.jsonl")
    yield SuperNode(states.state(), WorkerSettings(address, str(tmp_path), audit, [], once=True))
    server.should_exit = True
    thread.join()


def app() -> ClientApp:
    made = ClientApp()

    @made.query("hello")
    def hello(message: Message, context: Context) -> Message:
        seen = ConfigRecord(
            {"a": message.content["config"]["a"], "site": context.node_config["site"]}
        )
        context.state["seen"] = ConfigRecord({"times": 1})
        return Message(RecordDict({"config": seen}), reply_to=message)

    @made.query("broken")
    def broken(message: Message, context: Context) -> Message:
        raise KeyError("learner 4711")

    return made


def test_a_message_is_answered_and_the_context_kept(supernode: SuperNode, bundle: bytes) -> None:
    asked = supernode.send("query.hello", bundle)
    serve(supernode.settings, app())
    reply = supernode.reply()
    assert reply.metadata.reply_to_message_id == asked
    assert reply.metadata.message_type == "query.hello"
    # Flower sends the envelope and the content on separately.
    content = supernode.state.object_store.get_object_tree(reply.metadata.message_id)
    assert content.children
    run = supernode.state.get_run(RUN)
    assert run is not None
    context = supernode.state.get_run_series_context(run.series_id)
    assert context is not None
    assert context.state["seen"]["times"] == 1
    assert Claim.load(Path(supernode.settings.folder)) is None


def test_what_the_app_raises_does_not_travel(supernode: SuperNode, bundle: bytes) -> None:
    supernode.send("query.broken", bundle)
    serve(supernode.settings, app())
    error = supernode.reply().error
    assert error.code == ErrorCode.CLIENT_APP_RAISED_EXCEPTION
    assert error.reason == "unexpected KeyError; the site's own log says more"


def test_a_bundle_that_is_not_approved_is_refused_and_noted(supernode: SuperNode) -> None:
    other = pyproject(Code(installed_code().version, f"sha256:{'0' * 64}"))
    supernode.send("query.hello", made_bundle(other, {}))
    serve(supernode.settings, app())
    error = supernode.reply().error
    assert error.code == ErrorCode.INVALID_FAB
    assert f"sha256:{'0' * 64} (EduFed {installed_code().version}) is not approved" in error.reason
    (entry,) = AuditLog(Path(supernode.settings.audit)).verify()
    assert (entry.event, entry.details["run"]) == ("bundle refused", str(RUN))


def test_a_message_that_is_still_being_fetched_is_waited_for(
    supernode: SuperNode, bundle: bytes
) -> None:
    fab_hash = supernode.state.store_fab(Fab("", bundle, {}))
    run = Run.create_empty(RUN)
    run.fab_hash = fab_hash
    supernode.state.store_run(run)
    supernode.state.set_run_series_context(
        run.series_id, Context(RUN, NODE, {"site": "s"}, RecordDict(), {})
    )
    assert supernode.state.create_task(TaskType.CLIENT_APP, RUN, fab_hash=fab_hash)
    thread = threading.Thread(target=serve, args=(supernode.settings, app()))
    thread.start()
    time.sleep(0.8)
    assert thread.is_alive()
    metadata = Metadata(RUN, "", 1, NODE, "", "", time.time(), 60.0, "query.hello")
    message = make_message(metadata, RecordDict({"config": ConfigRecord({"a": 1})}))
    _insert_message(message, supernode.state, supernode.state.object_store)
    thread.join(timeout=120)
    assert not supernode.reply().has_error()


def test_a_dead_worker_is_answered_for(supernode: SuperNode, bundle: bytes) -> None:
    folder, audit = Path(supernode.settings.folder), Path(supernode.settings.audit)
    died, buried = threading.Event(), threading.Event()

    def die(message: Message, context: Context) -> Message:
        died.set()
        buried.wait()  # as good as dead until then
        raise AssertionError

    made = ClientApp()
    made.query("hello")(die)
    sent = time.time()
    asked = supernode.send("query.hello", bundle, ttl=60.0)
    thread = threading.Thread(target=serve, args=(supernode.settings, made))
    thread.start()
    assert died.wait(120)
    claim = Claim.load(folder)
    assert claim is not None
    assert claim.deadline is not None
    assert sent + 60 <= claim.deadline <= time.time() + 60
    assert (folder / "claim.json").stat().st_mode & 0o777 == 0o600
    assert answer_for_dead(supernode.settings.address, folder, audit, "the worker ended")
    reply = supernode.reply()
    assert reply.metadata.reply_to_message_id == asked
    assert (reply.error.code, reply.error.reason) == (
        ErrorCode.CLIENT_APP_CRASHED,
        "the worker ended",
    )
    assert not answer_for_dead(supernode.settings.address, folder, audit, "again")
    (entry,) = AuditLog(audit).verify()
    assert (entry.event, entry.details["message"]) == ("failed", "query.hello")
    assert entry.details["reason"] == "the worker ended"
    buried.set()  # what it says now is too late, and its task is no longer its own
    thread.join(timeout=120)
    assert supernode.state.get_messages_legacy(is_reply=True) == []


def test_a_worker_that_died_before_it_had_the_message_is_answered_for(
    supernode: SuperNode, bundle: bytes
) -> None:
    from flwr.proto.runtime_pb2 import AcquireTaskRequest

    from clients import worker

    folder, audit = Path(supernode.settings.folder), Path(supernode.settings.audit)
    asked = supernode.send("query.hello", bundle)
    with worker._runtime(supernode.settings.address, folder) as (client, _):
        request = AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP])
        Claim(client.AcquireTask(request).token).save(folder)
    audit.write_text("{}\n")  # a log that takes nothing more is no reason for silence
    assert answer_for_dead(supernode.settings.address, folder, audit, "the worker ended")
    assert supernode.reply().metadata.reply_to_message_id == asked


def test_a_coordinator_that_is_away_cannot_be_told(tmp_path: Path) -> None:
    keys.init(tmp_path, "province", ["127.0.0.1"], ["north"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    own = tmp_path / "sites" / "north" / "node.key"
    assert not release_node(address, (tmp_path / "ca.pem").read_bytes(), own, 1)


def test_without_the_secret_there_is_no_task(supernode: SuperNode, bundle: bytes) -> None:
    supernode.send("query.hello", bundle)
    (Path(supernode.settings.folder) / "superexec.secret").write_bytes(b"another")
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        serve(supernode.settings, app())


def made_bundle(settings: dict[str, object], files: dict[str, bytes]) -> bytes:
    import tomli_w

    return build_fab_from_files({"pyproject.toml": tomli_w.dumps(settings).encode(), **files})[0]


def test_the_bundle_we_submit_stands_for_the_installed_code(bundle: bytes) -> None:
    assert bundle_code(bundle) == installed_code()
    assert bundle_refusal(bundle, []) is None
    assert len(bundle) < 10_000


def test_a_bundle_with_files_is_judged_by_them_whatever_it_claims() -> None:
    settings = pyproject(installed_code())
    with_code = made_bundle(settings, {"clients/app.py": b"print('mine')\n"})
    found = bundle_code(with_code)
    assert found.hash != installed_code().hash
    assert "is not approved" in str(bundle_refusal(with_code, []))
    assert bundle_refusal(with_code, [found.hash]) is None
    same = made_bundle(settings, {"clients/app.py": b"print('mine')\n", "README.md": b"words"})
    assert bundle_code(same) == found
    moved = made_bundle(settings, {"clients/apt.py": b"print('mine')\n"})
    assert bundle_code(moved).hash != found.hash


def test_another_version_is_refused() -> None:
    other = pyproject(Code("9.9.9", installed_code().hash))
    assert "EduFed 9.9.9" in str(bundle_refusal(made_bundle(other, {}), []))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_a_bundle_that_cannot_be_read_is_refused(content: bytes) -> None:
    assert "cannot be read" in str(bundle_refusal(content, []))


def test_a_bundle_that_names_nothing_or_a_file_twice_is_refused() -> None:
    def zipped(*files: tuple[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in files:
                archive.writestr(name, content)
        return buffer.getvalue()

    with pytest.raises(BundleError, match="cannot be read"):
        bundle_code(zipped(("pyproject.toml", b"[project]\nname='x'\nversion='1'\n")))
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped(("clients/app.py", b"1"), ("clients/app.py", b"2"))
    with pytest.raises(BundleError, match="two files of one name"):
        bundle_code(twice)
    with pytest.raises(BundleError, match="64 MiB"):
        bundle_code(zipped(("a.py", b"\0" * (65 * 2**20))))
