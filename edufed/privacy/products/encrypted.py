"""Products of a residual and features that neither party shows the other, by encryption.

    label party                                   feature party
    public_key()                         ->       FeatureParty(matrix, key)      once
    ask(residual)                        ->       multiply(request)              each round
    add_up(reply)                        <-
    sums                                 ->       gradient(sums)

The residual leaves as ciphertext under the label party's own key. What comes back decrypts to inner
products under masks uniform modulo 2^46. The label party returns them, the feature party takes
its masks off: its gradient, exactly, and nothing else. `lattice` says why what comes back tells the
label party nothing of the features; docs/vertical-regression.md says what each message tells.

A pair of label party and feature party has a key and objects of its own.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from edufed.privacy.products import draws
from edufed.privacy.products.lattice import (
    COEFFICIENT_BYTES,
    PLAIN_MASK,
    SENT_BYTES,
    PublicKey,
    SecretKey,
    Words,
    multiply,
    spread,
)
from edufed.privacy.products.message import Kind, Shape, pack, unpack
from edufed.privacy.products.packing import Packing
from edufed.privacy.products.ring import DEGREE, LIMBS
from edufed.privacy.products.scale import ProductError, Scale, from_bytes, to_bytes

_SEED_BYTES = 32
#: Ciphertexts that are made at once; a few megabytes each while they are worked on.
_GROUPS_AT_ONCE = 8


class LabelParty:
    """The side that has residuals and the key.

    Parameters
    ----------
    shape : Shape
        Rows, the feature party's features, and labels.
    scale : Scale
    secret : bytes, optional
        `secret` of an earlier object, to go on after a restart.

    Attributes
    ----------
    secret : bytes
        Seed of the key, 32 bytes.
    """

    def __init__(
        self, shape: Shape, scale: Scale | None = None, secret: bytes | None = None
    ) -> None:
        self.secret = os.urandom(32) if secret is None else secret
        self._shape = shape
        self._scale = scale or Scale()
        self._packing = Packing.best(shape.rows, shape.features)
        self._key = SecretKey(self.secret)

    def public_key(self) -> bytes:
        """Make the message with which a feature party starts."""
        return pack(Kind.KEY, 0, self._shape, self._key.public().to_bytes())

    def ask(self, residual: npt.ArrayLike, number: int) -> bytes:
        """Encrypt residuals, shape (rows, labels) or (rows,), for round `number`.

        Raises
        ------
        ProductError
            Another shape, or a value beyond the scale.
        """
        values = self._scale.residual(residual)
        if values.ndim == 1:
            values = values[:, None]
        return self.ask_words(values, number)

    def ask_words(self, values: Words, number: int) -> bytes:
        """Encrypt numbers modulo 2^46, shape (rows, labels)."""
        if values.shape != (self._shape.rows, self._shape.labels):
            raise ProductError(
                f"residuals have the shape {values.shape}, not "
                f"{(self._shape.rows, self._shape.labels)}"
            )
        polynomials = np.concatenate([self._packing.vector(column) for column in values.T])
        seed, first = self._key.encrypt(polynomials)
        return pack(Kind.ASK, number, self._shape, seed, first.tobytes())

    def add_up(self, reply: bytes) -> bytes:
        """Decrypt a feature party's reply: the masked sums, to send back to it."""
        number, sums = self.sums(reply)
        return pack(Kind.SUMS, number, self._shape, to_bytes(sums))

    def sums(self, reply: bytes) -> tuple[int, Words]:
        """Decrypt a reply: its round, and masked sums modulo 2^46, shape (features, labels).

        Raises
        ------
        ProductError
            Not a reply to this shape.
        """
        number, body = unpack(reply, Kind.REPLY, self._shape)
        packing, labels = self._packing, self._shape.labels
        if len(body) != labels * packing.bytes_back:
            raise ProductError(f"a reply holds {len(body)} bytes, not the size it must have")
        content = np.zeros((labels * packing.groups, DEGREE + packing.columns, 8), np.uint8)
        sent = np.frombuffer(body, np.uint8)
        content[..., :SENT_BYTES] = sent.reshape(*content.shape[:2], SENT_BYTES)
        words = content.view("<u8")[..., 0]
        first, second = words[:, : packing.columns], words[:, packing.columns :]
        sums = self._key.decrypt(first, second, packing.where)
        return number, sums.reshape(labels, -1)[:, : self._shape.features].T.copy()


class FeatureParty:
    """The side that has features.

    Parameters
    ----------
    matrix : array, shape (rows, features)
        Standardised and clipped.
    key : bytes
        The label party's `public_key()`.
    labels : int
    scale : Scale
    pending : mapping of int to bytes, optional
        `pending` of an earlier object, to go on after a restart.

    Attributes
    ----------
    whole : int16 array, shape (rows, features)
        The features in fixed point.
    pending : dict of int to bytes
        Seeds of the masks of rounds that wait for their sums; secret.

    Raises
    ------
    ProductError
        A feature beyond the scale, a column whose gradient could overflow, or a key for another
        shape.
    """

    def __init__(
        self,
        matrix: npt.ArrayLike,
        key: bytes,
        labels: int = 1,
        scale: Scale | None = None,
        pending: dict[int, bytes] | None = None,
    ) -> None:
        self.scale = scale or Scale()
        self.whole = self.scale.features(matrix)
        self.shape = Shape(len(self.whole), self.whole.shape[1], labels)
        self._packing = Packing.best(self.shape.rows, self.shape.features)
        _, body = unpack(key, Kind.KEY, self.shape)
        if len(body) != _SEED_BYTES + DEGREE * COEFFICIENT_BYTES:
            raise ProductError("a public key is cut short")
        self._key = spread(PublicKey.of(bytes(body)).pair())
        self.pending = dict(pending or {})

    @property
    def features(self) -> npt.NDArray[np.float64]:
        """Give the rounded features, shape (rows, features): train on these."""
        return self.scale.decode_features(self.whole)

    def multiply(self, request: bytes) -> bytes:
        """Multiply the encrypted vectors by the features, under fresh masks.

        Raises
        ------
        ProductError
            Not a request for this shape, or for a round that still waits for its sums.
        """
        number, body = unpack(request, Kind.ASK, self.shape)
        if number in self.pending:
            raise ProductError(f"round {number} was asked for twice")
        labels, packing = self.shape.labels, self._packing
        if len(body) != _SEED_BYTES + labels * packing.bytes_out:
            raise ProductError(f"a request holds {len(body)} bytes, not the size it must have")
        half = (labels, packing.blocks, DEGREE, LIMBS)
        first = np.frombuffer(body[_SEED_BYTES:], "<u2").reshape(half)
        second = draws.uniform(bytes(body[:_SEED_BYTES]), *half[:-1])
        self.pending[number] = os.urandom(32)
        masks = self._masks(number)
        parts = []
        for label in range(labels):
            spreads = spread(np.stack([first[label], second[label]], axis=1))
            for start in range(0, packing.groups, _GROUPS_AT_ONCE):
                stop = min(start + _GROUPS_AT_ONCE, packing.groups)
                products = multiply(
                    spreads,
                    self._key,
                    packing.matrix(self.whole, start, stop),
                    masks[label, start:stop],
                    packing.where,
                )
                words = np.concatenate(products, axis=1)
                parts.append(words.view(np.uint8).reshape(-1, 8)[:, :SENT_BYTES].tobytes())
        return pack(Kind.REPLY, number, self.shape, *parts)

    def gradient(self, message: bytes) -> npt.NDArray[np.float64]:
        """Take the masks off the sums: Xᵀr, shape (features, labels).

        Raises
        ------
        ProductError
            Sums of a round that does not wait for any.
        """
        number, body = unpack(message, Kind.SUMS, self.shape)
        sums = from_bytes(body, self.shape.features, self.shape.labels)
        return self.scale.gradient((sums - self.take_masks(number)) & PLAIN_MASK)

    def take_masks(self, number: int) -> Words:
        """Give the masks of a round, shape (features, labels), and forget them."""
        if number not in self.pending:
            raise ProductError(f"round {number} does not wait for sums")
        masks = self._masks(number).reshape(self.shape.labels, -1)
        del self.pending[number]
        return masks[:, : self.shape.features].T

    def _masks(self, number: int) -> Words:
        shape = (self.shape.labels, self._packing.groups, self._packing.columns)
        drawn = draws.words(self.pending[number], int(np.prod(shape))) & PLAIN_MASK
        return drawn.reshape(shape)
