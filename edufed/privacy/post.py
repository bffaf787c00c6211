"""Mail between sites that the coordinator carries: framing and forwarding, and nothing else.

A site answers each request, a bundle of letters for it, with a bundle of letters for others. The
`PostOffice` at the coordinator hands them on and cannot open them (`edufed.privacy.channels`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

Letters = list[tuple[str, bytes]]

_HEAD = struct.Struct(">BQ")


class PostError(Exception):
    """A bundle of letters that is damaged or out of place; the message is one line."""


def bundle(letters: Iterable[tuple[str, bytes]]) -> bytes:
    """Join letters, each with the name of its sender or recipient."""
    parts: list[bytes] = []
    for name, letter in letters:
        encoded = name.encode()
        parts += [_HEAD.pack(len(encoded), len(letter)), encoded, letter]
    return b"".join(parts)


def unbundle(content: bytes) -> Letters:
    """Take a bundle apart.

    Raises
    ------
    PostError
        It was cut short or altered.
    """
    letters, at = [], 0
    while at < len(content):
        if at + _HEAD.size > len(content):
            raise PostError("a bundle of letters is cut short")
        name_size, size = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        end = at + name_size + size
        if end > len(content):
            raise PostError("a bundle of letters is cut short")
        try:
            name = content[at : at + name_size].decode()
        except UnicodeDecodeError:
            raise PostError("a bundle of letters names nobody readable") from None
        letters.append((name, content[at + name_size : end]))
        at = end
    return letters


class PostOffice:
    """The coordinator's part: forward letters until nobody writes any more.

        while not office.done:
            for name, request in office.requests().items():
                office.add(name, answer_of(name, request))

    Parameters
    ----------
    names : iterable of str
        The sites, each of which gets an empty request first.

    Attributes
    ----------
    carried : list of (str, str, int)
        Sender, recipient and bytes of each letter: all that the coordinator sees.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._waiting: dict[str, Letters] = {name: [] for name in names}
        self._names = set(self._waiting)
        self._asked: set[str] = set()
        self.carried: list[tuple[str, str, int]] = []

    @property
    def done(self) -> bool:
        """Whether no letter waits and no answer is outstanding."""
        return not self._waiting and not self._asked

    def requests(self) -> dict[str, bytes]:
        """Collect the next request for each site that has mail.

        Raises
        ------
        PostError
            Not all sites have answered yet.
        """
        if self._asked:
            raise PostError(f"no answer yet from {', '.join(sorted(self._asked))}")
        waiting, self._waiting = self._waiting, {}
        self._asked = set(waiting)
        return {name: bundle(letters) for name, letters in sorted(waiting.items())}

    def add(self, name: str, answer: bytes) -> None:
        """Take a site's answer.

        Raises
        ------
        PostError
            An answer nobody asked for, or a letter to someone who takes no part.
        """
        if name not in self._asked:
            raise PostError(f"{name} answers without having been asked")
        letters = unbundle(answer)
        if {recipient for recipient, _ in letters} - (self._names - {name}):
            raise PostError(f"{name} writes to somebody who takes no part")
        self._asked.remove(name)
        for recipient, letter in letters:
            self._waiting.setdefault(recipient, []).append((name, letter))
            self.carried.append((name, recipient, len(letter)))
