"""Vertical federation, the coordinator's half. The sites': `clients/vertical.py`.

Hello, four messages in which all sites align their learners, then rounds of one exchange with the
label party and one with all feature parties, side by side. The coordinator hands on sealed letters;
it learns sizes, and what the label party says of each round.

A feature party that does not answer in time drops out: the label party is told by the absence of
its letter, the party's weights stay as they are, and the round is done over by those that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config import Job
from edufed.config.strategy import ExactSettings
from edufed.privacy.products import Dealer, Shape
from server.answers import Aligned, Ended, Progressed, VerticalHello, Welcomed, fault
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.exchange import Exchange, Reply
from server.federation import Federation, JobError, TooFewError
from server.mail import Mail, fault_of
from server.progress import Step

#: Name of the checkpoint of training.
TRAINING = "vertical"
#: Messages in which sites align their learners: `clients.parties.ALIGN_STEPS`.
ALIGN_STEPS = 4
#: `Job.service` -> form of the label party's last word.
_ENDED: dict[str, type[Progressed]] = {
    "vertical/early_warning": Ended,
    "vertical/cold_start": Welcomed,
}


@dataclass
class Round:
    """One round's cost, and how good the model is after it."""

    number: int
    seconds: float = 0.0
    messages: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    loss: float | None = None
    roc_auc: float | None = None

    def add(self, outcome: Exchange) -> None:
        """Count an exchange of the round."""
        self.seconds += outcome.seconds
        self.messages += outcome.messages
        self.bytes_up += outcome.bytes_up
        self.bytes_down += outcome.bytes_down


@dataclass
class Outcome:
    """Everything that the report is made of."""

    hello: dict[str, dict[str, Any]]
    aligned: dict[str, dict[str, Any]]
    rounds: list[Round]
    start: dict[str, Any]  # the label party alone: loss and ROC-AUC before the first round
    end: dict[str, Any]  # the label party's last word
    alignment: Round  # cost of the alignment
    phases: list[tuple[str, float]] = field(default_factory=list)


def run(
    federation: Federation, expected: int, roster: Mapping[str, bytes], checkpoint: Checkpoint
) -> Outcome:
    """Run the scenario until every party has its block of the model.

    Parameters
    ----------
    federation : Federation
    expected : int
        How many nodes to wait for.
    roster : mapping of str to bytes
        The federation's sites; each site goes by its own.
    checkpoint : Checkpoint
        Written after every exchange of training; where it holds one, the job goes on from there.

    Raises
    ------
    JobError
        The label party or too many feature parties do not answer, at any step.
    """
    progress, clock = federation.progress, Clock()
    connected = federation.connect(expected)
    clock.lap("waiting")
    saved = checkpoint.load(TRAINING)
    progress(Step("features", f"{connected} sites read their records"))
    greeted = federation.patiently(
        lambda: federation.greet(resumed=saved is not None, form=VerticalHello)
    )
    clock.lap("features")
    if saved is not None:
        training = Session.resume(federation, checkpoint, *saved)
        progress(Step("training", f"going on after round {training.number}"))
    else:
        hello = {site: reply.meta for site, reply in greeted.items()}
        check_roles(federation.job, hello, roster)
        training = Session(federation, checkpoint, hello)
        training.align()
        clock.lap("alignment")
    training.run()
    clock.lap("training")
    progress(Step("publishing", "every party keeps its own block of the model"))
    training.publish()
    clock.lap("publishing")
    return Outcome(
        hello=training.hello,
        aligned=training.aligned,
        rounds=training.rounds,
        start=training.start,
        end=training.said,
        alignment=training.alignment,
        phases=clock.phases,
    )


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
    """The parties' letters from the first to the last.

    Parameters
    ----------
    federation : Federation
    checkpoint : Checkpoint
    hello : dict of str to dict
        What each site said at first.
    """

    def __init__(
        self, federation: Federation, checkpoint: Checkpoint, hello: dict[str, dict[str, Any]]
    ) -> None:
        self.federation, self.job, self.checkpoint = federation, federation.job, checkpoint
        self.hello = hello
        assert self.job.label_party is not None
        self.leader = self.job.label_party
        self.parties = {site: int(said["features"]) for site, said in hello.items()}
        self.attempt = self.step = self.number = 0
        self.mail = Mail(self.parties)
        self.aligned: dict[str, dict[str, Any]] = {}
        self.rounds: list[Round] = []
        self.start: dict[str, Any] = {}
        self.said: dict[str, Any] = {}
        self.alignment = Round(0)

    # Alignment

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
        self.save()

    def _try_to_align(self) -> set[str]:
        """Take the alignment's steps; return who failed in one."""
        waiting = set(self.parties)
        dealt: dict[str, bytes] = {}
        for step in range(1, ALIGN_STEPS + 1):
            self.step = step
            got, outcome = self.ask("query.align", waiting, Aligned, least=0)
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

    # Training

    def run(self) -> None:
        """Take rounds until the label party says that training is over."""
        while not self.said.get("stopped_by"):
            if set(self.mail.recipients) - {self.leader}:
                self._ask_feature_parties()
            else:
                self._ask_label_party()
            self.save()

    def _ask_label_party(self) -> None:
        """Bring the label party the answers of a round, or those of the alignment's last step."""
        self.step += 1

        def check(reply: Reply) -> str | None:
            last = _ENDED[self.job.service]
            form = last if reply.meta.get("stopped_by") else Progressed
            return fault(form, reply.meta) or fault_of(reply, self.parties)

        letters = self.mail.take(self.leader)
        replies, outcome = self.federation.patiently(
            lambda: self.ask(
                "train.vertical", {self.leader}, None, least=1, check=check, letters=letters
            )
        )
        reply = replies[self.leader]
        self.mail.put(self.leader, reply.arrays)
        self.said = reply.meta
        if not self.rounds:
            self.alignment.add(outcome)
            self.start = self.said
            return
        self.rounds[-1].add(outcome)
        self._note(self.rounds[-1])

    def _ask_feature_parties(self) -> None:
        """Ask all that the label party wrote to; go on without those that do not answer."""
        self.step += 1
        self.number += 1
        cost = Round(self.number)
        self.rounds.append(cost)
        asked = {site: self.mail.take(site) for site in self.mail.recipients}
        least = self.job.scenario.min_sites - 1
        replies: dict[str, Reply] = {}

        def attempt() -> None:
            left = set(asked) - set(replies)
            got, outcome = self.ask(
                "train.vertical", left, None, least=0, letters_for=asked.__getitem__
            )
            cost.add(outcome)
            replies.update(got)
            if len(replies) < least:
                raise TooFewError(
                    f"{len(replies)} of {len(asked)} feature parties answered and"
                    f" scenario.min_sites is {least + 1}, the label party included"
                )

        self.federation.patiently(attempt)
        for site, reply in replies.items():
            self.mail.put(site, reply.arrays)

    def _note(self, cost: Round) -> None:
        cost.loss, cost.roc_auc = self.said["loss"], self.said["roc_auc"]
        quality = "done over, a party is away"
        if self.said["step"]:
            quality = f"loss {cost.loss:.5f}"
            if cost.roc_auc is not None:
                quality += f", ROC-AUC {cost.roc_auc:.4f}"
        text = f"round {cost.number}: {quality}"
        total = self.job.scenario.rounds
        self.federation.progress(Step("training", text, cost.number, total))

    def publish(self) -> None:
        """Hand the last step to the feature parties; each party keeps its own block.

        One that dropped out gets it if it is back; it is not waited for.
        """
        self.step += 1
        connected = set(self.federation.grid.get_node_ids())
        back = {site for site in self.parties if self.federation.nodes.get(site) in connected}
        reached = back | {self.leader, *self.said["parties"]}
        self.ask("query.publish", reached, None, least=0, letters_for=self.mail.take)

    def ask(
        self,
        kind: str,
        sites: Collection[str],
        form: type[Aligned] | None,
        *,
        least: int,
        check: Callable[[Reply], str | None] | None = None,
        letters: Arrays | None = None,
        letters_for: Callable[[str], Arrays] | None = None,
    ) -> tuple[dict[str, Reply], Exchange]:
        """Send some parties their letters, and take what they say in a form."""

        def sound(reply: Reply) -> str | None:
            problem = fault(form, reply.meta) if form is not None else None
            return problem or fault_of(reply, self.parties)

        def arrays_for(site: str) -> Arrays:
            if letters is not None:
                return letters
            return (letters_for or self.mail.take)(site)

        return self.federation.ask(
            kind,
            {
                "step": self.step,
                "attempt": self.attempt,
                "parties": self.parties,
                "round": self.number,
            },
            arrays_for,
            self.number or None,
            check or sound,
            sites,
            least,
        )

    # Going on after a cut

    def save(self) -> None:
        """Write down all that a coordinator needs to go on from here."""
        meta = {
            "nodes": self.federation.nodes,
            "hello": self.hello,
            "parties": self.parties,
            "attempt": self.attempt,
            "step": self.step,
            "number": self.number,
            "aligned": self.aligned,
            "rounds": [asdict(entry) for entry in self.rounds],
            "alignment": asdict(self.alignment),
            "start": self.start,
            "said": self.said,
            "totals": asdict(self.federation.totals),
            "exclusions": self.federation.exclusions,
            "refusals": self.federation.refusals,
        }
        self.checkpoint.save(TRAINING, meta, prefixed("mail/", self.mail.state()))

    @classmethod
    def resume(
        cls,
        federation: Federation,
        checkpoint: Checkpoint,
        meta: dict[str, Any],
        arrays: Arrays,
    ) -> Session:
        """Return training as it stood after the last exchange that was finished."""
        self = cls(federation, checkpoint, meta["hello"])
        self.parties, self.attempt = meta["parties"], meta["attempt"]
        self.step, self.number = meta["step"], meta["number"]
        self.aligned, self.start, self.said = meta["aligned"], meta["start"], meta["said"]
        self.rounds = [Round(**entry) for entry in meta["rounds"]]
        self.alignment = Round(**meta["alignment"])
        self.mail = Mail(self.parties)
        self.mail.restore(unprefixed("mail/", arrays))
        # Enrolled sites keep their node ids: one that is away just now may come back.
        federation.nodes = meta["nodes"] | federation.nodes
        for name, value in meta["totals"].items():
            setattr(federation.totals, name, getattr(federation.totals, name) + value)
        federation.exclusions[:0] = meta["exclusions"]
        federation.refusals[:0] = meta["refusals"]
        return self
