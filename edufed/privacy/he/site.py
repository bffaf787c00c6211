"""Encrypted summing, a site's side: it encrypts its vector and decrypts the sum."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edufed.privacy.he import ckks
from edufed.privacy.he.ckks import Cipher, HeError
from edufed.privacy.he.wire import REQUEST, SUM, digest, keyless
from edufed.privacy.keys import (
    KEY_BYTES,
    SEAL_BYTES,
    identity_public,
    new_secret,
    pair_key,
    public_of,
    seal,
    unseal,
)
from edufed.privacy.secagg.adverts import checked_adverts
from edufed.privacy.secagg.envelope import Kind, pack, unpack
from edufed.privacy.secagg.keyring import transcript
from edufed.privacy.secagg.plan import SecAggError, SecAggPlan

_SEALED_KEY_BYTES = KEY_BYTES + SEAL_BYTES


class HeSite:
    """One site's part in all encrypted sums of a job.

    As with `SecAggSite`, store `dump()` as a secret file after each call.

    Parameters
    ----------
    plan : SecAggPlan
        Made by the site from its own pinned roster.
    name : str
        This site's name in the roster.
    identity : Ed25519PrivateKey
        Its identity key, which the roster pins.
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
        self._key = b""
        self._round = 0

    def advertise(self) -> bytes:
        """Make the signed public key of this site for this job."""
        return self._pack(Kind.ADVERT, 0, digest(self._plan), public_of(self._secret))

    def share_key(self, request: bytes) -> bytes | None:
        """Check everybody's public key; the leading site answers with the key, sealed to each.

        Raises
        ------
        SecAggError
            As in `SecAggSite.share`.
        """
        if self._round:
            raise SecAggError("the keys of this job are in use and cannot be changed")
        own = public_of(self._secret)
        self._publics = checked_adverts(request, self._plan, digest(self._plan), self._me, own)
        self._context = transcript(self._plan, self._publics)
        self._key = b""
        if self._me != self._leader:
            return None
        self._key, without = ckks.new_key()
        once = os.urandom(KEY_BYTES)
        about = self._about(self._me)
        sealed = [seal(self._pair(j, self._me), once, about) for j in self._publics]
        locked = seal(once, self._key, about)
        size = struct.pack(">I", len(without))
        return self._pack(Kind.HE_KEY, 0, self._context, size, without, *sealed, locked)

    def take_key(self, message: bytes) -> None:
        """Take the key from the leading site's message, which the coordinator relays.

        Raises
        ------
        SecAggError
            Not by the leading site, or not sealed to this one.
        """
        opened = unpack(message, Kind.HE_KEY, self._context, self._plan)
        if opened.sender != self._leader:
            raise SecAggError("the encryption key comes from another than the leading site")
        _, rest = keyless(opened.body)
        at = list(self._publics).index(self._me) * _SEALED_KEY_BYTES
        about = self._about(self._leader)
        try:
            once = unseal(
                self._pair(self._leader, self._leader), rest[at : at + _SEALED_KEY_BYTES], about
            )
            locked = rest[len(self._publics) * _SEALED_KEY_BYTES :]
            self._key = unseal(once, locked, about)
        except ValueError:
            raise SecAggError("the encryption key does not open") from None

    def encrypt(self, request: bytes, values: npt.ArrayLike) -> bytes:
        """Encrypt `values`, shape (m,), for the round that `request` opens.

        Raises
        ------
        SecAggError
            No key yet, a round answered before, or a vector of another length.
        HeError
            A value that is not finite, or beyond `ckks.limit`.
        """
        opened = unpack(request, Kind.HE_REQUEST, self._context, self._plan)
        if not self._round < opened.round <= self._plan.rounds:
            raise SecAggError(f"round {opened.round} was answered before, or lies beyond the plan")
        (length,) = REQUEST.unpack(opened.body)
        array = np.asarray(values, np.float64)
        if array.shape != (length,):
            raise SecAggError(f"the round is for {length} values and the vector has {array.size}")
        most = ckks.limit(len(self._publics))
        # NaN fails the comparison, and an infinity too.
        wrong = int((~(np.abs(array) <= most)).sum())
        if wrong:
            raise HeError(
                f"{wrong} of {length} values are not finite or larger than {most:.6g}, the most "
                f"a site may send with {len(self._publics)} sites"
            )
        counted = np.append(array, 1.0)  # the last one counts the sites in the sum
        body = Cipher(self._checked_key()).encrypt(counted)
        self._round = opened.round
        return self._pack(Kind.HE_VECTOR, opened.round, self._context, body)

    def decrypt(self, message: bytes) -> tuple[npt.NDArray[np.float64], int]:
        """Decrypt the sum of this site's last round: shape (length,), and how many sites it is of.

        Raises
        ------
        SecAggError
            Of another round, or of fewer sites than the threshold.
        """
        opened = unpack(message, Kind.HE_SUM, self._context, self._plan)
        if opened.round != self._round:
            raise SecAggError(f"sum of round {opened.round} after round {self._round}")
        length, sites = SUM.unpack_from(opened.body)
        cipher = Cipher(self._checked_key())
        values = cipher.decrypt(opened.body[SUM.size :], length + 1)
        if abs(values[-1] - sites) > ckks.error(len(self._publics)) + sites * 2.0**-40:
            raise SecAggError(f"round {opened.round}: the sum is not of the {sites} sites it names")
        if sites < self._plan.threshold:
            raise SecAggError(
                f"round {opened.round}: the sum is of {sites} sites and {self._plan.threshold} "
                "are needed; it is not used"
            )
        return values[:-1], sites

    def dump(self) -> bytes:
        """Write this site's state; it holds the encryption key, so keep it secret."""
        state = {
            "version": 1,
            "plan": self._plan.digest.hex(),
            "site": self._me,
            "secret": self._secret.hex(),
            "publics": {str(at): public.hex() for at, public in self._publics.items()},
            "key": self._key.hex(),
            "round": self._round,
        }
        return json.dumps(state).encode()

    @classmethod
    def load(cls, plan: SecAggPlan, name: str, identity: Ed25519PrivateKey, state: bytes) -> HeSite:
        """Continue from what `dump` wrote, for the same plan and site."""
        site = cls(plan, name, identity)
        kept = json.loads(state)
        if (kept["version"], kept["plan"], kept["site"]) != (1, plan.digest.hex(), site._me):
            raise SecAggError("the stored state is of another job, other settings or site")
        site._secret = bytes.fromhex(kept["secret"])
        site._publics = {int(at): bytes.fromhex(key) for at, key in kept["publics"].items()}
        site._context = transcript(plan, site._publics) if site._publics else b""
        site._key, site._round = bytes.fromhex(kept["key"]), kept["round"]
        return site

    @property
    def _leader(self) -> int:
        return min(self._publics)

    def _pair(self, peer: int, leader: int) -> bytes:
        reader = peer if self._me == leader else self._me
        info = b"edufed ckks" + struct.pack(">HH", leader, reader)
        try:
            return pair_key(self._secret, self._publics[peer], self._context, info)
        except ValueError:
            raise SecAggError("a site advertised an unusable public key") from None

    def _about(self, leader: int) -> bytes:
        return self._context + b"ckks key" + struct.pack(">H", leader)

    def _checked_key(self) -> bytes:
        if not self._key:
            raise SecAggError("this site has no encryption key yet")
        return self._key

    def _pack(self, kind: Kind, round_: int, context: bytes, *body: bytes) -> bytes:
        return pack(kind, round_, context, *body, sender=self._me, identity=self._identity)
