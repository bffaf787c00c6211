"""Categories of a platform's resources: few enough to foretell from what others know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Resources:
    """A platform's resources, assessments apart.

    A resource that belongs to a course is of the category of its kind, `kind:video`. One that is
    open to every course is of its subject, `subject:law`: no learner has it set, and what they
    like shows in it. Where no subject is known the kind serves, `open:video`.

    Attributes
    ----------
    names : object array, shape (resources,)
        Sorted.
    kinds, courses : object arrays, shape (resources,)
        `courses` is empty for a resource that is open to all.
    categories : tuple of str
        Sorted.
    category : int64 array, shape (resources,)
        Places in `categories`.
    """

    names: npt.NDArray[np.object_]
    kinds: npt.NDArray[np.object_]
    courses: npt.NDArray[np.object_]
    categories: tuple[str, ...]
    category: npt.NDArray[np.int64]

    @classmethod
    def of(cls, listed: Sequence[tuple[str, str, str | None, str | None]]) -> Resources:
        """Take names, kinds, subjects and courses of resources."""
        words = [category(kind, subject, course) for _, kind, subject, course in listed]
        categories = tuple(sorted(set(words)))
        place = {word: number for number, word in enumerate(categories)}
        return cls(
            names=np.array([name for name, *_ in listed], dtype=object),
            kinds=np.array([kind for _, kind, *_ in listed], dtype=object),
            courses=np.array([course or "" for *_, course in listed], dtype=object),
            categories=categories,
            category=np.array([place[word] for word in words], dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.names)

    def offered(self, course: str) -> npt.NDArray[np.int64]:
        """Places of a course's own resources and the open ones: what its learners may use."""
        return np.flatnonzero((self.courses == course) | (self.courses == ""))


def category(kind: str, subject: str | None, course: str | None) -> str:
    """Name the category of a resource."""
    if course:
        return f"kind:{kind}"
    return f"subject:{subject}" if subject else f"open:{kind}"
