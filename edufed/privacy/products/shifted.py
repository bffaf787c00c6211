"""Products in a single message, from random numbers shared beforehand (Beaver 1991).

If the label party has a random vector u and a share of Xᵀu, and the feature party has X and the
other share, then the label party sends r - u and its share, six bytes a number, and the feature
party knows

    Xᵀr = Xᵀ(r - u) + one share + the other

and nothing else of r, since u is uniform modulo 2^46 and is used once. The shares come from the
encrypted products (`prepared`: nobody has to be trusted) or from the coordinator (`dealt`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.privacy.products import draws
from edufed.privacy.products.lattice import PLAIN_MASK, Words
from edufed.privacy.products.message import Kind, Shape, pack, unpack
from edufed.privacy.products.modular import product
from edufed.privacy.products.scale import ProductError, Scale, from_bytes, to_bytes


def uniform_words(key: bytes, *shape: int) -> Words:
    """Numbers uniform modulo 2^46. A key is for one call."""
    return (draws.words(key, int(np.prod(shape))) & PLAIN_MASK).reshape(shape)


def send(
    residual: npt.ArrayLike, shift: Words, share: Words, number: int, shape: Shape, scale: Scale
) -> bytes:
    """Make the label party's message of round `number`.

    Parameters
    ----------
    residual : array, shape (rows, labels) or (rows,)
    shift : uint64 array, shape (rows, labels)
        The vector u, never used before.
    share : uint64 array, shape (features, labels)

    Raises
    ------
    ProductError
        Residuals of another shape, or beyond the scale.
    """
    values = scale.residual(residual)
    if values.size != shape.rows * shape.labels:
        raise ProductError(f"residuals have the shape {values.shape}, not that agreed on")
    shifted = (values.reshape(shape.rows, shape.labels) - shift) & PLAIN_MASK
    return pack(Kind.SHIFTED, number, shape, to_bytes(shifted), to_bytes(share))


def number_of(message: bytes, shape: Shape) -> int:
    """Round of a label party's message."""
    return unpack(message, Kind.SHIFTED, shape)[0]


def receive(
    message: bytes, matrix: npt.NDArray[np.int16], share: Words, shape: Shape, scale: Scale
) -> npt.NDArray[np.float64]:
    """Compute Xᵀr, shape (features, labels), from a message and this side's share.

    Raises
    ------
    ProductError
        A message for another shape.
    """
    _, body = unpack(message, Kind.SHIFTED, shape)
    split = len(to_bytes(share))
    shifted = from_bytes(body[:-split], shape.rows, shape.labels)
    other = from_bytes(body[-split:], shape.features, shape.labels)
    return scale.gradient((product(matrix, shifted) + other + share) & PLAIN_MASK)
