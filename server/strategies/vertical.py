"""Vertical federation, the coordinator's half. The sites': `clients/vertical.py`.

Hello, four messages in which all sites align their learners, then rounds of one exchange with the
label party and one with all feature parties, side by side. The coordinator hands on sealed letters;
it learns sizes, and what the label party says of each round.

A feature party that does not answer in time drops out: the label party is told by the absence of
its letter, the party's weights stay as they are, and the round is done over by those that are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edufed.arrays import Arrays, prefixed, unprefixed
from server.answers import Ended, Progressed, VerticalHello, Welcomed, fault
from server.checkpoint import Checkpoint
from server.clock import Clock
from server.exchange import Reply
from server.federation import Federation, TooFewError
from server.gathering import gather
from server.mail import Mail
from server.progress import Step
from server.rounds import Round
from server.strategies.vertical_session import Session, check_roles

#: Name of the checkpoint of training.
TRAINING = "vertical"
#: `Job.service` -> form of the label party's last word.
_ENDED: dict[str, type[Progressed]] = {
    "vertical/early_warning": Ended,
    "vertical/cold_start": Welcomed,
}


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
    saved = checkpoint.load(TRAINING)
    greeted = gather(federation, expected, clock, resumed=saved is not None, form=VerticalHello)
    if saved is not None:
        training = _Training.resume(federation, checkpoint, *saved)
        progress(Step("training", f"going on after round {training.number}"))
    else:
        hello = {site: reply.meta for site, reply in greeted.items()}
        check_roles(federation.job, hello, roster)
        training = _Training(federation, checkpoint, hello)
        training.align()
        training.save()
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


class _Training(Session):
    """The rounds of a session whose learners are aligned.

    Parameters
    ----------
    federation, hello
        As of a `Session`.
    checkpoint : Checkpoint
    """

    def __init__(
        self, federation: Federation, checkpoint: Checkpoint, hello: dict[str, dict[str, Any]]
    ) -> None:
        super().__init__(federation, hello)
        self.checkpoint = checkpoint
        self.rounds: list[Round] = []
        self.start: dict[str, Any] = {}
        self.said: dict[str, Any] = {}

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
            return fault(form, reply.meta)

        letters = self.mail.take(self.leader)
        replies, outcome = self.federation.patiently(
            lambda: self.ask(
                "train.vertical", {self.leader}, least=1, check=check, letters_for=lambda _: letters
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
            got, outcome = self.ask("train.vertical", left, least=0, letters_for=asked.__getitem__)
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
        self.ask("query.publish", reached, least=0)

    def save(self) -> None:
        """Write down all that a coordinator needs to go on from here."""
        meta = {
            **self.federation.kept(),
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
        }
        self.checkpoint.save(TRAINING, meta, prefixed("mail/", self.mail.state()))

    @classmethod
    def resume(
        cls,
        federation: Federation,
        checkpoint: Checkpoint,
        meta: dict[str, Any],
        arrays: Arrays,
    ) -> _Training:
        """Return training as it stood after the last exchange that was finished."""
        self = cls(federation, checkpoint, meta["hello"])
        self.parties, self.attempt = meta["parties"], meta["attempt"]
        self.step, self.number = meta["step"], meta["number"]
        self.aligned, self.start, self.said = meta["aligned"], meta["start"], meta["said"]
        self.rounds = [Round(**entry) for entry in meta["rounds"]]
        self.alignment = Round(**meta["alignment"])
        self.mail = Mail(self.parties)
        self.mail.restore(unprefixed("mail/", arrays))
        federation.take_up(meta)
        return self
