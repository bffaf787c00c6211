"""A feature party's view of the products, row by row: what attacks on labels start from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.privacy.products.message import Kind, Shape, unpack
from edufed.privacy.products.packing import Packing
from edufed.privacy.products.ring import DEGREE, LIMBS
from edufed.privacy.products.scale import from_bytes, signed, to_bytes

_SEED_BYTES = 32


def received_by_row(asked: bytes | None, sent: bytes, shape: Shape) -> npt.NDArray[np.float64]:
    """Take apart what the label party sends in a round (`prepared`, `dealt`).

    Parameters
    ----------
    asked : bytes or None
        An encrypted vector, `PreparedLabel.ask`; None where products are dealt.
    sent : bytes
        A shifted residual.
    shape : Shape

    Returns
    -------
    array, shape (rows, labels + labels · limbs)
        The shifted residual, and the ciphertext's coefficients at each row's place.
    """
    _, body = unpack(sent, Kind.SHIFTED, shape)
    shares = len(to_bytes(np.zeros((shape.features, shape.labels), np.uint64)))
    shifted = signed(from_bytes(body[:-shares], shape.rows, shape.labels)).astype(np.float64)
    if asked is None:
        return shifted / 2.0**45
    _, encrypted = unpack(asked, Kind.ASK, shape)
    packing = Packing.best(shape.rows, shape.features)
    half = (shape.labels, packing.blocks, DEGREE, LIMBS)
    limbs = np.frombuffer(encrypted[_SEED_BYTES:], "<u2").reshape(half)[:, :, : packing.width]
    by_row = limbs.reshape(shape.labels, -1, LIMBS)[:, : shape.rows]
    coefficients = np.concatenate(list(by_row), axis=1).astype(np.float64)
    # Each kind of number to unit size, or the largest would drown the others.
    return np.hstack([shifted / 2.0**45, coefficients / 2.0**15 - 1.0])
