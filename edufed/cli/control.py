"""The coordinator's Control API, as the operator on the coordinator's machine uses it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization

from edufed.deployment import CoordinatorSettings
from edufed.identity import load_roster
from edufed.private_files import read_file, read_private

if TYPE_CHECKING:
    import httpx
    from flwr.supercore.control import ControlHttpClient
    from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext

#: As in `edufed.gate`, which imports Flower's whole SuperLink.
OPERATOR_HEADER = "edufed-operator"


class CoordinatorError(Exception):
    """The coordinator does not answer, or refuses; one line says what to do."""


@dataclass(frozen=True)
class SiteState:
    """One enrolled site: ``online``, ``offline`` or ``registered`` (never seen yet)."""

    name: str
    node_id: int
    status: str


@dataclass(frozen=True)
class RunState:
    """One Flower run: ``pending``, ``starting``, ``running`` or ``finished``.

    `outcome` is ``completed``, ``failed`` or ``stopped`` once finished, and `details` says why.
    """

    run_id: int
    status: str
    outcome: str
    details: str


class _OperatorToken:
    def __init__(self, token: str) -> None:
        self._token = token

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        context.request.headers[OPERATOR_HEADER] = self._token
        return call_next(context)


@contextlib.contextmanager
def control(settings: CoordinatorSettings) -> Iterator[ControlHttpClient]:
    """Open the Control API of the coordinator on this machine.

    Raises
    ------
    CoordinatorError
        It does not answer, or refused what was asked within.
    """
    import httpx
    from flwr.supercore.control import ControlHttpClient
    from flwr.supercore.error import FlowerError
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

    token = read_private(settings.keys / "operator.token").decode().strip()
    client = ControlHttpClient.from_server_address(
        settings.admin,
        insecure=settings.insecure,
        root_certificates=None if settings.insecure else read_file(settings.keys / "ca.pem"),
        interceptors=[RuntimeVersionHttpInterceptor("edufed"), _OperatorToken(token)],
    )
    try:
        yield client
    except httpx.TransportError as error:
        raise CoordinatorError(
            f"the coordinator on {settings.admin} does not answer ({type(error).__name__});"
            " is edufed server running with the same settings?"
        ) from None
    except httpx.HTTPStatusError as error:
        said = FlowerError.from_json(error.response.text)
        reason = said.public_details or said.message if said else f"{error.response.status_code}"
        raise CoordinatorError(f"the coordinator refused: {reason}") from None
    finally:
        client.close()


def is_up(settings: CoordinatorSettings) -> bool:
    """Whether the SuperLink answers the operator."""
    try:
        with control(settings) as client:
            sites(client)
    except CoordinatorError:
        return False
    return True


def sites(client: ControlHttpClient) -> list[SiteState]:
    """Enrolled sites by name."""
    from flwr.proto.control_pb2 import ListNodesRequest

    known = client.ListNodes(ListNodesRequest()).nodes_info
    return sorted(
        (
            SiteState(node.name, node.node_id, node.status)
            for node in known
            if node.status != "unregistered"
        ),
        key=lambda site: site.name,
    )


def enrol_nodes(client: ControlHttpClient, keys: Path) -> tuple[list[str], list[str]]:
    """Make the SuperLink's nodes those of the roster.

    Parameters
    ----------
    client : ControlHttpClient
    keys : Path
        The coordinator's key folder.

    Returns
    -------
    added, removed : list of str
        Names of sites.
    """
    from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest, UnregisterNodeRequest

    wanted = {
        _spki(keys / "nodes" / f"{entry.name}.pub"): entry.name
        for entry in load_roster(keys / "roster.yaml").sites
    }
    known = {
        (bytes(node.public_key), node.name): node.node_id
        for node in client.ListNodes(ListNodesRequest()).nodes_info
        if node.status != "unregistered"
    }
    removed, added = [], []
    for (public_key, name), node_id in known.items():
        if wanted.get(public_key) != name:
            client.UnregisterNode(UnregisterNodeRequest(node_id=node_id))
            removed.append(name)
    for public_key, name in wanted.items():
        if (public_key, name) not in known:
            client.RegisterNode(RegisterNodeRequest(public_key=public_key, name=name))
            added.append(name)
    return sorted(added), sorted(removed)


def runs(client: ControlHttpClient, run_id: int | None = None) -> list[RunState]:
    """Runs that the SuperLink knows, the newest first; or one of them."""
    from flwr.proto.control_pb2 import ListRunsRequest

    answer = client.ListRuns(ListRunsRequest(run_id=run_id))
    return [
        RunState(run.run_id, run.status.status, run.status.sub_status, run.status.details)
        for run in sorted(answer.run_dict.values(), key=lambda run: run.pending_at, reverse=True)
    ]


def _spki(file: Path) -> bytes:
    """Return an OpenSSH public key as Flower stores it: PEM, SubjectPublicKeyInfo."""
    return serialization.load_ssh_public_key(read_file(file)).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
