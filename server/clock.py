"""How long each phase of a job takes."""

from __future__ import annotations

import time


class Clock:
    """Seconds by phase, in the order in which the phases end.

    Attributes
    ----------
    phases : list of (str, float)
    """

    def __init__(self) -> None:
        self.phases: list[tuple[str, float]] = []
        self._last = time.monotonic()

    def lap(self, phase: str) -> None:
        """Note the seconds since the last phase ended as those of `phase`."""
        now = time.monotonic()
        self.phases.append((phase, now - self._last))
        self._last = now
