"""Encrypted summing, the coordinator's side: it adds what it cannot read, and is told the sum."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.privacy.he import ckks
from edufed.privacy.he.ckks import Cipher
from edufed.privacy.he.tags import TAG_BYTES, Tag, add_tags, read_tag, write_tag
from edufed.privacy.he.wire import (
    DIGEST_BYTES,
    MOST_FRACTION,
    REQUEST,
    SUM,
    digest,
    digest_of_sum,
    keyless,
)
from edufed.privacy.keys import KEY_BYTES
from edufed.privacy.secagg.envelope import Kind, Opened, pack, unpack
from edufed.privacy.secagg.keyring import transcript
from edufed.privacy.secagg.plan import SecAggError, SecAggPlan

Whole = npt.NDArray[np.int64]


class HeSum:
    """The coordinator's part: it adds ciphertexts, and has no key to look inside.

    Set-up: `add_advert` each, `keys_request`, `add_key` once. A round: `request`, `add` each,
    `sum_request`, `add_opened` each, `total`. An encrypted vector is added as it arrives and is
    not kept.

    Parameters
    ----------
    plan : SecAggPlan
        The same as at the sites.
    """

    def __init__(self, plan: SecAggPlan) -> None:
        self._plan = plan
        self._adverts: dict[int, bytes] = {}
        self._context = b""
        self._key_message = b""
        self._cipher: Cipher | None = None
        self._round = 0
        self._length = self._fraction = 0
        self._begin()

    def _begin(self) -> None:
        self._sum: list[Any] = []
        self._tag: Tag | None = None
        self._summed: set[int] = set()
        self._closed = False
        self._speakers: list[int] = []
        self._digests: dict[int, bytes] = {}
        self._values: dict[bytes, Whole] = {}

    @property
    def participants(self) -> tuple[str, ...]:
        """Names of the sites whose keys are in the set-up."""
        return tuple(self._plan.name(at) for at in sorted(self._adverts))

    @property
    def survivors(self) -> tuple[str, ...]:
        """Names of the sites whose vectors are in this round's sum."""
        return tuple(self._plan.name(at) for at in sorted(self._summed))

    # Set-up, once a job

    def add_advert(self, message: bytes) -> str:
        """Take a site's signed public key; returns the site's name."""
        advert = unpack(message, Kind.ADVERT, digest(self._plan), self._plan)
        assert advert.sender is not None
        if advert.sender in self._adverts:
            raise SecAggError(f"a second message from {self._plan.name(advert.sender)}")
        self._adverts[advert.sender] = message
        return self._plan.name(advert.sender)

    def keys_request(self) -> bytes:
        """Make the message, the same for all, that shows everybody's keys."""
        self._enough(len(self._adverts), "sent a public key")
        members = sorted(self._adverts)
        publics = {at: self._adverts[at][-KEY_BYTES:] for at in members}
        self._context = transcript(self._plan, publics)
        self._cipher, self._key_message = None, b""  # a key for other participants is of no use
        body = b"".join(self._adverts[at] for at in members)
        return pack(Kind.KEYS, 0, digest(self._plan), body)

    @property
    def leader(self) -> str:
        """Name of the site that makes the encryption key."""
        return self._plan.name(min(self._adverts))

    def leave_out(self, name: str) -> None:
        """Go on without a site that fell silent in the set-up; `keys_request` comes next."""
        if self._round:
            raise SecAggError("the keys of this job are in use and cannot be changed")
        del self._adverts[self._plan.position[name]]

    def add_key(self, message: bytes) -> None:
        """Take the leading site's message, to be relayed to all; of the key it tells nothing.

        Raises
        ------
        SecAggError
            Not by the leading site, or it would give the coordinator the key.
        """
        opened = unpack(message, Kind.HE_KEY, self._context, self._plan)
        if opened.sender != min(self._adverts):
            raise SecAggError("the encryption key comes from another than the leading site")
        cipher = Cipher(keyless(opened.body)[0])
        if cipher.has_key:
            raise SecAggError("the leading site sent its secret key in the open; it was dropped")
        self._cipher = cipher
        self._key_message = message

    @property
    def key_message(self) -> bytes:
        """The leading site's message, for every site to take its key from."""
        return self._key_message

    # Every round

    def request(self, length: int, fraction: int = MOST_FRACTION) -> bytes:
        """Open the next round: the message, the same for all, that asks for encrypted vectors.

        Parameters
        ----------
        length : int
            Values a site sends.
        fraction : int
            Binary digits after the point, at most `MOST_FRACTION`. Fewer digits: a wider range.
        """
        if self._cipher is None:
            raise SecAggError("the leading site has not sent the key")
        if self._round == self._plan.rounds:
            raise SecAggError(f"all {self._plan.rounds} rounds of this set-up are used")
        self._round += 1
        self._length, self._fraction = length, fraction
        self._begin()
        return pack(Kind.HE_REQUEST, self._round, self._context, REQUEST.pack(length, fraction))

    def add(self, message: bytes) -> str:
        """Add a site's encrypted vector to the sum; returns the site's name.

        Raises
        ------
        SecAggError
            A message of another round, a second one, a damaged or forged one, or one that comes
            after the sum was closed.
        """
        if self._closed:
            raise SecAggError("an encrypted vector is not expected now")
        opened = self._unpacked(message, Kind.HE_VECTOR, "encrypted vector")
        assert opened.sender is not None
        assert self._cipher is not None
        name = self._plan.name(opened.sender)
        if opened.sender in self._summed:
            raise SecAggError(f"a second message from {name}")
        vectors = self._cipher.read(opened.body[TAG_BYTES:], self._length)
        mark = read_tag(opened.body[:TAG_BYTES])
        if self._tag is not None:
            vectors = [a + b for a, b in zip(self._sum, vectors, strict=True)]
            mark = add_tags(self._tag, mark)
        self._sum, self._tag = vectors, mark
        self._summed.add(opened.sender)
        return name

    @property
    def speaker(self) -> str:
        """Name of the site that the latest `sum_request` asks to tell the values."""
        return self._plan.name(self._speakers[-1])

    def sum_request(self) -> bytes:
        """Close the sum and make the message, the same for all, that asks what it is.

        Called again while no site has told the values that the others agree on, it asks another
        site to tell them.

        Raises
        ------
        SecAggError
            Fewer vectors than the threshold, no agreement, or nobody is left to ask.
        """
        self._enough(len(self._summed), "sent an encrypted vector")
        agreed = self._agreed()
        if self._digests and agreed is None:
            self.total()
        left = [
            at
            for at in sorted(self._summed)
            if at not in self._speakers and (agreed is None or self._digests.get(at) == agreed)
        ]
        if not left:
            raise SecAggError(f"round {self._round}: no site told the sum")
        self._closed = True
        self._speakers.append(left[0])
        flags = bytes(at in self._summed for at in sorted(self._adverts))
        assert self._tag is not None
        head = SUM.pack(left[0]) + flags + write_tag(self._tag)
        return pack(Kind.HE_SUM, self._round, self._context, head, ckks.write(self._sum))

    def add_opened(self, message: bytes) -> str:
        """Take what a site says the sum is; returns the site's name."""
        opened = self._unpacked(message, Kind.HE_OPENED, "opened sum")
        assert opened.sender is not None
        name = self._plan.name(opened.sender)
        said, told = bytes(opened.body[:DIGEST_BYTES]), opened.body[DIGEST_BYTES:]
        if len(said) < DIGEST_BYTES or len(told) not in (0, 8 * self._length):
            raise SecAggError("opened sum has another form than the round asks for")
        if told:
            whole = np.frombuffer(told, "<i8")
            if digest_of_sum(whole) != said:
                raise SecAggError("opened sum does not have the digest beside it")
            self._values[said] = whole
        self._digests[opened.sender] = said
        return name

    @property
    def told(self) -> bool:
        """Whether enough sites agree on the sum, and one of them has told it."""
        return self._agreed() in self._values

    def total(self) -> npt.NDArray[np.float64]:
        """Give the round's sum, shape (length,), over `survivors`.

        Raises
        ------
        SecAggError
            Fewer sites than the threshold agree on what it is.
        """
        agreed = self._agreed()
        if agreed is None:
            most = max(Counter(self._digests.values()).values(), default=0)
            self._enough(most, "agree on what the sum is")
        if agreed not in self._values:
            raise SecAggError(f"round {self._round}: no site told the sum")
        return self._values[agreed] / 2.0**self._fraction

    def _agreed(self) -> bytes | None:
        """Digest that as many sites name as the threshold asks for: more than half of all."""
        for said, count in Counter(self._digests.values()).items():
            if count >= self._plan.threshold:
                return said
        return None

    # State

    def dump(self) -> bytes:
        """Write the state, from which another process can continue with the next round."""
        state = {
            "version": 1,
            "plan": self._plan.digest.hex(),
            "adverts": {str(at): advert.hex() for at, advert in self._adverts.items()},
            "context": self._context.hex(),
            "key": self._key_message.hex(),
            "round": self._round,
        }
        return json.dumps(state).encode()

    @classmethod
    def load(cls, plan: SecAggPlan, state: bytes) -> HeSum:
        """Continue from what `dump` wrote, for the same plan."""
        kept = json.loads(state)
        if (kept["version"], kept["plan"]) != (1, plan.digest.hex()):
            raise SecAggError("the stored state is of another job or other settings")
        self = cls(plan)
        self._adverts = {int(at): bytes.fromhex(text) for at, text in kept["adverts"].items()}
        self._context = bytes.fromhex(kept["context"])
        if kept["key"]:
            self.add_key(bytes.fromhex(kept["key"]))
        self._round = kept["round"]
        return self

    def _unpacked(self, message: bytes, kind: Kind, what: str) -> Opened:
        opened = unpack(message, kind, self._context, self._plan)
        if opened.round != self._round:
            raise SecAggError(f"{what} of round {opened.round} in round {self._round}")
        if opened.sender not in self._adverts:
            raise SecAggError(f"{what} of a site that is not in this set-up")
        return opened

    def _enough(self, count: int, did: str) -> None:
        if count < self._plan.threshold:
            raise SecAggError(
                f"{count} of {len(self._plan.sites)} sites {did} and {self._plan.threshold} are "
                "needed"
            )
