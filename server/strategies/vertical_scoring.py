"""Joint scoring with a vertical model, the coordinator's half. The sites': `clients/`.

Hello, the alignment of the label party's current learners, whose last step brings the feature
parties' masked scores, and one message that hands these to the label party, who writes the risks.
A feature party that fails is left out, and the others are aligned again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.answers import Scored, VerticalHello, fault
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.federation import Federation
from server.gathering import gather
from server.progress import Step
from server.strategies.vertical_session import Session, check_roles


@dataclass
class Scoring:
    """Everything that the report is made of."""

    hello: dict[str, dict[str, Any]]
    aligned: dict[str, dict[str, Any]]
    parties: list[str]
    scored: int
    phases: list[tuple[str, float]] = field(default_factory=list)


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Scoring:
    """Have the parties score the label party's current learners together.

    Parameters
    ----------
    federation : Federation
    expected : int
        How many nodes to wait for.
    roster : mapping of str to bytes
        The federation's sites.
    checkpoint : Checkpoint
        Not written: a job that was cut off starts again.

    Raises
    ------
    JobError
        The label party or all feature parties do not answer.
    """
    clock = Clock()
    checkpoint.forget()
    greeted = gather(federation, expected, clock, form=VerticalHello)
    hello = {site: reply.meta for site, reply in greeted.items()}
    check_roles(federation.job, hello, roster)
    session = Session(federation, hello)
    session.align()
    clock.lap("alignment")
    session.step += 1
    letters = session.mail.take(session.leader)
    replies, _ = federation.patiently(
        lambda: session.ask(
            "query.score",
            {session.leader},
            least=1,
            check=lambda reply: fault(Scored, reply.meta),
            letters_for=lambda _: letters,
        )
    )
    clock.lap("scoring")
    scored = int(replies[session.leader].meta["scored"])
    federation.progress(
        Step("scoring", f"{scored} learners scored; {session.leader} keeps the list")
    )
    return Scoring(hello, session.aligned, sorted(session.parties), scored, clock.phases)
