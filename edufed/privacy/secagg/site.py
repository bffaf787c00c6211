"""Secure aggregation, a site's side: what leaves here is masked, sealed or a single share.

Protocol: Bonawitz et al. 2017 (doi:10.1145/3133956.3133982) with the set-up done once a job, as in
Flamingo (Ma et al. 2023, arXiv:2308.09883). docs/secure-aggregation.md has it message by message,
with what each party learns.
"""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edufed.privacy.fixed_point import FixedPoint
from edufed.privacy.keys import KEY_BYTES, identity_public, new_secret, public_of, seal
from edufed.privacy.masks import add_masks
from edufed.privacy.secagg.adverts import checked_adverts
from edufed.privacy.secagg.envelope import Kind, pack, unpack
from edufed.privacy.secagg.keyring import (
    SEALED_SHARE_BYTES,
    Keyring,
    Secret,
    box_about,
    transcript,
)
from edufed.privacy.secagg.plan import SecAggError, SecAggPlan
from edufed.privacy.shamir import split

MASK_REQUEST = struct.Struct(">BBQ")


class SecAggSite:
    """One site's part in all secure sums of a job.

    Store `dump()` durably (`edufed.private_files`) after each call and before its answer
    is sent: the counters in it are what keeps a site from answering a round twice.

    Parameters
    ----------
    plan : SecAggPlan
        Made by the site from its own pinned roster, never taken from the coordinator.
    name : str
        This site's name in the roster.
    identity : Ed25519PrivateKey
        Its identity key, which the roster pins.

    Raises
    ------
    SecAggError
        The roster has no such site, or another key for it.
    """

    def __init__(self, plan: SecAggPlan, name: str, identity: Ed25519PrivateKey) -> None:
        if name not in plan.position:
            raise SecAggError(f"{name} is not on the roster")
        self._me = plan.position[name]
        if plan.sites[self._me][1] != identity_public(identity):
            raise SecAggError(f"the roster has another identity key for {name}")
        self._plan = plan
        self._identity = identity
        self._secret = new_secret()
        self._publics: dict[int, bytes] = {}
        self._context = b""
        self._keyring: Keyring | None = None
        self._masked = 0  # last round for which a masked vector was made
        self._opened = 0  # last round for which shares were opened

    # Set-up, once a job

    def advertise(self) -> bytes:
        """Make the signed public key of this site for this job."""
        return self._pack(Kind.ADVERT, 0, self._plan.digest, public_of(self._secret))

    def share(self, request: bytes) -> bytes:
        """Check everybody's public key, and seal this site's pairwise keys of all rounds.

        For each round a fresh key boxes the site's pairwise seeds of that round, and is shared
        among the participants. It may be called again, with fewer participants, until the
        first masked vector is made.

        Raises
        ------
        SecAggError
            A key that is not signed by the roster's key of its site, is missing or comes twice;
            fewer participants than the threshold; or rounds have begun.
        """
        if self._masked or self._opened:
            raise SecAggError("the keys of this job are in use and cannot be changed")
        own = public_of(self._secret)
        publics = checked_adverts(request, self._plan, self._plan.digest, self._me, own)
        self._context = transcript(self._plan, publics)
        self._keyring = Keyring(self._me, self._secret, publics, self._context)
        self._publics = publics
        body = bytearray()
        for round_ in range(1, self._plan.rounds + 1):
            key = os.urandom(KEY_BYTES)
            seeds = [self._keyring.mask_seed(j, round_) for j in publics if j != self._me]
            body += seal(key, b"".join(seeds), box_about(self._context, self._me, round_))
            body += self._sealed_shares(Secret.PAIRS, round_, key)
        return self._pack(Kind.DEPOSIT, 0, self._context, bytes(body))

    # Every round

    def mask(
        self,
        request: bytes,
        values: npt.ArrayLike,
        *,
        clip: bool = False,
        codec: FixedPoint | None = None,
    ) -> bytes:
        """Mask `values`, shape (m,), for the round that `request` opens.

        Parameters
        ----------
        request : bytes
        values : array
        clip : bool
            Cut values beyond the fixed-point range to it instead of refusing them.
        codec : FixedPoint, optional
            The numbers that this site takes part with, whatever the request announces; any unless
            given.

        Raises
        ------
        SecAggError
            A round already answered or beyond the plan, a vector of another length, or other
            numbers than `codec`.
        RangeError
            A value that the announced fixed-point numbers cannot hold.
        """
        keyring = self._ready()
        opened = unpack(request, Kind.MASK, self._context, self._plan)
        round_ = opened.round
        if not max(self._masked, self._opened) < round_ <= self._plan.rounds:
            raise SecAggError(
                f"round {round_} was answered before, or lies beyond the {self._plan.rounds} "
                "rounds of this set-up"
            )
        bits, fraction, length = MASK_REQUEST.unpack(opened.body)
        if codec not in (None, FixedPoint(bits, fraction)):
            raise SecAggError("the round is for fixed-point numbers that this site does not send")
        codec = FixedPoint(bits, fraction)
        array = np.asarray(values)
        if array.shape != (length,):
            raise SecAggError(f"the round is for {length} values and the vector has {array.size}")
        words = np.ones(length + 1, codec.dtype)  # the last one counts the sites in the sum
        words[:-1] = codec.encode(array, len(self._publics), clip=clip)
        seed = os.urandom(KEY_BYTES)
        added = [keyring.mask_seed(j, round_) for j in self._publics if j > self._me]
        subtracted = [keyring.mask_seed(j, round_) for j in self._publics if j < self._me]
        add_masks(words, [seed, *added], subtracted)
        self._masked = round_
        sealed = self._sealed_shares(Secret.SELF, round_, seed)
        return self._pack(Kind.MASKED, round_, self._context, sealed, words.data.cast("B"))

    def unmask(self, request: bytes) -> bytes:
        """Open one share for each site: of its self mask if it survived, else of its pair key.

        Answered once a round, so no site can give both, whatever list it is shown.

        Raises
        ------
        SecAggError
            Answered before, fewer survivors than the threshold, or a share that does not open.
        """
        keyring = self._ready()
        opened = unpack(request, Kind.UNMASK, self._context, self._plan)
        round_, body, count = opened.round, opened.body, len(self._publics)
        if not self._opened < round_ <= self._plan.rounds or round_ < self._masked:
            raise SecAggError(f"the shares of round {round_} were opened before, or are past")
        if len(body) != count * (1 + SEALED_SHARE_BYTES) or any(flag > 1 for flag in body[:count]):
            raise SecAggError("unmask message has another form than the set-up asks for")
        survived = dict(zip(self._publics, map(bool, body[:count]), strict=True))
        if sum(survived.values()) < self._plan.threshold:
            raise SecAggError(
                f"round {round_}: {sum(survived.values())} sites survived and "
                f"{self._plan.threshold} are needed; nothing is opened"
            )
        if survived[self._me] and self._masked != round_:
            raise SecAggError(f"round {round_}: this site is listed and has sent nothing")
        shares = bytearray(body[:count])
        for at, (peer, alive) in enumerate(survived.items()):
            start = count + at * SEALED_SHARE_BYTES
            sealed = bytes(body[start : start + SEALED_SHARE_BYTES])
            try:
                kind = Secret.SELF if alive else Secret.PAIRS
                shares += keyring.unseal(peer, kind, round_, sealed)
            except ValueError:
                raise SecAggError(
                    f"round {round_}: the share from {self._plan.name(peer)} does not open"
                ) from None
        self._opened = round_
        return self._pack(Kind.SHARES, round_, self._context, bytes(shares))

    # State

    def dump(self) -> bytes:
        """Write this site's state; it holds the job's private key, so keep it secret."""
        state = {
            "version": 1,
            "plan": self._plan.digest.hex(),
            "site": self._me,
            "secret": self._secret.hex(),
            "publics": {str(at): public.hex() for at, public in self._publics.items()},
            "masked": self._masked,
            "opened": self._opened,
        }
        return json.dumps(state).encode()

    @classmethod
    def load(
        cls, plan: SecAggPlan, name: str, identity: Ed25519PrivateKey, state: bytes
    ) -> SecAggSite:
        """Continue from what `dump` wrote, for the same plan and site.

        Raises
        ------
        SecAggError
            The state is of another plan or site.
        """
        site = cls(plan, name, identity)
        kept = json.loads(state)
        if (kept["version"], kept["plan"], kept["site"]) != (1, plan.digest.hex(), site._me):
            raise SecAggError("the stored state is of another job, other settings or site")
        site._secret = bytes.fromhex(kept["secret"])
        site._publics = {int(at): bytes.fromhex(key) for at, key in kept["publics"].items()}
        site._masked, site._opened = kept["masked"], kept["opened"]
        if site._publics:
            site._context = transcript(plan, site._publics)
            site._keyring = Keyring(site._me, site._secret, site._publics, site._context)
        return site

    def _ready(self) -> Keyring:
        if self._keyring is None:
            raise SecAggError("the set-up of this job's keys is not done")
        return self._keyring

    def _sealed_shares(self, secret: Secret, round_: int, value: bytes) -> bytes:
        shares = split(value, self._plan.threshold, len(self._publics))
        keyring = self._ready()
        return b"".join(
            keyring.seal(peer, secret, round_, share)
            for peer, share in zip(self._publics, shares, strict=True)
        )

    def _pack(self, kind: Kind, round_: int, context: bytes, *body: bytes | memoryview) -> bytes:
        return pack(kind, round_, context, *body, sender=self._me, identity=self._identity)
