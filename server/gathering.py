"""How every job begins: its sites connect, read their records, and say who they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from server.answers import Hello
from server.clock import Clock
from server.exchange import Reply
from server.federation import Federation
from server.progress import Step


def gather(
    federation: Federation,
    expected: int,
    clock: Clock,
    *,
    resumed: bool = False,
    meta: Mapping[str, Any] | None = None,
    form: type[BaseModel] = Hello,
    kind: str = "query.hello",
) -> dict[str, Reply]:
    """Wait for the sites and greet them; return what each said.

    Parameters
    ----------
    federation : Federation
    expected : int
        How many nodes to wait for.
    clock : Clock
        Notes the phases ``waiting`` and ``features``.
    resumed, meta, form, kind
        As `Federation.greet`.

    Raises
    ------
    JobError
        Too few sites connect, or give a usable answer.
    """
    connected = federation.connect(expected)
    clock.lap("waiting")
    federation.progress(Step("features", f"{connected} sites read their records"))
    greeted = federation.patiently(lambda: federation.greet(resumed, meta, form, kind))
    clock.lap("features")
    return greeted
