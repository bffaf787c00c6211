"""Products made ahead by encryption, so that a round takes one message (`shifted`).

    label party                                   feature party
    public_key()                         ->       FeatureParty(matrix, key)      once
    ask(number)                          ->       party.multiply(request)        ahead, for any
    keep(reply)                          <-                                      number of rounds
    send(residual, number)               ->       gradient(message)              each round

It rests on nothing that `encrypted` does not rest on: what is encrypted is a random vector.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.privacy.keys import derive
from edufed.privacy.products import shifted
from edufed.privacy.products.encrypted import FeatureParty, LabelParty
from edufed.privacy.products.lattice import PLAIN_MASK, Words
from edufed.privacy.products.message import Shape
from edufed.privacy.products.scale import ProductError, Scale


class PreparedLabel:
    """The label party's side.

    Parameters
    ----------
    shape : Shape
    scale : Scale
    secret : bytes, optional
        `secret` of an earlier object, to go on after a restart, with its `shares`.
    shares : mapping of int to uint64 array, optional

    Attributes
    ----------
    secret : bytes
        Seed of the key and of the random vectors, 32 bytes.
    shares : dict of int to uint64 array, shape (features, labels)
        Shares of rounds that are prepared and not used yet; secret.
    """

    def __init__(
        self,
        shape: Shape,
        scale: Scale | None = None,
        secret: bytes | None = None,
        shares: dict[int, Words] | None = None,
    ) -> None:
        self._shape = shape
        self._scale = scale or Scale()
        self._party = LabelParty(shape, self._scale, secret)
        self.secret = self._party.secret
        self.shares = dict(shares or {})

    def public_key(self) -> bytes:
        """Make the message with which a feature party starts."""
        return self._party.public_key()

    def ask(self, number: int) -> bytes:
        """Prepare round `number`: its random vector, encrypted."""
        return self._party.ask_words(self._shift(number), number)

    def keep(self, reply: bytes) -> None:
        """Keep this side's share of a round."""
        number, sums = self._party.sums(reply)
        self.shares[number] = sums

    def send(self, residual: npt.ArrayLike, number: int) -> bytes:
        """Make the one message of round `number`; each round is for one residual.

        Raises
        ------
        ProductError
            The round is not prepared, or was used before.
        """
        if number not in self.shares:
            raise ProductError(f"round {number} is not prepared, or was used before")
        share = self.shares[number]
        shift = self._shift(number)
        message = shifted.send(residual, shift, share, number, self._shape, self._scale)
        del self.shares[number]
        return message

    def _shift(self, number: int) -> Words:
        key = derive(self.secret, b"shift" + number.to_bytes(4, "big"))
        return shifted.uniform_words(key, self._shape.rows, self._shape.labels)


def gradient(party: FeatureParty, message: bytes) -> npt.NDArray[np.float64]:
    """Compute the feature party's gradient, shape (features, labels), from the message of a round.

    Raises
    ------
    ProductError
        The round is not prepared, or was used before.
    """
    number = shifted.number_of(message, party.shape)
    share = -party.take_masks(number) & PLAIN_MASK
    return shifted.receive(message, party.whole, share, party.shape, party.scale)
