"""What a site's process keeps in memory from one message to the next, within a bound in bytes.

A real site's worker answers for one site, a simulation's process for any number of them. Nothing
is lost with what had to go: it is made again from the site's state folder.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar, cast

#: Bytes of the one store that a process has: a thousand small sites, or half a million learners.
MOST_BYTES = 512 * 2**20


class Sized(Protocol):
    """Anything that knows how many bytes it takes, about."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        ...


T = TypeVar("T", bound=Sized)


class Kept:
    """The values that were asked for last, as many as fit.

    Parameters
    ----------
    most_bytes : int
        What all values together may take; one that alone takes more is not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.nbytes = 0
        self._values: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value under `key`, made by `make` where it is not kept."""
        if key in self._values:
            self._values.move_to_end(key)
            return cast(T, self._values[key])
        value = make()
        if value.nbytes <= self.most_bytes:
            self._values[key] = value
            self.nbytes += value.nbytes
        while self.nbytes > self.most_bytes:
            self.nbytes -= self._values.popitem(last=False)[1].nbytes
        return value


#: What this process keeps.
KEPT = Kept(MOST_BYTES)
