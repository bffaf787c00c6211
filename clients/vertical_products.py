"""How a vertical job's label party and one feature party multiply residuals by features.

Two ways, each with a label party's and a feature party's side, and the same results to the last
digit (`edufed.privacy.products`): `lattice` rests on nobody; `dealt` takes a fraction of the time,
and **rests on the coordinator not joining forces with a site**. Parts of letters go by name.

    label party      begin -> first letter;  keep <- each answer;  request -> each round's letter
    feature party    begin -> first answer;  gradient <- each round's letter;  answer -> each answer
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from clients.parties import Parts
from clients.platform import scale_for
from clients.steps import StepError
from edufed.arrays import Arrays, as_array, unprefixed
from edufed.config.job import Job
from edufed.config.strategy import ExactSettings
from edufed.privacy.products import (
    DealtFeature,
    DealtLabel,
    FeatureParty,
    PreparedLabel,
    Shape,
)
from edufed.privacy.products.prepared import gradient

Array = npt.NDArray[np.float64]

#: Under this name the coordinator's own letters come; no site can have it.
DEALER = "/dealer"


class LabelProduct(Protocol):
    """The label party's side, for one feature party."""

    @property
    def state(self) -> Arrays:
        """What must outlast the object; secret."""
        ...

    def begin(self) -> Parts:
        """Make what the feature party needs to start."""
        ...

    def keep(self, parts: Parts) -> None:
        """Keep what an answer brings for later rounds."""
        ...

    def request(self, residual: Array, number: int) -> Parts:
        """Hide the residual of a round."""
        ...


class FeatureProduct(Protocol):
    """The feature party's side."""

    @property
    def state(self) -> Arrays:
        """What must outlast the object; secret."""
        ...

    def begin(self, parts: Parts, /) -> Parts:
        """Answer to what the label party begins with."""
        ...

    def gradient(self, parts: Parts, /) -> Array:
        """Compute the gradient of a round, shape (columns, labels)."""
        ...

    def answer(self, parts: Parts, /) -> Parts:
        """Make what the label party needs for later rounds."""
        ...


class LatticeLabel:
    """Prepared by encryption, one round ahead."""

    def __init__(self, shape: Shape, state: Arrays) -> None:
        self._product = PreparedLabel(
            shape,
            scale_for(shape.rows),
            state["secret"].tobytes() if state else None,
            {int(n): share for n, share in unprefixed("share/", state).items()},
        )

    @property
    def state(self) -> Arrays:
        """As `LabelProduct.state`."""
        shares = {f"share/{n}": share for n, share in self._product.shares.items()}
        return {"secret": as_array(self._product.secret), **shares}

    def begin(self) -> Parts:
        """As `LabelProduct.begin`."""
        return {"key": self._product.public_key(), "ask": self._product.ask(1)}

    def keep(self, parts: Parts) -> None:
        """As `LabelProduct.keep`."""
        self._product.keep(parts["reply"])

    def request(self, residual: Array, number: int) -> Parts:
        """As `LabelProduct.request`."""
        sent = self._product.send(residual, number)
        return {"product": sent, "ask": self._product.ask(number + 1)}


class LatticeFeature:
    """Prepared by encryption, one round ahead."""

    def __init__(self, x: Array, labels: int, state: Arrays) -> None:
        self._x, self._labels = x, labels
        if state:
            self._start(state["key"].tobytes(), unprefixed("pending/", state))

    def _start(self, key: bytes, pending: Arrays) -> None:
        seeds = {int(number): seed.tobytes() for number, seed in pending.items()}
        self._key = key
        self._party = FeatureParty(self._x, key, self._labels, scale_for(len(self._x)), seeds)

    @property
    def state(self) -> Arrays:
        """As `FeatureProduct.state`."""
        pending = {f"pending/{n}": as_array(seed) for n, seed in self._party.pending.items()}
        return {"key": as_array(self._key), **pending}

    def begin(self, parts: Parts) -> Parts:
        """As `FeatureProduct.begin`."""
        self._start(parts["key"], {})
        return self.answer(parts)

    def gradient(self, parts: Parts) -> Array:
        """As `FeatureProduct.gradient`."""
        return gradient(self._party, parts["product"])

    def answer(self, parts: Parts) -> Parts:
        """As `FeatureProduct.answer`."""
        return {"reply": self._party.multiply(parts["ask"])}


class DealtLabelSide:
    """Dealt by the coordinator for all rounds, once the parties' rows are known."""

    def __init__(self, shape: Shape, state: Arrays) -> None:
        self._shape = shape
        self._part = state["part"].tobytes() if "part" in state else b""
        self._hidden = state["hidden"].tobytes() if "hidden" in state else b""
        self._used = set(state["used"].tolist()) if "used" in state else set()

    @property
    def state(self) -> Arrays:
        """As `LabelProduct.state`."""
        return {
            "part": as_array(self._part),
            "hidden": as_array(self._hidden),
            "used": np.array(sorted(self._used), np.int64),
        }

    def deal(self, part: bytes) -> None:
        """Take the coordinator's numbers for this side."""
        self._part = part

    def begin(self) -> Parts:
        """As `LabelProduct.begin`."""
        return {}

    def keep(self, parts: Parts) -> None:
        """As `LabelProduct.keep`."""
        self._hidden = parts.get("hidden", self._hidden)

    def request(self, residual: Array, number: int) -> Parts:
        """As `LabelProduct.request`."""
        product = DealtLabel(self._shape, self._part, scale_for(self._shape.rows), self._used)
        product.take(self._hidden)
        sent = product.send(residual, number)
        self._used = product.used
        return {"product": sent}


class DealtFeatureSide:
    """Dealt by the coordinator for all rounds."""

    def __init__(self, x: Array, labels: int, state: Arrays) -> None:
        self._x, self._labels = x, labels
        if state:
            self.deal(state["part"].tobytes())

    @property
    def state(self) -> Arrays:
        """As `FeatureProduct.state`."""
        return {"part": as_array(self._part)}

    def deal(self, part: bytes) -> None:
        """Take the coordinator's numbers for this side."""
        self._part = part
        self._party = DealtFeature(self._x, part, self._labels, scale_for(len(self._x)))

    def begin(self, _parts: Parts) -> Parts:
        """As `FeatureProduct.begin`."""
        return {"hidden": self._party.hidden()}

    def gradient(self, parts: Parts) -> Array:
        """As `FeatureProduct.gradient`."""
        return self._party.gradient(parts["product"])

    def answer(self, _parts: Parts) -> Parts:
        """As `FeatureProduct.answer`."""
        return {}


def is_dealt(job: Job) -> bool:
    """Whether the job's products are made from numbers that the coordinator deals."""
    return isinstance(job.strategy, ExactSettings) and job.strategy.products == "dealt"


def dealt_part(mail: Parts | None, name: str) -> bytes:
    """Return what the coordinator dealt.

    Raises
    ------
    StepError
        It dealt nothing.
    """
    if mail is None or name not in mail:
        raise StepError("the coordinator dealt no numbers; strategy.products=lattice needs none")
    return mail[name]
