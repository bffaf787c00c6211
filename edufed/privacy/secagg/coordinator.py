"""Secure aggregation, the coordinator's side: it relays, adds, and can open the sum alone.

A masked vector is added to the running total as it arrives and is not kept, so no single
site's vector, masked or not, can be asked for here.
"""

from __future__ import annotations

import base64
import json

import numpy as np
import numpy.typing as npt

from edufed.privacy.fixed_point import FixedPoint
from edufed.privacy.keys import KEY_BYTES, unseal
from edufed.privacy.masks import add_masks
from edufed.privacy.secagg.envelope import Kind, Opened, pack, unpack
from edufed.privacy.secagg.keyring import SEALED_SHARE_BYTES, box_about, box_bytes, transcript
from edufed.privacy.secagg.plan import SecAggError, SecAggPlan
from edufed.privacy.secagg.site import MASK_REQUEST
from edufed.privacy.shamir import SHARE_BYTES, combine


class SecAggSum:
    """The coordinator's part in all secure sums of a job.

    Set-up: `add_advert` each, `keys_request`, `add_deposit` each. A round: `mask_request`,
    `add_masked` each, `unmask_requests`, `add_shares` each, `total`.

    Parameters
    ----------
    plan : SecAggPlan
        The same as at the sites.
    """

    def __init__(self, plan: SecAggPlan) -> None:
        self._plan = plan
        self._adverts: dict[int, bytes] = {}
        self._members: list[int] = []  # positions of the participants, ascending
        self._context = b""
        self._deposits: dict[int, bytes] = {}
        self._round = 0
        self._codec = FixedPoint()
        self._sum: npt.NDArray[np.unsignedinteger] = np.zeros(0, self._codec.dtype)
        self._sealed: dict[int, bytes] = {}  # self-mask shares of who is in the sum
        self._shares: dict[int, bytes] = {}
        self._stage = "set-up"  # then: masked, shares

    @property
    def participants(self) -> tuple[str, ...]:
        """Names of the sites whose keys are in the set-up."""
        return tuple(map(self._plan.name, self._members))

    @property
    def survivors(self) -> tuple[str, ...]:
        """Names of the sites whose vectors are in this round's sum."""
        return tuple(map(self._plan.name, sorted(self._sealed)))

    @property
    def round(self) -> int:
        """Number of the current secure sum; 0 before the first."""
        return self._round

    # Set-up, once a job

    def add_advert(self, message: bytes) -> str:
        """Take a site's signed public key; returns the site's name."""
        advert = unpack(message, Kind.ADVERT, self._plan.digest, self._plan)
        return self._take(advert, self._adverts, message)

    def keys_request(self) -> bytes:
        """Make the message, the same for all participants, that shows everybody's keys.

        Called again because some did not answer it, it leaves those out.

        Raises
        ------
        SecAggError
            Fewer sites than the threshold, or rounds have begun.
        """
        if self._round:
            raise SecAggError("the keys of this job are in use and cannot be changed")
        if self._members:
            self._adverts = {at: self._adverts[at] for at in self._deposits}
        self._enough(len(self._adverts), "sent a public key", "the set-up fails")
        self._members = sorted(self._adverts)
        publics = {at: self._adverts[at][-KEY_BYTES:] for at in self._members}
        self._context = transcript(self._plan, publics)
        self._deposits = {}
        body = b"".join(self._adverts[at] for at in self._members)
        return pack(Kind.KEYS, 0, self._plan.digest, body)

    def add_deposit(self, message: bytes) -> str:
        """Take a site's sealed shares of its pairwise keys; returns the site's name."""
        deposit = unpack(message, Kind.DEPOSIT, self._context, self._plan)
        if len(deposit.body) != self._plan.rounds * self._deposit_stride():
            raise SecAggError("deposit message has another form than the set-up asks for")
        return self._take(deposit, self._deposits, bytes(deposit.body))

    # Every round

    def mask_request(self, length: int, codec: FixedPoint | None = None) -> bytes:
        """Open the next round: the message, the same for all, that asks for masked vectors.

        A round under way is given up; its number is never used again.

        Parameters
        ----------
        length : int
            Values a site sends.
        codec : FixedPoint, optional
            How they stand in the ring; 64 bits with 24 after the point unless given.

        Raises
        ------
        SecAggError
            A participant's set-up is not done, or all rounds of the plan are used.
        """
        missing = [self._plan.name(at) for at in self._members if at not in self._deposits]
        if missing or not self._members:
            raise SecAggError(
                f"set-up not done by {', '.join(missing) or 'any site'}: wait, or call "
                "keys_request again to go on without"
            )
        if self._round == self._plan.rounds:
            raise SecAggError(f"all {self._plan.rounds} rounds of this set-up are used")
        self._round += 1
        self._codec = codec or FixedPoint()
        self._sum = np.zeros(length + 1, self._codec.dtype)
        self._sealed, self._shares = {}, {}
        self._stage = "masked"
        body = MASK_REQUEST.pack(self._codec.bits, self._codec.fraction, length)
        return pack(Kind.MASK, self._round, self._context, body)

    def add_masked(self, message: bytes) -> str:
        """Add a site's masked vector to the total; returns the site's name.

        Raises
        ------
        SecAggError
            A message of another round, a second one, a damaged or forged one, or one that
            comes after the round was closed.
        """
        masked = self._opened(message, Kind.MASKED, "masked")
        cut = len(self._members) * SEALED_SHARE_BYTES
        if len(masked.body) != cut + self._sum.nbytes:
            raise SecAggError("masked message has another form than the round asks for")
        name = self._take(masked, self._sealed, bytes(masked.body[:cut]))
        self._sum += np.frombuffer(masked.body[cut:], self._codec.dtype)
        return name

    def unmask_requests(self) -> dict[str, bytes]:
        """Close the round to further vectors; one message for each participant, by name.

        Raises
        ------
        SecAggError
            Fewer vectors than the threshold: the round is lost, the next may begin.
        """
        if self._stage != "masked":
            raise SecAggError("no round is open")
        self._enough(len(self._sealed), "sent a masked vector", "nothing can be opened")
        self._stage = "shares"
        flags = bytes(at in self._sealed for at in self._members)
        requests = {}
        for column, reader in enumerate(self._members):
            cut = slice(column * SEALED_SHARE_BYTES, (column + 1) * SEALED_SHARE_BYTES)
            shares = b"".join(
                (self._sealed.get(at) or self._pair_shares(at))[cut] for at in self._members
            )
            body = flags + shares
            requests[self._plan.name(reader)] = pack(Kind.UNMASK, self._round, self._context, body)
        return requests

    def add_shares(self, message: bytes) -> str:
        """Take the shares that a site opened; returns the site's name."""
        opened = self._opened(message, Kind.SHARES, "shares")
        count = len(self._members)
        if len(opened.body) != count * (1 + SHARE_BYTES) or bytes(opened.body[:count]) != bytes(
            at in self._sealed for at in self._members
        ):
            raise SecAggError("shares message is about another list of survivors")
        return self._take(opened, self._shares, bytes(opened.body[count:]))

    def total(self) -> npt.NDArray[np.float64]:
        """Open the round's sum, shape (length,), over `survivors`.

        Raises
        ------
        SecAggError
            Fewer sites opened shares than the threshold, or the masks do not cancel because
            a site did not follow the protocol.
        """
        if self._stage != "shares":
            raise SecAggError("no round is ready to be opened")
        self._enough(len(self._shares), "opened their shares", "the sum stays closed")
        added: list[bytes] = []
        subtracted: list[bytes] = []
        for at in self._members:
            secret = self._rebuilt(at)
            if at in self._sealed:
                subtracted.append(secret)
            else:
                # A survivor subtracted the mask that it shares with an earlier site: undo that.
                for peer, seed in self._pair_seeds(at, secret):
                    (added if peer > at else subtracted).append(seed)
        words = self._sum.copy()
        add_masks(words, added, subtracted)
        if int(words[-1]) != len(self._sealed):
            raise SecAggError(
                f"round {self._round}: the masks do not cancel; a site did not follow the protocol"
            )
        self._stage = "done"
        return self._codec.decode(words[:-1])

    def _rebuilt(self, at: int) -> bytes:
        start = self._members.index(at) * SHARE_BYTES
        shares = {
            self._members.index(reader): share[start : start + SHARE_BYTES]
            for reader, share in self._shares.items()
        }
        return combine(shares, self._plan.threshold)

    def _pair_seeds(self, dropped: int, key: bytes) -> list[tuple[int, bytes]]:
        """Each survivor, with the seed that it shares with the site at `dropped` this round."""
        about = box_about(self._context, dropped, self._round)
        try:
            seeds = unseal(key, self._deposit(dropped)[0], about)
        except ValueError:
            raise SecAggError(
                f"round {self._round}: the pairwise seeds of {self._plan.name(dropped)}, which "
                "dropped, do not open"
            ) from None
        peers = [at for at in self._members if at != dropped]
        return [
            (peer, seeds[number * KEY_BYTES : (number + 1) * KEY_BYTES])
            for number, peer in enumerate(peers)
            if peer in self._sealed
        ]

    # State

    def dump(self) -> bytes:
        """Write the state, from which another process can continue; it opens no site's value."""
        state = {
            "version": 1,
            "plan": self._plan.digest.hex(),
            "adverts": _texts(self._adverts),
            "members": self._members,
            "context": self._context.hex(),
            "deposits": _texts(self._deposits),
            "round": self._round,
            "codec": [self._codec.bits, self._codec.fraction],
            "sum": base64.b64encode(self._sum.tobytes()).decode(),
            "sealed": _texts(self._sealed),
            "shares": _texts(self._shares),
            "stage": self._stage,
        }
        return json.dumps(state).encode()

    @classmethod
    def load(cls, plan: SecAggPlan, state: bytes) -> SecAggSum:
        """Continue from what `dump` wrote, for the same plan.

        Raises
        ------
        SecAggError
            The state is of another plan.
        """
        kept = json.loads(state)
        if (kept["version"], kept["plan"]) != (1, plan.digest.hex()):
            raise SecAggError("the stored state is of another job or other settings")
        self = cls(plan)
        self._adverts = _bytes(kept["adverts"])
        self._members = kept["members"]
        self._context = bytes.fromhex(kept["context"])
        self._deposits = _bytes(kept["deposits"])
        self._round = kept["round"]
        self._codec = FixedPoint(*kept["codec"])
        self._sum = np.frombuffer(base64.b64decode(kept["sum"]), self._codec.dtype).copy()
        self._sealed = _bytes(kept["sealed"])
        self._shares = _bytes(kept["shares"])
        self._stage = kept["stage"]
        return self

    def _opened(self, message: bytes, kind: Kind, stage: str) -> Opened:
        if self._stage != stage:
            raise SecAggError(f"a {kind.name.lower()} message is not expected now")
        opened = unpack(message, kind, self._context, self._plan)
        if opened.round != self._round:
            raise SecAggError(
                f"{kind.name.lower()} message of round {opened.round} in round {self._round}"
            )
        return opened

    def _take(self, opened: Opened, into: dict[int, bytes], value: bytes) -> str:
        assert opened.sender is not None
        name = self._plan.name(opened.sender)
        if opened.sender in into:
            raise SecAggError(f"a second message from {name}")
        if self._members and opened.sender not in self._members:
            raise SecAggError(f"{name} is not in this set-up")
        into[opened.sender] = value
        return name

    def _enough(self, count: int, did: str, then: str) -> None:
        if count < self._plan.threshold:
            where = f"round {self._round}: " if self._round else ""
            raise SecAggError(
                f"{where}{count} of {len(self._plan.sites)} sites {did} and "
                f"{self._plan.threshold} are needed; {then}"
            )

    def _deposit_stride(self) -> int:
        count = len(self._members)
        return box_bytes(count) + count * SEALED_SHARE_BYTES

    def _deposit(self, at: int) -> tuple[bytes, bytes]:
        """Box of pairwise seeds and sealed shares of its key, of the site at `at`, this round."""
        stride = self._deposit_stride()
        entry = self._deposits[at][(self._round - 1) * stride : self._round * stride]
        cut = box_bytes(len(self._members))
        return entry[:cut], entry[cut:]

    def _pair_shares(self, at: int) -> bytes:
        return self._deposit(at)[1]


def _texts(messages: dict[int, bytes]) -> dict[str, str]:
    return {str(at): base64.b64encode(message).decode() for at, message in messages.items()}


def _bytes(texts: dict[str, str]) -> dict[int, bytes]:
    return {int(at): base64.b64decode(text) for at, text in texts.items()}
