"""The parties of a vertical job and their letters, which the coordinator hands on.

In four messages all sites align their learners; what follows is training (`vertical.py`) or joint
scoring (`vertical_scoring.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from edufed.arrays import Arrays
from edufed.config import Job
from edufed.config.strategy import ExactSettings
from edufed.privacy.products import Dealer, Shape
from server.answers import Aligned, fault
from server.exchange import Exchange, Reply
from server.federation import Federation, JobError
from server.mail import Mail, fault_of
from server.progress import Step
from server.rounds import Round
from server.summation import Check

#: Messages in which sites align their learners: `clients.parties.ALIGN_STEPS`.
ALIGN_STEPS = 4


def check_roles(
    job: Job, hello: Mapping[str, Mapping[str, Any]], roster: Mapping[str, bytes]
) -> None:
    """See that the label party is there, and that each site takes the role it is given.

    Raises
    ------
    JobError
        It is not so.
    """
    leader = job.label_party
    if leader not in roster:
        raise JobError(f"data.label_party: the federation has no site {leader}")
    if leader not in hello:
        raise JobError(
            f"{leader}, the label party, does not take part; start it, or set data.label_party"
        )
    wrong = [site for site, said in hello.items() if (said["role"] == "label") != (site == leader)]
    if wrong:
        raise JobError(f"site {wrong[0]} takes another role than data.label_party gives it")


class Session:
    """The parties' letters, and the alignment of their learners.

    Parameters
    ----------
    federation : Federation
    hello : dict of str to dict
        What each site said at first.
    """

    def __init__(self, federation: Federation, hello: dict[str, dict[str, Any]]) -> None:
        self.federation, self.job = federation, federation.job
        self.hello = hello
        assert self.job.label_party is not None
        self.leader = self.job.label_party
        self.parties = {site: int(said["features"]) for site, said in hello.items()}
        self.attempt = self.step = self.number = 0
        self.mail = Mail(self.parties)
        self.aligned: dict[str, dict[str, Any]] = {}
        self.alignment = Round(0)

    def align(self) -> None:
        """Have the sites find the learners they share; sites that fail are left out of the job."""
        while True:
            self.attempt += 1
            self.mail = Mail(self.parties)
            text = f"{len(self.parties)} sites look for the learners they share"
            self.federation.progress(Step("alignment", text, 0, ALIGN_STEPS))
            lost = self._try_to_align()
            if not lost:
                break
            if self.leader in lost:
                raise JobError(f"{self.leader}, the label party, left during the alignment")
            for site in lost:
                del self.parties[site]
            if len(self.parties) < self.federation.least:
                raise JobError(
                    f"{len(self.parties)} sites are left and scenario.min_sites is"
                    f" {self.federation.least}"
                )

    def _try_to_align(self) -> set[str]:
        """Take the alignment's steps; return who failed in one."""
        waiting = set(self.parties)
        dealt: dict[str, bytes] = {}
        for step in range(1, ALIGN_STEPS + 1):
            self.step = step
            got, outcome = self.ask(
                "query.align", waiting, least=0, check=lambda reply: fault(Aligned, reply.meta)
            )
            self.alignment.add(outcome)
            for site, reply in got.items():
                if reply.meta.keys() & {"rows", "present"}:
                    self.aligned[site] = reply.meta
                self.mail.put(site, reply.arrays)
            if waiting - set(got):
                return waiting - set(got)
            if self.leader in got:
                dealt |= self._deal(got[self.leader].meta)
            # What is written in the last step is for the first round.
            waiting = set(self.mail.recipients)
            self.federation.progress(
                Step("alignment", f"step {step} of {ALIGN_STEPS}", step, ALIGN_STEPS)
            )
        if dealt:
            self.mail.deal(self.leader, dealt)
        return set()

    def _deal(self, said: Mapping[str, Any]) -> dict[str, bytes]:
        """Write feature parties their numbers, and return the label party's, where both want any.

        With a party's half and what that party gets, the other's features or labels can be read:
        the coordinator must join forces with none, and keeps no half once it is sent.
        """
        rows = said.get("training_rows")
        if not (isinstance(self.job.strategy, ExactSettings) and rows):
            return {}
        halves = {}
        for name, columns in self.parties.items():
            if name != self.leader:
                dealer = Dealer(Shape(int(rows), columns, 1), self.job.scenario.rounds)
                self.mail.deal(name, {"part": dealer.for_feature()})
                halves[name] = dealer.for_label()
        return halves

    def ask(
        self,
        kind: str,
        sites: Collection[str],
        *,
        least: int,
        check: Check = lambda _: None,
        letters_for: Callable[[str], Arrays] | None = None,
    ) -> tuple[dict[str, Reply], Exchange]:
        """Send some parties their letters, those that wait for them unless others are given."""
        return self.federation.ask(
            kind,
            {
                "step": self.step,
                "attempt": self.attempt,
                "parties": self.parties,
                "round": self.number,
            },
            letters_for or self.mail.take,
            self.number or None,
            lambda reply: check(reply) or fault_of(reply, self.parties),
            sites,
            least,
        )
