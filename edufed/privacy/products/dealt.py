"""Products from random numbers that the coordinator deals: a fraction of the bytes and the time.

**It rests on the coordinator not joining forces with a site.** Together with the label party it
reads all features of the feature party; together with the feature party, all residuals, and so the
labels. Choose it only where that may be relied on; `prepared` relies on nobody.

    coordinator             label party                  feature party
    Dealer(shape, rounds)
    for_label()        ->   DealtLabel(part)
    for_feature()      ------------------------------->  DealtFeature(matrix, part)
                            take(hidden)            <-   hidden()                    once
                            send(residual, number)  ->   gradient(message)           each round

The dealer draws a matrix A for the feature party and for each round a vector u for the label party,
and splits Aᵀu between them. The feature party sends X - A once, so the label party turns its share
into one of Xᵀu. What the two send to each other travels sealed (`edufed.privacy.channels`): the
coordinator knows A and u, and could take them off.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from edufed.privacy.keys import derive
from edufed.privacy.products import shifted
from edufed.privacy.products.lattice import PLAIN_MASK, Words
from edufed.privacy.products.message import Kind, Shape, pack, unpack
from edufed.privacy.products.modular import product
from edufed.privacy.products.scale import ProductError, Scale, from_bytes, to_bytes

_SEED_BYTES = 32


class Dealer:
    """The coordinator's part, for one pair of label party and feature party.

    Parameters
    ----------
    shape : Shape
    rounds : int
        Rounds are numbered 1..rounds.
    """

    def __init__(self, shape: Shape, rounds: int) -> None:
        self._shape = shape
        self._rounds = rounds
        self._label, self._feature = os.urandom(_SEED_BYTES), os.urandom(_SEED_BYTES)

    def for_feature(self) -> bytes:
        """Make the feature party's part: a seed."""
        return pack(Kind.DEAL, self._rounds, self._shape, self._feature)

    def for_label(self) -> bytes:
        """Make the label party's part: a seed, and a share of each round."""
        matrix = _matrix(self._feature, self._shape)
        shares = []
        for number in range(1, self._rounds + 1):
            total = product(matrix, _shift(self._label, number, self._shape))
            share = (total - _share(self._feature, number, self._shape)) & PLAIN_MASK
            shares.append(to_bytes(share))
        return pack(Kind.DEAL, self._rounds, self._shape, self._label, *shares)


class DealtLabel:
    """The label party's side.

    Parameters
    ----------
    shape : Shape
    part : bytes
        From the dealer.
    scale : Scale
    used : iterable of int, optional
        `used` of an earlier object, to go on after a restart.

    Attributes
    ----------
    used : set of int
        Rounds that were sent: none is ever sent again.
    """

    def __init__(
        self,
        shape: Shape,
        part: bytes,
        scale: Scale | None = None,
        used: set[int] | None = None,
    ) -> None:
        self._shape = shape
        self._scale = scale or Scale()
        rounds, body = unpack(part, Kind.DEAL, shape)
        self._seed = bytes(body[:_SEED_BYTES])
        self._shares = from_bytes(body[_SEED_BYTES:], rounds, shape.features, shape.labels)
        self._hidden: Words | None = None
        self.used = set(used or ())

    def take(self, hidden: bytes) -> None:
        """Take the feature party's X - A."""
        _, body = unpack(hidden, Kind.HIDDEN, self._shape)
        self._hidden = from_bytes(body, self._shape.rows, self._shape.features)

    def send(self, residual: npt.ArrayLike, number: int) -> bytes:
        """Make the one message of round `number`; each round is for one residual.

        Raises
        ------
        ProductError
            The round was not dealt or was used before, or the hidden features are missing.
        """
        if self._hidden is None:
            raise ProductError("the feature party has not sent its hidden features")
        if not 1 <= number <= len(self._shares) or number in self.used:
            raise ProductError(f"round {number} was not dealt, or was used before")
        shift = _shift(self._seed, number, self._shape)
        share = (self._shares[number - 1] + product(self._hidden, shift)) & PLAIN_MASK
        message = shifted.send(residual, shift, share, number, self._shape, self._scale)
        self.used.add(number)
        return message


class DealtFeature:
    """The feature party's side.

    Parameters
    ----------
    matrix : array, shape (rows, features)
    part : bytes
        From the dealer.
    labels : int
    scale : Scale
    """

    def __init__(
        self, matrix: npt.ArrayLike, part: bytes, labels: int = 1, scale: Scale | None = None
    ) -> None:
        self._scale = scale or Scale()
        self._matrix = self._scale.features(matrix)
        self._shape = Shape(len(self._matrix), self._matrix.shape[1], labels)
        self._rounds, body = unpack(part, Kind.DEAL, self._shape)
        if len(body) != _SEED_BYTES:
            raise ProductError("the dealt part is not that of a feature party")
        self._seed = bytes(body)

    @property
    def features(self) -> npt.NDArray[np.float64]:
        """Give the rounded features: train on these."""
        return self._scale.decode_features(self._matrix)

    def hidden(self) -> bytes:
        """Make the message X - A, once."""
        whole = self._matrix.astype(np.int64).view(np.uint64)
        hidden = (whole - _matrix(self._seed, self._shape)) & PLAIN_MASK
        return pack(Kind.HIDDEN, 0, self._shape, to_bytes(hidden))

    def gradient(self, message: bytes) -> npt.NDArray[np.float64]:
        """Compute Xᵀr, shape (features, labels), from the message of a round."""
        number = shifted.number_of(message, self._shape)
        if not 1 <= number <= self._rounds:
            raise ProductError(f"round {number} was not dealt")
        share = _share(self._seed, number, self._shape)
        return shifted.receive(message, self._matrix, share, self._shape, self._scale)


def _matrix(seed: bytes, shape: Shape) -> Words:
    return shifted.uniform_words(derive(seed, b"matrix"), shape.rows, shape.features)


def _share(seed: bytes, number: int, shape: Shape) -> Words:
    key = derive(seed, b"share" + number.to_bytes(4, "big"))
    return shifted.uniform_words(key, shape.features, shape.labels)


def _shift(seed: bytes, number: int, shape: Shape) -> Words:
    key = derive(seed, b"shift" + number.to_bytes(4, "big"))
    return shifted.uniform_words(key, shape.rows, shape.labels)
