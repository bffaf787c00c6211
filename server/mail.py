"""Letters that the coordinator hands on between sites, and cannot open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from edufed.arrays import Arrays
from edufed.privacy.post import PostError, bundle, unbundle
from server.exchange import Reply

#: Name under which a message carries letters.
POST = "post"
#: Sender of the coordinator's own letters; no site can have this name.
DEALER = "/dealer"


class Mail:
    """Letters that wait for their recipients.

    Parameters
    ----------
    names : collection of str
        The sites that may write to each other.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._waiting: dict[str, list[tuple[str, bytes]]] = {}

    @property
    def recipients(self) -> list[str]:
        """Names of the sites for which letters wait."""
        return sorted(self._waiting)

    def put(self, sender: str, arrays: Arrays) -> None:
        """Take a site's letters.

        Raises
        ------
        PostError
            They are damaged, or to somebody who takes no part.
        """
        letters = unbundle(arrays[POST].tobytes()) if POST in arrays else []
        for recipient, letter in letters:
            if recipient not in self._names or recipient == sender:
                raise PostError(f"{sender} writes to somebody who takes no part")
            self._waiting.setdefault(recipient, []).append((sender, letter))

    def deal(self, recipient: str, parts: Mapping[str, bytes]) -> None:
        """Write to a site in the coordinator's own name."""
        letter = bundle(parts.items())
        self._waiting.setdefault(recipient, []).append((DEALER, letter))

    def take(self, name: str) -> Arrays:
        """Hand out all letters for a site, as its next message carries them."""
        return {POST: _array(bundle(self._waiting.pop(name, [])))}

    def state(self) -> Arrays:
        """Letters as a checkpoint keeps them, by recipient."""
        return {name: _array(bundle(letters)) for name, letters in self._waiting.items()}

    def restore(self, state: Arrays) -> None:
        """Take back what `state` gave."""
        self._waiting = {name: unbundle(letters.tobytes()) for name, letters in state.items()}


def fault_of(reply: Reply, names: Iterable[str]) -> str | None:
    """Say in one line what is wrong with an answer's letters, or None."""
    try:
        Mail([*names]).put(str(reply.meta.get("site")), reply.arrays)
    except PostError as error:
        return str(error)
    return None


def _array(content: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(content, dtype=np.uint8)
