"""The header of each message of the products, which names what belongs to what."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from edufed.privacy.products.scale import ProductError

_HEADER = struct.Struct(">4sBIIIH")
_MAGIC = b"EFPR"


class Kind(IntEnum):
    """Each message."""

    KEY = 1  # label party: public key
    ASK = 2  # label party: encrypted vectors
    REPLY = 3  # feature party: encrypted, masked products
    SUMS = 4  # label party: decrypted, masked sums
    SHIFTED = 5  # label party: shifted residual and its share
    DEAL = 6  # coordinator: a party's part of the dealt numbers
    HIDDEN = 7  # feature party: shifted features


@dataclass(frozen=True)
class Shape:
    """What one pair of parties computes: products of `rows` × `features` with `labels` vectors."""

    rows: int
    features: int
    labels: int = 1

    def __post_init__(self) -> None:
        if min(self.rows, self.features, self.labels) < 1 or self.labels >= 2**16:
            raise ProductError("products need at least one row, one feature and one label")


def pack(kind: Kind, number: int, shape: Shape, *body: bytes) -> bytes:
    """Put a header before the body; `number` counts the rounds."""
    header = _HEADER.pack(_MAGIC, kind, number, shape.rows, shape.features, shape.labels)
    return b"".join((header, *body))


def unpack(message: bytes, kind: Kind, shape: Shape) -> tuple[int, memoryview]:
    """Check the header: the message's number, and its body.

    Raises
    ------
    ProductError
        Cut short, of another kind, or for another number of rows, features or labels.
    """
    what = kind.name.lower()
    if len(message) < _HEADER.size or message[:4] != _MAGIC:
        raise ProductError(f"not the message {what}: too short, or damaged at its start")
    _, got, number, rows, features, labels = _HEADER.unpack_from(message)
    if got != kind:
        raise ProductError(f"expected the message {what} and got one of kind {got}")
    if (rows, features, labels) != (shape.rows, shape.features, shape.labels):
        raise ProductError(
            f"the message {what} is for {rows} rows, {features} features and {labels} labels, not "
            f"{shape.rows}, {shape.features} and {shape.labels}"
        )
    return number, memoryview(message)[_HEADER.size :]
