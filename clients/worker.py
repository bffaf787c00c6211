"""The site worker: answers the coordinator's messages with the EduFed that is installed here.

`edufed client` starts Flower's SuperNode with ``--isolation process`` and this beside it. Where
Flower would start a Python process for every message and run the code that came in the bundle,
the worker takes the message from the SuperNode's Runtime API and calls `clients.app`, imported
once, with torch and the adapters already loaded. Nothing out of a bundle is ever run; a bundle
that does not stand for the installed code, and that the site's YAML does not approve, is
answered with an error. With ``worker: subprocess`` the same is done by a fresh process each time.

The worker notes which message it is answering (`Claim`). Should it die or take longer than the
coordinator waits, `edufed client` answers that message with an error (`answer_for_dead`) and
starts another worker.

All that EduFed's sites use of Flower 1.41 beyond its public interface stands in this file.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import pkgutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode, SubStatus
from flwr.common.serde import (
    context_from_proto,
    context_to_proto,
    message_from_proto,
    message_to_proto,
)
from flwr.proto.fleet_pb2 import DeactivateNodeRequest
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullAppMessagesRequest,
    PullTaskInputRequest,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.supercore.constant import TASK_TOKEN_HEADER, TaskType
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.protobuf.client import (
    ProtobufCall,
    ProtobufClientInterceptor,
    ProtobufRequestContext,
)
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.runtime.run_clientapp import push_message

from clients.approval import bundle_refusal
from clients.audit import AuditError, AuditLog
from clients.claim import Claim, WorkerSettings
from edufed.bundle import installed_code
from edufed.private_files import read_private

log = logging.getLogger("edufed.worker")

#: Seconds between two looks for a task: soon after the last one, and when nothing is going on.
_BUSY_POLL_S, _IDLE_POLL_S = 0.2, 0.5
_BUSY_FOR_S = 30.0
#: Seconds to look for a message whose task was announced but which the SuperNode still fetches.
_FETCH_S = 600.0
#: The SuperNode gives a task up 60 s after its last sign of life.
_HEARTBEAT_S = 15.0
_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"


class _TaskToken:
    """Shows the token of the task at hand with every request but the one that asks for a task."""

    def __init__(self) -> None:
        self.value: str | None = None

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        if self.value is not None and context.rpc_method != _ACQUIRE:
            context.request.headers[TASK_TOKEN_HEADER] = self.value
        return call_next(context)


@contextlib.contextmanager
def _runtime(address: str, folder: Path) -> Iterator[tuple[RuntimeHttpClient, _TaskToken]]:
    token = _TaskToken()
    client = RuntimeHttpClient.from_server_address(
        address,
        insecure=False,
        root_certificates=read_private(folder / "runtime.pem"),
        interceptors=[
            RuntimeVersionHttpInterceptor(component_name="flwr-clientapp"),
            SuperExecAuthHttpInterceptor(
                master_secret=read_private(folder / "superexec.secret"),
                protected_methods={_ACQUIRE},
            ),
            token,
        ],
    )
    try:
        yield client, token
    finally:
        client.close()


def serve(settings: WorkerSettings, app: ClientApp) -> None:
    """Answer messages with `app`: one after the other, or one in all if so set."""
    folder = Path(settings.folder)
    with _runtime(settings.address, folder) as (client, token):
        last, away = time.monotonic(), False
        while True:
            try:
                answer = client.AcquireTask(
                    AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP])
                )
                if away:
                    log.info("the SuperNode is back")
                    away = False
            except httpx.TransportError:
                if not away:
                    log.warning("the SuperNode does not answer; waiting for it")
                    away = True
                time.sleep(_IDLE_POLL_S)
                continue
            if not answer.token:
                busy = time.monotonic() - last < _BUSY_FOR_S
                time.sleep(_BUSY_POLL_S if busy else _IDLE_POLL_S)
                continue
            token.value = answer.token
            try:
                _answer_task(client, answer.token, settings, app)
            except httpx.HTTPError as error:
                log.error("a message was lost: %s", type(error).__name__)
            finally:
                Claim.drop(folder)
                token.value = None
            if settings.once:
                return
            last = time.monotonic()


def _answer_task(
    client: RuntimeHttpClient, token: str, settings: WorkerSettings, app: ClientApp
) -> None:
    folder = Path(settings.folder)
    started = time.monotonic()
    Claim(token).save(folder)
    task = client.PullTaskInput(PullTaskInputRequest())
    context = context_from_proto(task.context)
    TaskIdentity.task_id = task.task_id
    TaskIdentity.run_id = task.run.run_id
    TaskIdentity.node_id = context.node_id

    def claim(envelope: Message) -> None:
        deadline = time.time() + envelope.metadata.ttl
        Claim(token, message_to_proto(envelope).SerializeToString(), deadline).save(folder)

    with _heartbeat(client):
        message = _pull_message(client, context, claim)
        refusal = bundle_refusal(task.fab.content, settings.approved)
        if refusal is not None:
            log.error("run %d refused: %s", context.run_id, refusal)
            AuditLog(Path(settings.audit)).append(
                "bundle refused", {"run": str(context.run_id), "reason": refusal}
            )
            reply = Message(Error(ErrorCode.INVALID_FAB, refusal), reply_to=message)
        else:
            reply = _call(app, message, context)
        push_message(client, reply, context)
        Claim.drop(folder)
        if reply.has_error():
            why = reply.error.reason or ""
            output = PushTaskOutputRequest(sub_status=SubStatus.FAILED, details=why)
        else:
            output = PushTaskOutputRequest(
                context=context_to_proto(context), sub_status=SubStatus.COMPLETED
            )
        client.PushTaskOutput(output)
    took = time.monotonic() - started
    log.info("answered %s of run %d in %.2f s", message.metadata.message_type, context.run_id, took)


def _call(app: ClientApp, message: Message, context: Context) -> Message:
    """Call the app; what it raises is logged here, and only its type travels."""
    try:
        return app(message=message, context=context)
    except Exception as error:
        log.exception("the ClientApp raised")
        reason = f"unexpected {type(error).__name__}; the site's own log says more"
        return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason), reply_to=message)


def _pull_message(
    client: RuntimeHttpClient, context: Context, claim: Callable[[Message], None]
) -> Message:
    # The SuperNode announces a task before it has fetched the message and its objects.
    end = time.monotonic() + _FETCH_S
    while not (found := client.PullMessages(PullAppMessagesRequest())).messages_list:
        if time.monotonic() > end:
            raise httpx.ReadTimeout("the SuperNode announced a message and did not fetch it")
        time.sleep(_BUSY_POLL_S)
    claim(message_from_proto(found.messages_list[0]))
    node, tree = Node(node_id=context.node_id), found.message_object_trees[0]
    message = pull_and_inflate_object_from_tree(
        tree,
        make_pull_object_fn_protobuf(client.PullObject, node, context.run_id),
        make_confirm_message_received_fn_protobuf(
            client.ConfirmMessageReceived, node, context.run_id
        ),
        return_type=Message,
        max_time=_FETCH_S,
        initial_backoff=_BUSY_POLL_S,
    )
    message.metadata.__dict__["_message_id"] = tree.object_id  # not part of its content
    return message


@contextlib.contextmanager
def _heartbeat(client: RuntimeHttpClient) -> Iterator[None]:
    done = threading.Event()

    def beat() -> None:
        while not done.wait(_HEARTBEAT_S):
            with contextlib.suppress(httpx.HTTPError):
                client.SendTaskHeartbeat(SendTaskHeartbeatRequest())

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def answer_for_dead(address: str, folder: Path, audit: Path, reason: str) -> bool:
    """Answer, in place of a worker that is no more, the message that it had claimed.

    Parameters
    ----------
    address : str
        The SuperNode's Runtime API.
    folder : Path
        The site's run folder, with the claim.
    audit : Path
        The site's audit log: it holds the answer before that leaves.
    reason : str
        One line.

    Returns
    -------
    bool
        Whether there was one to answer.
    """
    claim = Claim.load(folder)
    if claim is None:
        return False
    Claim.drop(folder)
    with contextlib.suppress(httpx.HTTPError), _runtime(address, folder) as (client, token):
        token.value = claim.token
        if claim.message is None:
            context = context_from_proto(client.PullTaskInput(PullTaskInputRequest()).context)
            message = _pull_message(client, context, lambda _: None)
        else:
            message = message_from_proto(ProtoMessage.FromString(claim.message))
        _note_dead(audit, message, reason)
        node = message.metadata.dst_node_id
        context = Context(message.metadata.run_id, node, {}, state=RecordDict(), run_config={})
        reply = Message(Error(ErrorCode.CLIENT_APP_CRASHED, reason), reply_to=message)
        push_message(client, reply, context)
        client.PushTaskOutput(PushTaskOutputRequest(sub_status=SubStatus.FAILED, details=reason))
    return True


def _note_dead(audit: Path, message: Message, reason: str) -> None:
    """Add an answer to the audit log; a log that takes nothing must not leave a site hanging."""
    about = {
        "message": message.metadata.message_type,
        "run": str(message.metadata.run_id),
        "reason": reason,
    }
    try:
        AuditLog(audit).append("failed", about)
    except (AuditError, OSError) as error:
        log.error("%s", error)


def release_node(superlink: str, root_certificate: bytes, node_key: Path, node_id: int) -> bool:
    """Tell the SuperLink that this node is offline, so that it may connect again at once.

    A SuperNode that was killed counts as online for another minute, and as long its key is
    not let in again.

    Returns
    -------
    bool
        Whether the SuperLink was there to be told.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key
    from flwr.supernode.fleet_http_client import FleetHttpClient
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    key = load_ssh_private_key(read_private(node_key), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    interceptors: list[ProtobufClientInterceptor] = [
        RuntimeVersionHttpInterceptor(component_name="SuperNode"),
        NodeAuthHttpInterceptor(key, key.public_key()),
    ]
    try:
        with FleetHttpClient.from_server_address(
            superlink, False, root_certificate, interceptors
        ) as client:
            client.DeactivateNode(DeactivateNodeRequest(node_id=node_id))
    except httpx.TransportError:
        return False
    except httpx.HTTPStatusError:
        pass  # it knows no such node
    return True


def load_app() -> ClientApp:
    """Import the installed ClientApp and everything it may need for an answer."""
    import clients
    from clients.app import app

    for module in pkgutil.iter_modules(clients.__path__):
        importlib.import_module(f"clients.{module.name}")
    return app


def main() -> None:
    """Run a worker; the one argument is `WorkerSettings.argument`."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = WorkerSettings(**json.loads(sys.argv[1]))
    started = time.monotonic()
    app = load_app()
    code = installed_code()
    took = time.monotonic() - started
    log.info("ready after %.1f s with EduFed %s (%s)", took, code.version, code.hash)
    serve(settings, app)


if __name__ == "__main__":
    main()
