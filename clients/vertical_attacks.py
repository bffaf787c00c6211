"""What the parties of a vertical job could make of what they got. Research mode only.

The job's protocol is run once more on its own data in one place, which gives the same numbers
(`edufed.vertical.train_together`), and the views of a feature party and of the label party are
attacked. Beside them stands the same label attack on unprotected split learning of the same data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.platform import TRAIN, scale_for
from clients.vertical_pooled import Together
from clients.vertical_products import is_dealt
from edufed.config import Job
from edufed.privacy.attacks.features import feature_reconstruction
from edufed.privacy.attacks.labels import label_inference, model_completion
from edufed.privacy.attacks.split_learning import SplitNN
from edufed.privacy.products import (
    Dealer,
    DealtFeature,
    DealtLabel,
    FeatureParty,
    PreparedLabel,
    Shape,
)
from edufed.privacy.products.prepared import gradient
from edufed.privacy.products.view import received_by_row
from edufed.vertical import FeatureBlock, LabelBlock

Array = npt.NDArray[np.float64]

#: Labels that the attacker has who completes a model.
FEW = 100
#: Share of rows whose features the label party has come to know.
SHARE = 0.5
#: Epochs of split learning before its gradients are attacked.
EPOCHS = 3


def attack(job: Job, together: Together, rounds: int) -> dict[str, Any]:
    """Attack the views of every party over all rounds of a job.

    Returns
    -------
    dict
        ``label_inference``: by feature party, ROC-AUC of each attack on what came row by row;
        ``label_inference_split_learning``: the same without protection; ``model_completion``: by
        feature party; ``feature_reconstruction``: the label party's, of all others' columns.
    """
    x, y = together.of(TRAIN)
    names = list(together.x)[1:]
    scale = scale_for(len(y))
    rounded = [scale.decode_features(scale.features(part)) for part in x[1:]]
    label = LabelBlock(x[0], y[:, None], job.model.l2)
    blocks = [FeatureBlock(part, 1, job.model.l2) for part in rounded]
    views: dict[str, list[Array]] = {name: [] for name in names}
    sums: list[Array] = []
    made = _DealtPair if is_dealt(job) else _Pair
    products = [made(part, rounds) for part in x[1:]]
    for number in range(1, rounds + 1):
        residual = label.residual()
        scores = []
        for name, block, pair in zip(names, blocks, products, strict=True):
            received, found = pair.round(residual, number)
            views[name].append(received)
            scores.append(block.propose(found))
        total = np.sum(scores, axis=0)
        sums.append(total[:, 0])
        lengths = label.search(total, np.sum([block.pulls() for block in blocks], axis=0))
        for block in blocks:
            block.move(lengths)
    return {
        "rounds": rounds,
        "label_inference": {
            name: label_inference(np.hstack(view), y, job.seed) for name, view in views.items()
        },
        "label_inference_split_learning": label_inference(_split(x, y, job.seed), y, job.seed),
        "model_completion": {
            name: {
                "labels": FEW,
                **model_completion(part, part @ block.weights, y, FEW, job.seed),
            }
            for name, part, block in zip(names, rounded, blocks, strict=True)
        },
        "feature_reconstruction": {
            "known_share": SHARE,
            **feature_reconstruction(
                x[0], np.column_stack(sums), np.hstack(rounded), SHARE, job.seed
            ),
        },
    }


class _Pair:
    """Label party and one feature party, and the messages between them."""

    def __init__(self, features: Array, _rounds: int) -> None:
        rows, columns = features.shape
        scale = scale_for(rows)
        self._shape = Shape(rows, columns, 1)
        self._label = PreparedLabel(self._shape, scale)
        self._party = FeatureParty(features, self._label.public_key(), 1, scale)

    def round(self, residual: Array, number: int) -> tuple[Array, Array]:
        """Return what the feature party got for each row, and its gradient."""
        asked = self._label.ask(number)
        self._label.keep(self._party.multiply(asked))
        message = self._label.send(residual, number)
        received = received_by_row(asked, message, self._shape)
        return received, gradient(self._party, message)


class _DealtPair:
    """The same, products from numbers that the coordinator deals."""

    def __init__(self, features: Array, rounds: int) -> None:
        rows, columns = features.shape
        scale, self._shape = scale_for(rows), Shape(rows, columns, 1)
        dealer = Dealer(self._shape, rounds)
        self._label = DealtLabel(self._shape, dealer.for_label(), scale)
        self._party = DealtFeature(features, dealer.for_feature(), 1, scale)
        self._label.take(self._party.hidden())

    def round(self, residual: Array, number: int) -> tuple[Array, Array]:
        """As `_Pair.round`."""
        message = self._label.send(residual, number)
        return received_by_row(None, message, self._shape), self._party.gradient(message)


def _split(x: list[Array], y: Array, seed: int) -> Array:
    model = SplitNN([part.shape[1] for part in x], seed)
    return model.gradients(x, y, 256, EPOCHS)
