"""The sites of one job: who they are, what they were asked, what went wrong with whom."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from flwr.serverapp import Grid
from pydantic import BaseModel

from edufed.arrays import Arrays
from edufed.config import Job
from edufed.wire import pack
from server.answers import Hello, fault
from server.exchange import Exchange, Reply, exchange
from server.progress import Progress, Step

T = TypeVar("T")
#: Seconds before a question is asked again that too few sites answered.
AGAIN_S = 5.0
#: Seconds between two looks whether more sites have connected.
CONNECT_POLL_S = 0.2


class JobError(Exception):
    """The job cannot go on; one line says why and what to do."""


class TooFewError(JobError):
    """Too few sites answered, but some of them may only be away: it may be tried again."""


@dataclass
class Totals:
    """What the job has cost so far."""

    messages: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


@dataclass
class Federation:
    """The nodes of a Flower run under their sites' names.

    Parameters
    ----------
    grid : flwr.serverapp.Grid
    job : Job
    progress : callable
        Told of every step.
    enrolled : collection of str
        Names of the sites there are, connected or not.
    """

    grid: Grid
    job: Job
    progress: Progress
    enrolled: Collection[str] = ()
    nodes: dict[str, int] = field(default_factory=dict)
    least: int = field(init=False)  # sites without which a step is not done
    totals: Totals = field(default_factory=Totals)
    exclusions: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    #: Sites whose last answer was a refusal.
    _refusing: set[str] = field(default_factory=set, init=False)
    #: Why a site's node was last left out.
    _reasons: dict[int, str] = field(default_factory=dict, init=False)
    #: Job as sites are to see it: nothing in it says where the coordinator keeps things.
    _job_json: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._job_json = self.job.for_sites()
        self.least = self.job.scenario.min_sites

    def connect(self, expected: int) -> int:
        """Wait until as many nodes are connected as are expected; return how many are.

        For the last of them as long as for an answer; for the first few, without whom there is
        no job, as long as the job may wait.

        Raises
        ------
        JobError
            Fewer than `least` connected.
        """
        settings = self.job.scenario
        started = time.monotonic()
        told = -1
        while True:
            waited = time.monotonic() - started
            count = len(set(self.grid.get_node_ids()))
            if count != told:
                told = count
                text = f"{count} of {expected} sites connected"
                self.progress(Step("waiting", text, count, expected))
            enough = count >= self.least and waited >= settings.round_timeout_s
            if count >= expected or enough:
                return count
            if waited >= max(settings.round_timeout_s, settings.wait_s):
                raise JobError(
                    f"{count} sites connected within {waited:.0f} s and {self._needed()};"
                    " start more sites, or lower scenario.min_sites"
                )
            time.sleep(CONNECT_POLL_S)

    def greet(
        self,
        resumed: bool = False,
        meta: Mapping[str, Any] | None = None,
        form: type[BaseModel] = Hello,
        kind: str = "query.hello",
    ) -> dict[str, Reply]:
        """Ask all connected nodes who they are; those that answer are the job's sites from now on.

        Parameters
        ----------
        resumed : bool
            The job goes on after it was cut off: sites keep what they have of it.
        meta : mapping, optional
            Sent beside.
        form : type, optional
            What a site must say; other answers are left out.
        kind : str, optional
            Message type.

        Raises
        ------
        JobError
            Fewer than `least` gave a usable answer.
        """
        # Deployed, a node's name was given to its key when the site was enrolled.
        names = {node.node_id: node.name for node in self.grid.get_nodes() if node.name}
        content = pack({"job": self._job_json, "resumed": resumed, **(meta or {})})
        connected = sorted(self.grid.get_node_ids())
        outcome = self._ask(kind, dict.fromkeys(connected, content))
        known = {names[node] for node in connected if node in names}
        answers: dict[str, Reply] = {}
        for node, reply in sorted(outcome.replies.items()):
            site = str(reply.meta.get("site"))
            problem = fault(form, reply.meta)
            if site != names.get(node, site):
                problem = f"it calls itself {site!r}"
            elif site in answers:
                problem = f"a second site calls itself {site!r}"
            if problem is not None:
                outcome.failures[node] = problem
                continue
            self.nodes[site] = node
            answers[site] = reply
        names |= {node: site for site, node in self.nodes.items()}
        self._note(outcome, None, names)
        self._require(answers, outcome, names, self.least)
        if known:  # a simulation knows no names before they are said
            self._note_away(known)
        return dict(sorted(answers.items()))

    def _note_away(self, connected: set[str]) -> None:
        """Note who was not even asked, once."""
        noted = {entry["site"] for entry in self.exclusions}
        for site in sorted(set(self.enrolled) - connected - noted):
            self.leave_out(site, "not connected when the job began")

    def ask(
        self,
        kind: str,
        meta: Mapping[str, Any],
        arrays_for: Callable[[str], Arrays],
        number: int | None = None,
        check: Callable[[Reply], str | None] = lambda _: None,
        sites: Collection[str] | None = None,
        least: int | None = None,
    ) -> tuple[dict[str, Reply], Exchange]:
        """Ask the sites of the job the same question.

        Parameters
        ----------
        kind : str
            Message type.
        meta : mapping
            Sent beside the job.
        arrays_for : callable
            Site name -> arrays. Sites that are to get the same should get the same object.
        number : int, optional
            The round, for the list of exclusions.
        check : callable
            Reply -> why it cannot be used, or None.
        sites : collection of str, optional
            Ask these alone.
        least : int, optional
            Another number of sites than `Federation.least` that must answer.

        Returns
        -------
        replies : dict of str to Reply
            By site, in the sites' alphabetical order.
        outcome : Exchange

        Raises
        ------
        JobError
            Fewer than `least` gave a usable answer.
        """
        contents, packed = {}, {}
        for site, node in self.nodes.items():
            if sites is not None and site not in sites:
                continue
            arrays = arrays_for(site)
            if id(arrays) not in packed:
                packed[id(arrays)] = (arrays, pack({"job": self._job_json, **meta}, arrays))
            contents[node] = packed[id(arrays)][1]
        outcome = self._ask(kind, contents)
        names = {node: site for site, node in self.nodes.items()}
        replies: dict[str, Reply] = {}
        for node, reply in outcome.replies.items():
            problem = check(reply)
            if problem is None:
                replies[names[node]] = reply
            else:
                outcome.failures[node] = problem
        self._note(outcome, number, names)
        self._require(replies, outcome, names, self.least if least is None else least)
        return dict(sorted(replies.items())), outcome

    def _ask(self, kind: str, contents: Mapping[int, Any]) -> Exchange:
        outcome = exchange(self.grid, kind, contents, self.job.scenario.round_timeout_s)
        self.totals.messages += outcome.messages
        self.totals.bytes_up += outcome.bytes_up
        self.totals.bytes_down += outcome.bytes_down
        return outcome

    def _note(self, outcome: Exchange, number: int | None, names: Mapping[int, str]) -> None:
        """Note who gave no usable answer: a site once a round, a refusal until it is taken back."""
        answered = outcome.replies.keys() - outcome.failures.keys()
        for node in answered:
            self._reasons.pop(node, None)
        for node in answered & names.keys():
            if names[node] in self._refusing:
                self._refusing.remove(names[node])
                self.progress(Step("return", f"site {names[node]} takes part again"))
        failed = [(_name(node, outcome, names), node) for node in outcome.failures]
        for site, node in sorted(failed):
            entry = {"round": number, "site": site, "reason": outcome.failures[node]}
            if node in outcome.refused:
                if site not in self._refusing:
                    self._refusing.add(site)
                    self.refusals.append(entry)
                    self.progress(Step("refusal", f"site {site} refused: {entry['reason']}"))
            elif not self._is_noted(entry, node):
                self._reasons[node] = outcome.failures[node]
                self.exclusions.append(entry)
                self.progress(Step("exclusion", f"site {site} left out: {entry['reason']}"))

    def _is_noted(self, entry: Mapping[str, Any], node: int) -> bool:
        """Whether a site is known to be left out of this round, or of all that has no number.

        A round has more than one question, and a job some before and after its rounds.
        """
        if entry["round"] is None:
            return self._reasons.get(node) == entry["reason"]
        return any(
            (known["round"], known["site"]) == (entry["round"], entry["site"])
            for known in self.exclusions
        )

    def leave_out(self, site: str, reason: str) -> None:
        """Note that the job goes on without a site, though it answered."""
        self.exclusions.append({"round": None, "site": site, "reason": reason})
        self.progress(Step("exclusion", f"site {site} left out: {reason}"))

    def _require(
        self,
        answers: Mapping[str, Reply],
        outcome: Exchange,
        names: Mapping[int, str],
        least: int,
    ) -> None:
        if len(answers) >= least:
            return
        asked = len(outcome.replies.keys() | outcome.failures.keys())
        why = ""
        if outcome.failures:
            first, *others = sorted(
                (_name(node, outcome, names), reason) for node, reason in outcome.failures.items()
            )
            why = f"; {first[0]}: {first[1]}"
            if others:
                same = all(reason == first[1] for _, reason in others)
                why += f" ({'the same at' if same else 'and'} {len(others)} more)"
        kind = TooFewError if outcome.silent else JobError
        raise kind(f"{len(answers)} of {asked} sites answered and {self._needed()}{why}")

    def _needed(self) -> str:
        if self.least > self.job.scenario.min_sites:
            if self.job.privacy.name == "he":
                return f"encrypted sums need {self.least}"
            return f"secure aggregation needs {self.least}"
        return f"scenario.min_sites is {self.least}"

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Try again while too few sites answer, as long as `scenario.wait_s` allows.

        Raises
        ------
        JobError
            Time is up, or trying again could not help.
        """
        deadline = time.monotonic() + self.job.scenario.wait_s
        while True:
            try:
                return attempt()
            except TooFewError as error:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                self.progress(Step("waiting", f"{error}; trying again for {left:.0f} s more"))
                # Not before so many are there: under secure aggregation, tries are numbered.
                self._wait_until(deadline)

    def wait_for_sites(self) -> bool:
        """Wait as long as `scenario.wait_s` allows for enough sites; say whether they are there."""
        self._wait_until(time.monotonic() + self.job.scenario.wait_s)
        return not self._away()

    def _wait_until(self, deadline: float) -> None:
        time.sleep(min(AGAIN_S, max(deadline - time.monotonic(), 0.0)))
        while self._away() and time.monotonic() < deadline:
            time.sleep(CONNECT_POLL_S)

    def kept(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: nodes, totals, who was left out."""
        return {
            "nodes": self.nodes,
            "totals": asdict(self.totals),
            "exclusions": self.exclusions,
            "refusals": self.refusals,
        }

    def take_up(self, kept: Mapping[str, Any]) -> None:
        """Add what a job had `kept` before it was cut off."""
        # Enrolled sites keep their node ids: one that is away just now may come back.
        self.nodes = kept["nodes"] | self.nodes
        for name, value in kept["totals"].items():
            setattr(self.totals, name, getattr(self.totals, name) + value)
        self.exclusions[:0] = kept["exclusions"]
        self.refusals[:0] = kept["refusals"]

    def _away(self) -> bool:
        """Whether too few of the job's sites are connected."""
        connected = set(self.grid.get_node_ids())
        if self.nodes:
            connected &= set(self.nodes.values())
        return len(connected) < self.least


def _name(node: int, outcome: Exchange, names: Mapping[int, str]) -> str:
    return names.get(node) or outcome.sites.get(node) or f"node {node}"
