"""What all sites agree on before they align identifiers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Mode = Literal["all", "each"]
Method = Literal["ecdh", "keyed_hash"]

FEWEST, MOST = 2, 8


class PsiError(Exception):
    """An alignment that cannot go on; the message is one line, without any identifier."""


@dataclass(frozen=True)
class PsiPlan:
    """The settings of one alignment, equal at every site.

    Parameters
    ----------
    job : str
        Identifier of the job, never used twice.
    sites : tuple of (str, bytes)
        Name and Ed25519 public key of each of the 2 to 8 sites, from the pinned roster.
    leader : str
        The site whose identifiers are matched with the others': the label party.
    mode : "all" or "each"
        "all": the rows are the learners that every site has. "each": the rows are the leader's
        learners, and every other site learns which of these it has too, on its own.
    method : "ecdh" or "keyed_hash"
        "keyed_hash" is weaker (docs/psi.md).
    most : int
        Identifiers that a site may announce: who announces more is refused, since a party may
        try out as many guesses as it announces.
    """

    job: str
    sites: tuple[tuple[str, bytes], ...]
    leader: str
    mode: Mode = "all"
    method: Method = "ecdh"
    most: int = 10_000_000

    @classmethod
    def of(
        cls,
        job: str,
        roster: Mapping[str, bytes],
        leader: str,
        mode: Mode = "all",
        method: Method = "ecdh",
    ) -> PsiPlan:
        """Make the plan for the sites of `roster`, name to Ed25519 public key."""
        return cls(job, tuple(sorted(roster.items())), leader, mode, method)

    def __post_init__(self) -> None:
        if not FEWEST <= len(self.sites) <= MOST:
            raise PsiError(f"alignment is for {FEWEST} to {MOST} sites, not {len(self.sites)}")
        if self.leader not in self.names:
            raise PsiError(f"the leading site, {self.leader}, takes no part")
        if self.mode not in ("all", "each") or self.method not in ("ecdh", "keyed_hash"):
            raise PsiError(f"there is no alignment of mode {self.mode} by {self.method}")

    @property
    def names(self) -> tuple[str, ...]:
        """The sites' names, sorted."""
        return tuple(name for name, _ in self.sites)

    @property
    def others(self) -> tuple[str, ...]:
        """The names of all sites but the leader."""
        return tuple(name for name in self.names if name != self.leader)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the whole plan: settings that differ give channels that do not open."""
        sites = [[name, key.hex()] for name, key in self.sites]
        fields = [self.job, sites, self.leader, self.mode, self.method, self.most]
        return hashlib.sha256(b"edufed psi 1" + json.dumps(fields).encode()).digest()
