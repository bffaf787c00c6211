"""Private set intersection, a site's side, by commutative multiplication on a curve.

The leader and each other site run an oblivious pseudo-random function (2HashDH: Jarecki, Kiayias
& Krawczyk 2014, doi:10.1007/978-3-662-45608-8_13). Its holder has a key k, F(x) = H'(x, k·H(x)),
and the asking site gets F of its own identifiers, of which the holder sees points blinded by r:

    asks   r·H(x)  ->  answers  k·r·H(x)  ->  knows  k·H(x) = r⁻¹·k·r·H(x)

Mode "each": the leader is the holder. It sends the tags F(x) of its rows in an order drawn at
random, and every other site looks for its own. The leader gets nothing back.

Mode "all": every other site i is a holder, of F_i. Under the key F_i(x) of each of its x it puts a
share z_i(x) into a table that shows nothing but its size (`table`). For each x the shares of all
sites cancel, and those of fewer are random (Kolesnikov, Matania, Pinkas, Rosulek & Trieu 2017,
doi:10.1145/3133956.3134065). So the leader sees which of its own x everybody has, and not who lacks
the others. To each site it then sends the tags F_i(x) of the shared ones, in one random order.

docs/psi.md has both message by message, and what each party learns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edufed.privacy.channels import ChannelError, Channels
from edufed.privacy.post import Letters, bundle, unbundle
from edufed.privacy.psi.alignment import Alignment
from edufed.privacy.psi.curve import (
    POINT_BYTES,
    PointError,
    hash_and_multiply,
    inverse,
    multiply,
    new_scalar,
)
from edufed.privacy.psi.ids import Identifiers
from edufed.privacy.psi.order import drawn_order
from edufed.privacy.psi.plan import PsiError, PsiPlan
from edufed.privacy.psi.table import TableError, build, look_up, table_size
from edufed.privacy.psi.tags import (
    DIGEST_BYTES,
    KEY,
    PAD,
    TAG,
    TAG_BYTES,
    Bytes,
    digests,
    positions,
    words,
)

#: Told what is being done, the identifiers done, and all there are.
Progress = Callable[[str, int, int], None]

_SHARE_BYTES = 8


class PsiSite:
    """One site's part in one alignment.

    Each request from the coordinator goes to `answer`, until `alignment` is there. A site that
    does not live from one message to the next stores `dump()` with its secrets in between.

    Parameters
    ----------
    plan : PsiPlan
        Made by the site from its own pinned roster; `plan.method` is "ecdh".
    name : str
        This site's name in the roster.
    identity : Ed25519PrivateKey
        Its identity key, which the roster pins.
    given : iterable of str
        The `link_id` of its learners; it is normalised, and counted once.
    threads : int, optional
        Processors to use; all of them unless set.
    progress : callable, optional
        Told (stage, done, total) after each batch.

    Attributes
    ----------
    alignment : Alignment or None
        The outcome, once it is known.

    Raises
    ------
    PsiError
        The roster has no such site or another key for it, or there are too many identifiers.
    """

    def __init__(
        self,
        plan: PsiPlan,
        name: str,
        identity: Ed25519PrivateKey,
        given: Iterable[object],
        *,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._plan = plan
        self._me = name
        self._ids = Identifiers.of(given)
        self._check_size(name, len(self._ids))
        self._threads = threads
        self._progress = progress
        try:
            self._channels = Channels(plan.digest, dict(plan.sites), name, identity)
        except ChannelError as error:
            raise PsiError(str(error)) from None
        self._identity = identity
        self._scalar = new_scalar()  # k of who holds the function, r of who asks
        self._kept: dict[str, bytes] = {}
        self._done = 0  # requests answered
        self.alignment: Alignment | None = None
        leads = name == plan.leader
        self._steps: list[Callable[[dict[str, bytes]], Letters]] = [self._advertise]
        if plan.mode == "all":
            self._steps += (
                [self._ask, self._keep_tables, self._match]
                if leads
                else [self._tabulate, self._evaluate, self._find_shared]
            )
        else:
            self._steps += (
                [self._send_rows, self._evaluate]
                if leads
                else [self._ask, self._keep_rows, self._find_rows]
            )

    def answer(self, request: bytes) -> bytes:
        """Answer the coordinator's next request: letters to this site, and from it.

        Raises
        ------
        PsiError
            A letter that is missing, forged, malformed or too large, naming its sender; or the
            alignment is over.
        """
        if self._done == len(self._steps):
            raise PsiError("this alignment is over")
        letters = unbundle(request)
        mail = dict(letters)
        if len(mail) < len(letters):
            raise PsiError("a site wrote twice")
        try:
            answer = bundle(self._steps[self._done](mail))
        except ChannelError as error:
            raise PsiError(str(error)) from None
        self._done += 1
        return answer

    # Both modes

    def _advertise(self, _: dict[str, bytes]) -> Letters:
        return [(name, self._channels.advert()) for name in self._peers]

    def _ask(self, mail: dict[str, bytes]) -> Letters:
        self._channels.connect(mail)
        points = self._hashed("blinding identifiers")
        return self._to(self._holders, "points", points)

    def _evaluate(self, mail: dict[str, bytes]) -> Letters:
        letters = []
        for name in self._askers:
            points = self._open(mail, name, "points")
            self._check_size(name, len(points) // POINT_BYTES)
            done = self._multiplied(points, self._scalar, name, f"evaluating points of {name}")
            letters += self._to([name], "evaluated", done)
        if self._plan.mode == "each":
            order = np.frombuffer(self._kept.pop("order"), "<i8")
            self._finish(self._ids.rows[order])
        return letters

    # Mode "each"

    def _send_rows(self, mail: dict[str, bytes]) -> Letters:
        self._channels.connect(mail)
        order = drawn_order(len(self._ids))
        self._kept["order"] = order.astype("<i8").tobytes()
        own = self._digests(self._hashed("computing tags of own identifiers"))
        return self._to(self._plan.others, "rows", own[order, TAG].tobytes())

    def _keep_rows(self, mail: dict[str, bytes]) -> Letters:
        self._kept["rows"] = self._open(mail, self._plan.leader, "rows")
        self._check_size(self._plan.leader, len(self._kept["rows"]) // TAG_BYTES)
        return []

    def _find_rows(self, mail: dict[str, bytes]) -> Letters:
        own = self._digests(self._unblinded(mail, self._plan.leader))
        self._finish(self._found(self._kept.pop("rows"), own))
        return []

    # Mode "all"

    def _tabulate(self, mail: dict[str, bytes]) -> Letters:
        self._channels.connect(mail)
        own = self._digests(self._hashed("computing tags of own identifiers"))
        self._kept["own"] = own.tobytes()
        table = build(words(own[:, KEY]), words(own[:, PAD]).ravel() ^ self._shares())
        return self._to([self._plan.leader], "table", table)

    def _keep_tables(self, mail: dict[str, bytes]) -> Letters:
        for name in self._plan.others:
            table = self._open(mail, name, "table")
            if len(table) > table_size(self._plan.most):
                self._check_size(name, self._plan.most + 1)
            self._kept[f"table {name}"] = table
        return []

    def _match(self, mail: dict[str, bytes]) -> Letters:
        total = np.zeros(len(self._ids), np.uint64)
        tags: dict[str, Bytes] = {}
        for name in self._plan.others:
            found = self._digests(self._unblinded(mail, name))
            try:
                read = look_up(self._kept.pop(f"table {name}"), words(found[:, KEY]))
            except TableError as error:
                raise PsiError(f"{name} sent a malformed table: {error}") from None
            total ^= read ^ words(found[:, PAD]).ravel()
            tags[name] = found[:, TAG]
        shared = np.flatnonzero(total == 0)
        order = shared[drawn_order(len(shared))]
        self._finish(self._ids.rows[order])
        return [
            letter
            for name in self._plan.others
            for letter in self._to([name], "shared", tags[name][order].tobytes())
        ]

    def _find_shared(self, mail: dict[str, bytes]) -> Letters:
        tags = self._open(mail, self._plan.leader, "shared")
        own = np.frombuffer(self._kept.pop("own"), np.uint8).reshape(-1, DIGEST_BYTES)
        rows = self._found(tags, own)
        if (rows < 0).any():
            raise PsiError(f"{self._plan.leader} sent tags that are not of this site's identifiers")
        self._finish(rows)
        return []

    def _shares(self) -> npt.NDArray[np.uint64]:
        """Shares z_i(x) of this site's x, which cancel over all sites but the leader."""
        total = np.zeros(len(self._ids), np.uint64)
        for peer in self._plan.others:
            if peer != self._me:
                key = self._channels.shared(peer, "psi shares")
                drawn = b"".join(
                    hashlib.blake2b(value.encode(), digest_size=_SHARE_BYTES, key=key).digest()
                    for value in self._ids.values
                )
                total ^= np.frombuffer(drawn, "<u8")
        return total

    # Parts of steps

    @property
    def _peers(self) -> list[str]:
        return [name for name in self._plan.names if name != self._me]

    @property
    def _holders(self) -> Sequence[str]:
        return self._plan.others if self._plan.mode == "all" else [self._plan.leader]

    @property
    def _askers(self) -> Sequence[str]:
        return [self._plan.leader] if self._plan.mode == "all" else self._plan.others

    def _to(self, names: Iterable[str], subject: str, content: bytes) -> Letters:
        return [(name, self._channels.seal(name, subject, content)) for name in names]

    def _open(self, mail: dict[str, bytes], sender: str, subject: str) -> bytes:
        if sender not in mail:
            raise PsiError(f"there is no {subject} letter of {sender}")
        return self._channels.unseal(sender, subject, mail[sender])

    def _check_size(self, name: str, count: int) -> None:
        if count > self._plan.most:
            raise PsiError(
                f"{name} announces more identifiers than the {self._plan.most} agreed on"
            )

    def _told(self, stage: str) -> Callable[[int, int], None] | None:
        told = self._progress
        return None if told is None else lambda done, total: told(stage, done, total)

    def _hashed(self, stage: str) -> bytes:
        return hash_and_multiply(self._ids.values, self._scalar, self._threads, self._told(stage))

    def _multiplied(self, points: bytes, scalar: bytes, sender: str, stage: str) -> bytes:
        try:
            return multiply(points, scalar, self._threads, self._told(stage))
        except PointError as error:
            raise PsiError(f"{sender} sent a malformed point: {error}") from None

    def _unblinded(self, mail: dict[str, bytes], holder: str) -> bytes:
        points = self._open(mail, holder, "evaluated")
        if len(points) != POINT_BYTES * len(self._ids):
            raise PsiError(f"{holder} answered with another number of points than was asked")
        stage = f"unblinding points of {holder}"
        return self._multiplied(points, inverse(self._scalar), holder, stage)

    def _digests(self, points: bytes) -> Bytes:
        return digests(self._plan.digest, self._ids.values, points)

    def _found(self, tags: bytes, own: Bytes) -> npt.NDArray[np.int64]:
        """Given row of each of the leader's tags, or -1."""
        try:
            at = positions(tags, own)
        except ValueError as error:
            raise PsiError(f"{self._plan.leader} sent what does not fit: {error}") from None
        return np.where(at < 0, -1, np.append(self._ids.rows, -1)[at])

    def _finish(self, rows: npt.NDArray[np.int64]) -> None:
        self.alignment = Alignment(rows, self._ids.duplicates, self._ids.missing)

    # From one message to the next

    def dump(self) -> bytes:
        """Write this site's state; it holds the job's secrets, so keep it secret."""
        state = {
            "check": self._check(),
            "done": str(self._done).encode(),
            "secret": self._channels.secret,
            "adverts": bundle(self._channels.adverts.items()),
            "scalar": self._scalar,
            **{f"kept {name}": content for name, content in self._kept.items()},
        }
        return bundle(state.items())

    def resume(self, state: bytes) -> None:
        """Continue from what `dump` wrote, in a site made with the same arguments.

        Raises
        ------
        PsiError
            The state is of another plan, site or list of identifiers.
        """
        stored = dict(unbundle(state))
        if stored["check"] != self._check():
            raise PsiError("the stored state is of another job, site or list of identifiers")
        roster = dict(self._plan.sites)
        self._channels = Channels(
            self._plan.digest, roster, self._me, self._identity, stored["secret"]
        )
        adverts = dict(unbundle(stored["adverts"]))
        if adverts:
            self._channels.connect(adverts)
        self._done = int(stored["done"])
        self._scalar = stored["scalar"]
        self._kept = {
            name.removeprefix("kept "): content
            for name, content in stored.items()
            if name.startswith("kept ")
        }

    def _check(self) -> bytes:
        listed = "\0".join((self._me, *self._ids.values)).encode()
        return hashlib.sha256(self._plan.digest + listed).digest()
