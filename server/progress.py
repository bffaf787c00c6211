"""How a running job tells whoever started it where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One thing that happened.

    Attributes
    ----------
    phase : str
        ``waiting``, ``features``, ``statistics``, ``training``, ``evaluation``, ``publishing``.
    text : str
        One line for a person; holds no learner's identifier.
    done, total : int
        How far the phase is; `total` is 0 where that is not known.
    """

    phase: str
    text: str
    done: int = 0
    total: int = 0


Progress = Callable[[Step], None]
