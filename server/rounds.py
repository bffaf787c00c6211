"""What the rounds of a job cost, and how good the model was."""

from __future__ import annotations

from dataclasses import dataclass

from server.exchange import Exchange


@dataclass
class Round:
    """One round's cost, and how good the model is, as far as the scenario knows it."""

    number: int
    seconds: float = 0.0
    messages: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    loss: float | None = None
    roc_auc: float | None = None

    @classmethod
    def of(cls, number: int, cost: Exchange, loss: float | None = None) -> Round:
        """Return a round of one exchange."""
        entry = cls(number, loss=loss)
        entry.add(cost)
        return entry

    def add(self, cost: Exchange) -> None:
        """Count an exchange of the round."""
        self.seconds += cost.seconds
        self.messages += cost.messages
        self.bytes_up += cost.bytes_up
        self.bytes_down += cost.bytes_down
