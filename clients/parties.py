"""The parties of one vertical job as a site sees them: alignment of learners, and sealed letters.

A letter to another site is a bundle of named parts. Until learners are aligned it holds a part of
the alignment's own (`edufed.privacy.psi`) and the sender's key; then it is sealed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.site import Site
from clients.steps import StepError
from edufed.arrays import Arrays, as_array
from edufed.config.job import Job
from edufed.privacy.channels import Channels
from edufed.privacy.keys import derive
from edufed.privacy.post import Letters, bundle, unbundle
from edufed.privacy.psi import Alignment, PsiPlan, PsiSite

#: Messages of an alignment; at the third the label party has the rows' order, at the fourth all.
ALIGN_STEPS = 4
_PSI, _ADVERT = "psi", "advert"

Parts = dict[str, bytes]


class Parties:
    """This site among the parties of a job.

    Parameters
    ----------
    site : Site
    job : Job
    asked : mapping
        `parties`: names of those that take part; `attempt`: number of the alignment.
    state : dict of arrays
        `state` of an earlier object, or nothing.

    Raises
    ------
    StepError
        The list of parties is not one that this site takes part in.
    """

    def __init__(self, site: Site, job: Job, asked: Mapping[str, Any], state: Arrays) -> None:
        names = sorted(map(str, asked["parties"]))
        roster = site.roster(job)
        leader = job.label_party
        unknown = sorted(set(names) - set(roster))
        if unknown:
            raise StepError(f"the roster of this site has no {unknown[0]}")
        if leader not in names or site.name not in names or len(names) < job.scenario.min_sites:
            raise StepError(
                f"{len(names)} parties are too few, or lack the label party or this site"
            )
        self.me, self.leader = site.name, leader
        self.others = [name for name in names if name != site.name]
        self.plan = PsiPlan.of(
            f"{job.id}/{asked['attempt']}", {name: roster[name] for name in names}, leader, "each"
        )
        # Sites that were shown other settings cannot open each other's letters.
        said = hashlib.sha256(job.model_dump_json().encode()).digest()
        self._identity = site.identity()
        self.channels = Channels(
            hashlib.sha256(b"edufed vertical" + self.plan.digest + said).digest(),
            dict(self.plan.sites),
            site.name,
            self._identity,
            state["secret"].tobytes() if "secret" in state else None,
        )
        if "adverts" in state:
            self.channels.connect(dict(unbundle(state["adverts"].tobytes())))

    @property
    def leads(self) -> bool:
        """Whether this site is the label party."""
        return self.me == self.leader

    @property
    def features(self) -> list[str]:
        """Names of the feature parties."""
        return [name for name in self.plan.names if name != self.leader]

    @property
    def state(self) -> Arrays:
        """What must outlast the object; secret."""
        kept = {"secret": as_array(self.channels.secret)}
        if self.channels.adverts:
            kept["adverts"] = as_array(bundle(self.channels.adverts.items()))
        return kept

    def align(
        self, identifiers: list[str], mail: Mapping[str, Parts], dumped: bytes | None
    ) -> tuple[bytes, dict[str, Parts], Alignment | None]:
        """Take one step of the alignment.

        Parameters
        ----------
        identifiers : list of str
            Of this site's rows.
        mail : mapping of str to parts
            By sender.
        dumped : bytes, optional
            What the step before returned first; none at the first.

        Returns
        -------
        dumped : bytes
            Secret.
        letters : dict of str to parts
            By recipient.
        alignment : Alignment or None
            Once it is known.
        """
        psi = PsiSite(self.plan, self.me, self._identity, identifiers)
        if dumped is not None:
            psi.resume(dumped)
            adverts = {name: parts[_ADVERT] for name, parts in mail.items() if _ADVERT in parts}
            if adverts:
                self.channels.connect(adverts)
        asked = [(name, parts[_PSI]) for name, parts in mail.items() if _PSI in parts]
        letters: dict[str, Parts] = {
            name: {_PSI: content} for name, content in unbundle(psi.answer(bundle(asked)))
        }
        if dumped is None:
            for name in self.others:
                letters.setdefault(name, {})[_ADVERT] = self.channels.advert()
        return psi.dump(), letters, psi.alignment

    def seal(self, recipient: str, subject: str, parts: Parts) -> bytes:
        """Seal parts for one party alone."""
        return self.channels.seal(recipient, subject, bundle(parts.items()))

    def unseal(self, sender: str, subject: str, letter: bytes) -> Parts:
        """Open what `sender` sealed for this party.

        Raises
        ------
        ChannelError
            It was altered, or is not from `sender`, or about something else.
        """
        return dict(unbundle(self.channels.unseal(sender, subject, letter)))

    def answers(
        self, number: int, letters: Mapping[str, bytes], active: Collection[str]
    ) -> dict[str, Parts]:
        """Open the answers to a round, of those parties that still take part.

        Raises
        ------
        ChannelError
            As `unseal`.
        """
        return {
            name: self.unseal(name, f"answer {number}", letter)
            for name, letter in letters.items()
            if name in active
        }

    def shared(self, peer: str, purpose: str) -> bytes:
        """Derive 32 bytes that this party and `peer` alone have."""
        return self.channels.shared(peer, purpose)

    def seed(self, job_seed: int) -> int:
        """Derive a seed that this party alone has, the same in every job with that seed."""
        return private_seed(self._identity, job_seed)


def private_seed(identity: Ed25519PrivateKey, job_seed: int) -> int:
    """Derive a seed from a job's that only the owner of the identity key can."""
    own = hashlib.sha256(identity.private_bytes_raw()).digest()
    return int.from_bytes(derive(own, f"edufed seed {job_seed}".encode())[:7], "big")


def read_letters(content: bytes) -> dict[str, Parts]:
    """Take letters of the alignment apart, by sender."""
    return {name: dict(unbundle(letter)) for name, letter in unbundle(content)}


def write_letters(letters: Mapping[str, Parts]) -> Letters:
    """Write letters of the alignment, by recipient."""
    return [(name, bundle(parts.items())) for name, parts in letters.items()]
