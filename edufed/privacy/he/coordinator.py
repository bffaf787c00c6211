"""Encrypted summing, the coordinator's side: it adds what it cannot read."""

from __future__ import annotations

import json
from typing import Any

from edufed.privacy.he import ckks
from edufed.privacy.he.ckks import Cipher
from edufed.privacy.he.wire import REQUEST, SUM, digest, keyless
from edufed.privacy.keys import KEY_BYTES
from edufed.privacy.secagg.envelope import Kind, Opened, pack, unpack
from edufed.privacy.secagg.keyring import transcript
from edufed.privacy.secagg.plan import SecAggError, SecAggPlan


class HeSum:
    """The coordinator's part: it adds ciphertexts, and has no key to look inside.

    Set-up: `add_advert` each, `keys_request`, `add_key` once. A round: `request`, `add` each,
    `total`, which goes to the sites as it is.
    """

    def __init__(self, plan: SecAggPlan) -> None:
        self._plan = plan
        self._adverts: dict[int, bytes] = {}
        self._context = b""
        self._key_message = b""
        self._cipher: Cipher | None = None
        self._round = 0
        self._length = 0
        self._sum: list[Any] = []
        self._summed: set[int] = set()

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

    def request(self, length: int) -> bytes:
        """Open the next round: the message, the same for all, that asks for encrypted vectors."""
        if self._cipher is None:
            raise SecAggError("the leading site has not sent the key")
        if self._round == self._plan.rounds:
            raise SecAggError(f"all {self._plan.rounds} rounds of this set-up are used")
        self._round += 1
        self._length, self._sum, self._summed = length, [], set()
        return pack(Kind.HE_REQUEST, self._round, self._context, REQUEST.pack(length))

    def add(self, message: bytes) -> str:
        """Add a site's encrypted vector to the sum; returns the site's name."""
        opened = self._opened(message)
        assert opened.sender is not None
        assert self._cipher is not None
        name = self._plan.name(opened.sender)
        if opened.sender in self._summed:
            raise SecAggError(f"a second message from {name}")
        vectors = self._cipher.read(opened.body, self._length + 1)
        if self._summed:
            vectors = [a + b for a, b in zip(self._sum, vectors, strict=True)]
        self._sum = vectors
        self._summed.add(opened.sender)
        return name

    def total(self) -> bytes:
        """Make the encrypted sum, a message for all sites.

        Raises
        ------
        SecAggError
            Fewer vectors than the threshold.
        """
        self._enough(len(self._summed), "sent an encrypted vector")
        head = SUM.pack(self._length, len(self._summed))
        return pack(Kind.HE_SUM, self._round, self._context, head, ckks.write(self._sum))

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

    def _opened(self, message: bytes) -> Opened:
        opened = unpack(message, Kind.HE_VECTOR, self._context, self._plan)
        if opened.round != self._round:
            raise SecAggError(f"encrypted vector of round {opened.round} in round {self._round}")
        return opened

    def _enough(self, count: int, did: str) -> None:
        if count < self._plan.threshold:
            raise SecAggError(
                f"{count} of {len(self._plan.sites)} sites {did} and {self._plan.threshold} are "
                "needed"
            )
