"""Identifiers as sites write them, made comparable."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_INVISIBLE = {"Cf", "Cc", "Zs", "Zl", "Zp"}  # format and control characters, every kind of space


def normalise(value: object) -> str:
    """Give one spelling to identifiers that differ in form alone.

    Unicode NFKC turns full-width digits and letters into plain ones; then case is folded, and
    spaces and invisible characters go. A missing value gives the empty string.
    """
    if value is None or value != value:  # NaN is the one value that differs from itself
        return ""
    text = str(value)
    if text.isascii() and text.isalnum():  # most are: nothing to do but the case
        return text.casefold()
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (c for c in folded if unicodedata.category(c) not in _INVISIBLE)
    # Folding case can undo the normal form (U+0345, for one), so it is made again.
    return unicodedata.normalize("NFKC", "".join(kept))


@dataclass(frozen=True)
class Identifiers:
    """The distinct identifiers of a site.

    Attributes
    ----------
    values : tuple of str
        Normalised, each once, in order of first appearance.
    rows : int64 array, shape (len(values),)
        Where each stood first in what the site gave.
    duplicates : int
        Given rows whose identifier had stood before: they are left out.
    missing : int
        Given rows with no identifier: they are left out.
    """

    values: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    duplicates: int
    missing: int

    @classmethod
    def of(cls, given: Iterable[object]) -> Identifiers:
        """Normalise `given`, and leave out what is missing or comes again."""
        first: dict[str, int] = {}
        count = missing = 0
        for row, value in enumerate(given):
            count += 1
            key = normalise(value)
            if key:
                first.setdefault(key, row)
            else:
                missing += 1
        return cls(
            tuple(first),
            np.fromiter(first.values(), np.int64, len(first)),
            count - missing - len(first),
            missing,
        )

    def __len__(self) -> int:
        return len(self.values)
