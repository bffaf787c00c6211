"""Alignment by a keyed hash: one secret among the sites, which the coordinator must not have.

Weaker than `PsiSite`, and much cheaper: the coordinator matches pseudonyms (HMAC-SHA256 of the
identifiers), so it learns how many learners any group of sites has in common. The sites learn
what they learn by `PsiSite`. Whoever has the secret, for which one careless site is enough, and the
pseudonyms can try out every number there is, and then knows who is where. The secret is bound to a
job before use, so pseudonyms of two jobs cannot be linked without it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edufed.privacy.psi.alignment import Alignment
from edufed.privacy.psi.ids import Identifiers
from edufed.privacy.psi.order import drawn_order
from edufed.privacy.psi.plan import PsiError, PsiPlan

_TAG_BYTES = 16
_FEWEST_SECRET_BYTES = 32


class KeyedHashSite:
    """One site's part; it answers the matcher's two requests.

    Parameters
    ----------
    plan : PsiPlan
        `plan.method` is "keyed_hash".
    name : str
        This site's name.
    secret : bytes
        At least 32 random bytes, the same at all sites and unknown to the coordinator.
    given : iterable of str
        The `link_id` of its learners.

    Raises
    ------
    PsiError
        The secret is too short.
    """

    def __init__(self, plan: PsiPlan, name: str, secret: bytes, given: Iterable[object]) -> None:
        if len(secret) < _FEWEST_SECRET_BYTES:
            raise PsiError(
                f"the sites' secret has {len(secret)} bytes and needs {_FEWEST_SECRET_BYTES}: "
                "make one with openssl rand 32"
            )
        self._plan = plan
        self._me = name
        self._ids = Identifiers.of(given)
        key = HKDF(SHA256(), 32, plan.digest, b"edufed psi keyed hash").derive(secret)
        tags = [
            hmac.digest(key, value.encode(), "sha256")[:_TAG_BYTES] for value in self._ids.values
        ]
        order = sorted(range(len(tags)), key=tags.__getitem__)
        self._tags = b"".join(tags[at] for at in order)
        self._rows = self._ids.rows[order]

    def tags(self) -> bytes:
        """Pseudonyms of this site's learners, sorted, for the coordinator."""
        return self._tags

    def align(self, answer: bytes) -> Alignment:
        """Take the coordinator's answer.

        Raises
        ------
        PsiError
            It does not fit what this site sent.
        """
        if len(answer) % 8:
            raise PsiError("the coordinator's answer is cut short")
        at = np.frombuffer(answer, "<i8")
        lowest = 0 if self._plan.mode == "all" or self._me == self._plan.leader else -1
        if len(at) and (at.min() < lowest or at.max() >= len(self._rows)):
            raise PsiError("the coordinator's answer names rows that this site did not send")
        rows = np.where(at < 0, -1, np.append(self._rows, -1)[at])
        return Alignment(rows, self._ids.duplicates, self._ids.missing)


class KeyedHashMatcher:
    """The coordinator's part: it compares pseudonyms.

    Parameters
    ----------
    plan : PsiPlan
    """

    def __init__(self, plan: PsiPlan) -> None:
        self._plan = plan
        self._tags: dict[str, npt.NDArray[np.void]] = {}

    def add(self, name: str, tags: bytes) -> None:
        """Take the pseudonyms of the site `name`.

        Raises
        ------
        PsiError
            Not a site of the plan, too many pseudonyms, not sorted or not distinct.
        """
        if name not in self._plan.names:
            raise PsiError(f"{name} takes no part in this alignment")
        if len(tags) % _TAG_BYTES or len(tags) > self._plan.most * _TAG_BYTES:
            raise PsiError(f"{name} sent a list of pseudonyms that is cut short or too long")
        listed = np.frombuffer(tags, f"V{_TAG_BYTES}")
        if len(np.unique(listed)) < len(listed):
            raise PsiError(f"{name} sent a pseudonym twice")
        self._tags[name] = listed

    def answers(self) -> dict[str, bytes]:
        """Tell each site which of its pseudonyms stand in the shared rows, in one random order.

        Raises
        ------
        PsiError
            A site has not sent its pseudonyms.
        """
        missing = [name for name in self._plan.names if name not in self._tags]
        if missing:
            raise PsiError(f"no pseudonyms from {', '.join(missing)}")
        at = {
            name: {tag: row for row, tag in enumerate(tags.tolist())}
            for name, tags in self._tags.items()
        }
        rows = list(at[self._plan.leader])
        if self._plan.mode == "all":
            rows = [tag for tag in rows if all(tag in places for places in at.values())]
        order = drawn_order(len(rows))
        return {
            name: np.array([places.get(rows[row], -1) for row in order], "<i8").tobytes()
            for name, places in at.items()
        }
