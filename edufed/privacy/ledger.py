"""A site's privacy ledger: what every job spent on its learners, kept for good.

The ledger is a file of JSON lines that only grows. Each entry carries the hash of the one before,
so that a change in the middle is found; `Ledger.head`, noted in run reports, shows a cut at the
end. An entry is on the disk (fsync) before `spend` returns, and the caller sends its noisy answer
after that: a site killed in between has spent and not answered, never the reverse.

Before training a job reserves all that it may spend, or is refused. Reserved steps count as
spent until the job is closed, also when several jobs run at once or one dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from edufed.privacy.composition import Charge, Steps, epsilon, steps_of
from edufed.private_files import sync_folder

_START = hashlib.sha256(b"edufed ledger 1").hexdigest()


class LedgerError(Exception):
    """The ledger was altered, or cannot be read; nothing may be spent until that is cleared up."""


class BudgetError(Exception):
    """A job would spend more of a population's privacy than its site allows."""


@dataclass(frozen=True)
class Budget:
    """The most that all jobs together may cost one learner of a population.

    Parameters
    ----------
    epsilon, delta : float
        Of differential privacy at learner level.
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        if not self.epsilon > 0 or not 0 < self.delta < 1:
            raise ValueError("a budget needs ε > 0 and 0 < δ < 1")


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    kind: Literal["reserve", "spend", "close"]
    job: str
    population: str
    charges: tuple[Charge, ...]
    time: str


class Ledger:
    """The ledger in file `path`, made where absent, with the site's `budget` per population.

    A learner belongs to one population. A site that cannot promise that uses a single population
    for all its learners.
    """

    def __init__(self, path: Path, budget: Budget) -> None:
        self._path = Path(path)
        self._budget = budget

    def reserve(self, job: str, population: str, charges: Iterable[Charge]) -> float:
        """Set aside all that `job` may spend; returns the population's ε with it.

        A job that resumes may ask for the same again; it counts once.

        Raises
        ------
        BudgetError
            It would exceed the budget. Nothing is set aside, and the job must not train.
        LedgerError
            The job was closed, or has reserved something else.
        """
        entry = Entry("reserve", job, population, tuple(charges), _now())
        with self._locked() as (file, entries, head):
            _refuse_closed(entries, job)
            before = [e for e in entries if _key(e) == _key(entry)]
            if not before:
                total = self._within_budget([*entries, entry], entry)
                _append(file, entry, len(entries), head)
                return total
            if steps_of(before[0].charges) != steps_of(entry.charges):
                raise LedgerError(f"job {job} has reserved something else on {population} before")
            return epsilon(_steps(entries, population), self._budget.delta)

    def spend(self, job: str, population: str, charge: Charge) -> None:
        """Record a noisy answer, before it leaves the site: it is on the disk on return.

        Raises
        ------
        BudgetError
            It is not in what the job reserved and would exceed the budget: do not answer.
        LedgerError
            The job was closed.
        """
        entry = Entry("spend", job, population, (charge,), _now())
        with self._locked() as (file, entries, head):
            _refuse_closed(entries, job)
            after = [*entries, entry]
            if _steps(after, population) != _steps(entries, population):
                self._within_budget(after, entry)
            _append(file, entry, len(entries), head)

    def close(self, job: str) -> None:
        """Give back what `job` reserved and did not spend; it can spend no more."""
        with self._locked() as (file, entries, head):
            if _is_open(entries, job):
                _append(file, Entry("close", job, "", (), _now()), len(entries), head)

    def epsilon(self, population: str) -> float:
        """ε at the budget's δ of all that was spent or is reserved on `population`."""
        with self._locked() as (_, entries, _):
            return epsilon(_steps(entries, population), self._budget.delta)

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        with self._locked() as (_, entries, _):
            return entries

    @property
    def head(self) -> str:
        """Hash of the last entry, which stands for the whole ledger."""
        with self._locked() as (_, _, head):
            return head

    def summary(self) -> list[dict[str, Any]]:
        """For a run report: each population with its jobs, ε and what is left of the budget."""
        entries = self.entries()
        populations = sorted({e.population for e in entries if e.kind != "close"})
        rows = []
        for population in populations:
            spent = epsilon(_steps(entries, population), self._budget.delta)
            jobs = sorted({e.job for e in entries if e.population == population})
            rows.append(
                {
                    "population": population,
                    "jobs": jobs,
                    "epsilon": spent,
                    "delta": self._budget.delta,
                    "budget": self._budget.epsilon,
                }
            )
        return rows

    def _within_budget(self, entries: list[Entry], entry: Entry) -> float:
        total = epsilon(_steps(entries, entry.population), self._budget.delta)
        if total > self._budget.epsilon:
            earlier = epsilon(_steps(entries[:-1], entry.population), self._budget.delta)
            raise BudgetError(
                f"job {entry.job} would bring population {entry.population} from ε = "
                f"{earlier:.3f} to {total:.3f} at δ = {self._budget.delta:g}, beyond the site's "
                f"budget of {self._budget.epsilon:g}: use more noise or fewer rounds"
            )
        return total

    @contextmanager
    def _locked(self) -> Iterator[tuple[int, list[Entry], str]]:
        """File, checked entries and hash of the last one, held against other processes."""
        new = not self._path.exists()
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if new:
                sync_folder(self._path.parent)
            yield file, *_read(file, self._path)
        finally:
            os.close(file)


def _steps(entries: list[Entry], population: str) -> Steps:
    """Steps that count against `population`: spent ones, and for open jobs reserved ones too."""
    total: Steps = Steps()
    for job in {e.job for e in entries if e.population == population}:
        of = {
            kind: steps_of(
                charge
                for e in entries
                if _key(e) == (kind, job, population)
                for charge in e.charges
            )
            for kind in ("reserve", "spend")
        }
        # The larger count of each kind: what is spent comes out of what is reserved.
        total += of["spend"] | of["reserve"] if _is_open(entries, job) else of["spend"]
    return total


def _is_open(entries: list[Entry], job: str) -> bool:
    kinds = {e.kind for e in entries if e.job == job}
    return "reserve" in kinds and "close" not in kinds


def _key(entry: Entry) -> tuple[str, str, str]:
    return entry.kind, entry.job, entry.population


def _refuse_closed(entries: list[Entry], job: str) -> None:
    if any(e.kind == "close" and e.job == job for e in entries):
        raise LedgerError(f"job {job} is closed; a job's name is used once")


def _append(file: int, entry: Entry, count: int, head: str) -> None:
    body = {
        "entry": count + 1,
        "previous": head,
        "kind": entry.kind,
        "job": entry.job,
        "population": entry.population,
        "charges": [[c.noise_multiplier, c.sampling_rate, c.steps] for c in entry.charges],
        "time": entry.time,
    }
    line = json.dumps(body | {"hash": _hash(body)}, ensure_ascii=False).encode() + b"\n"
    if os.write(file, line) != len(line):
        raise LedgerError("the ledger could not be written: the disk is full")
    os.fsync(file)


def _read(file: int, path: Path) -> tuple[list[Entry], str]:
    size = os.fstat(file).st_size
    content = os.pread(file, size, 0)
    whole = content.rfind(b"\n") + 1
    if whole < size:
        # Cut short by a crash while it was written: `spend` never returned, nothing had left.
        os.ftruncate(file, whole)
        os.fsync(file)
    entries: list[Entry] = []
    head = _START
    for number, line in enumerate(content[:whole].splitlines(), 1):
        try:
            body = json.loads(line)
            claimed = body.pop("hash")
            if (body["entry"], body["previous"], _hash(body)) != (number, head, claimed):
                raise ValueError("hash")
            charges = tuple(Charge(*fields) for fields in body["charges"])
            entries.append(
                Entry(body["kind"], body["job"], body["population"], charges, body["time"])
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise LedgerError(
                f"{path}, line {number}: the ledger was altered; restore it from a backup, "
                "nothing is spent until then"
            ) from None
        head = claimed
    return entries, head


def _hash(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
