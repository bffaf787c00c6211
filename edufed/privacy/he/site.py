"""Encrypted summing, a site's side: it encrypts its vector and opens the sum."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edufed.privacy.he import ckks
from edufed.privacy.he.ckks import Cipher, HeRangeError
from edufed.privacy.he.tags import TAG_BYTES, read_tag, tag, tag_of_sum, write_tag
from edufed.privacy.he.wire import MOST_FRACTION, REQUEST, SUM, digest, digest_of_sum, keyless
from edufed.privacy.keys import (
    KEY_BYTES,
    SEAL_BYTES,
    derive,
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
_LOCK, _TAGS = b"edufed ckks lock", b"edufed ckks tags"


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
        self._key = b""  # TenSEAL's context with the secret key
        self._once = b""  # sealed to each site: it locks the key, and tags are made from it
        self._round = 0
        self._length = 0
        self._opened = b""  # flags of the sites whose sum this site has opened this round

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
        self._key = self._once = b""
        if self._me != self._leader:
            return None
        self._key, without = ckks.new_key()
        self._once = os.urandom(KEY_BYTES)
        about = self._about(self._me)
        sealed = [seal(self._pair(j, self._me), self._once, about) for j in self._publics]
        locked = seal(derive(self._once, _LOCK), self._key, about)
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
            self._key, self._once = unseal(derive(once, _LOCK), locked, about), once
        except ValueError:
            raise SecAggError("the encryption key does not open") from None

    def encrypt(self, request: bytes, values: npt.ArrayLike) -> bytes:
        """Encrypt `values`, shape (m,), for the round that `request` opens.

        Raises
        ------
        SecAggError
            No key yet, a round answered before, or a vector of another length.
        HeRangeError
            A value that is not finite, or beyond the range.
        """
        opened = unpack(request, Kind.HE_REQUEST, self._context, self._plan)
        if not self._round < opened.round <= self._plan.rounds:
            raise SecAggError(f"round {opened.round} was answered before, or lies beyond the plan")
        length, fraction = REQUEST.unpack(opened.body)
        array = np.asarray(values, np.float64)
        if array.shape != (length,):
            raise SecAggError(f"the round is for {length} values and the vector has {array.size}")
        whole = self._whole(array, min(fraction, MOST_FRACTION))
        key = self._checked_key()
        mark = write_tag(tag(derive(self._once, _TAGS), opened.round, self._me, whole))
        body = Cipher(key).encrypt(whole)
        self._round, self._length, self._opened = opened.round, length, b""
        return self._pack(Kind.HE_VECTOR, opened.round, self._context, mark, body)

    def _whole(self, array: npt.NDArray[np.float64], fraction: int) -> npt.NDArray[np.int64]:
        most = ckks.limit(len(self._publics))
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = np.rint(array * 2.0**fraction)
            # NaN fails the comparison, and an infinity too.
            wrong = int((~(np.abs(scaled) <= most)).sum())
        if wrong:
            raise HeRangeError(
                f"{wrong} of {array.size} values are not finite or larger than "
                f"{most / 2.0**fraction:.6g}, the most a site may send with "
                f"{len(self._publics)} sites and {fraction} binary digits"
            )
        return scaled.astype(np.int64)

    def open(self, message: bytes) -> bytes:
        """Decrypt the sum of this site's last round, and say what it is.

        The answer holds whole numbers and none of the ciphertexts' noise: all of them if this site
        is the one to tell, else their digest.

        Raises
        ------
        SecAggError
            Of another round or length, of fewer sites than the threshold, not the sum of what the
            sites it names have sent, or of other sites than were named before in this round.
        """
        opened = unpack(message, Kind.HE_SUM, self._context, self._plan)
        if opened.round != self._round:
            raise SecAggError(f"sum of round {opened.round} after round {self._round}")
        count = len(self._publics)
        body = bytes(opened.body)
        cut = SUM.size + count
        if len(body) < cut + TAG_BYTES:
            raise SecAggError("the encrypted sum's message is too short")
        (speaker,) = SUM.unpack_from(body)
        flags, mark = body[SUM.size : cut], read_tag(body[cut : cut + TAG_BYTES])
        summed = [at for at, flag in zip(self._publics, flags, strict=True) if flag]
        if len(summed) < self._plan.threshold:
            raise SecAggError(
                f"round {opened.round}: the sum is of {len(summed)} sites and "
                f"{self._plan.threshold} are needed; it stays closed"
            )
        if self._opened not in (b"", flags):
            raise SecAggError(f"round {opened.round}: a sum of other sites has been opened")
        whole = Cipher(self._checked_key()).decrypt(body[cut + TAG_BYTES :], self._length)
        must = tag_of_sum(derive(self._once, _TAGS), opened.round, summed, whole)
        if (must != mark).any():
            raise SecAggError(
                f"round {opened.round}: the encrypted sum is not of what the sites it names have "
                "sent; it stays closed"
            )
        self._opened = flags
        told = [digest_of_sum(whole)]
        if speaker == self._me:
            told.append(whole.astype("<i8").tobytes())
        return self._pack(Kind.HE_OPENED, opened.round, self._context, *told)

    def dump(self) -> bytes:
        """Write this site's state; it holds the encryption key, so keep it secret."""
        state = {
            "version": 2,
            "plan": self._plan.digest.hex(),
            "site": self._me,
            "secret": self._secret.hex(),
            "publics": {str(at): public.hex() for at, public in self._publics.items()},
            "key": self._key.hex(),
            "once": self._once.hex(),
            "round": self._round,
            "length": self._length,
            "opened": self._opened.hex(),
        }
        return json.dumps(state).encode()

    @classmethod
    def load(cls, plan: SecAggPlan, name: str, identity: Ed25519PrivateKey, state: bytes) -> HeSite:
        """Continue from what `dump` wrote, for the same plan and site."""
        site = cls(plan, name, identity)
        kept = json.loads(state)
        if (kept["version"], kept["plan"], kept["site"]) != (2, plan.digest.hex(), site._me):
            raise SecAggError("the stored state is of another job, other settings or site")
        site._secret = bytes.fromhex(kept["secret"])
        site._publics = {int(at): bytes.fromhex(key) for at, key in kept["publics"].items()}
        site._context = transcript(plan, site._publics) if site._publics else b""
        site._key, site._once = bytes.fromhex(kept["key"]), bytes.fromhex(kept["once"])
        site._round, site._length = kept["round"], kept["length"]
        site._opened = bytes.fromhex(kept["opened"])
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
