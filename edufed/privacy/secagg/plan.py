"""What all parties of one job's secure sums agree on beforehand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from edufed.privacy.keys import KEY_BYTES

#: Largest number of sites: a round's sealed shares grow with its square.
MOST_SITES = 1000


class SecAggError(Exception):
    """A secure sum that cannot go on; the message is one line and holds no value of any site."""


def default_threshold(sites: int) -> int:
    """Sites that must answer: all but a third (rounded down) of them.

    Then a third may drop, and 2 · threshold > sites + c for every c < sites / 3: a coordinator
    that tells different sites different lists of survivors, and colludes with c sites, cannot
    gather enough shares of both secrets of a site (Bonawitz et al. 2017, active adversary).
    """
    return sites - sites // 3


@dataclass(frozen=True)
class SecAggPlan:
    """The settings of one job's secure sums, equal at the coordinator and at every site.

    Parameters
    ----------
    job : str
        Identifier of the job, never used twice.
    sites : tuple of (str, bytes)
        Name and Ed25519 public key (32 bytes) of each site, from the pinned roster.
    rounds : int
        Most secure sums that one set-up serves.
    threshold : int
        Sites that must answer each message; more than half of them.
    """

    job: str
    sites: tuple[tuple[str, bytes], ...]
    rounds: int
    threshold: int

    @classmethod
    def of(
        cls, job: str, roster: Mapping[str, bytes], rounds: int, threshold: int | None = None
    ) -> SecAggPlan:
        """Make the plan for the sites of `roster` (name to Ed25519 public key), sorted by name.

        Raises
        ------
        SecAggError
            Fewer than three sites, a key in use twice, or a threshold out of range.
        """
        chosen = default_threshold(len(roster)) if threshold is None else threshold
        return cls(job, tuple(sorted(roster.items())), rounds, chosen)

    def __post_init__(self) -> None:
        count = len(self.sites)
        if not 3 <= count <= MOST_SITES:
            raise SecAggError(
                f"it needs 3 to {MOST_SITES} sites, not {count}: of two, each reads the other's "
                "value off the sum; add sites, or choose privacy=none"
            )
        if not count < 2 * self.threshold <= 2 * count:
            raise SecAggError(
                f"the threshold must be more than half of the {count} sites and at most all, "
                f"not {self.threshold}"
            )
        if not 1 <= self.rounds < 2**32:
            raise SecAggError(f"the number of rounds must be at least 1, not {self.rounds}")
        if len({name for name, _ in self.sites}) < count:
            raise SecAggError("two sites of the roster have one name")
        keys = [key for _, key in self.sites]
        if len(set(keys)) < count or any(len(key) != KEY_BYTES for key in keys):
            raise SecAggError(f"each site of the roster needs its own {KEY_BYTES}-byte key")

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the whole plan: every message carries it, so settings cannot differ."""
        fields = [
            self.job,
            [[name, key.hex()] for name, key in self.sites],
            self.rounds,
            self.threshold,
        ]
        return hashlib.sha256(b"edufed secagg 1" + json.dumps(fields).encode()).digest()

    @cached_property
    def position(self) -> dict[str, int]:
        """Position of each site in the plan, by name."""
        return {name: at for at, (name, _) in enumerate(self.sites)}

    def name(self, position: int) -> str:
        """Name of the site at `position`."""
        return self.sites[position][0]
