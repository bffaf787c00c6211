import numpy as np
import pytest

from edufed.privacy.attacks.features import feature_reconstruction
from edufed.privacy.attacks.labels import label_inference, model_completion
from edufed.privacy.attacks.split_learning import SplitNN
from edufed.privacy.products import FeatureParty, PreparedLabel, Shape
from edufed.privacy.products.view import received_by_row

ROWS, COLUMNS = 6000, 12
RNG = np.random.default_rng(5)
X = RNG.standard_normal((ROWS, 2 * COLUMNS)).clip(-8, 8)
LOGIT = X @ (RNG.standard_normal(2 * COLUMNS) * 0.5) - 1.0
Y = (RNG.random(ROWS) < 1 / (1 + np.exp(-LOGIT))).astype(float)
PARTS = [X[:, :COLUMNS], X[:, COLUMNS:]]


def test_gradients_of_split_learning_give_labels_away():
    model = SplitNN([COLUMNS, COLUMNS], seed=1)
    found = label_inference(model.gradients(PARTS, Y, 128, epochs=2), Y, seed=3)
    assert found["direction"] > 0.9
    assert found["clustering"] > 0.9


@pytest.mark.parametrize("rounds", [1, 4])
def test_what_the_protocol_sends_row_by_row_does_not(rounds):
    shape = Shape(ROWS, COLUMNS)
    label = PreparedLabel(shape)
    party = FeatureParty(PARTS[1], label.public_key())
    residual = (1 / (1 + np.exp(-LOGIT)) - Y)[:, None]
    views = []
    for number in range(1, rounds + 1):
        asked = label.ask(number)
        label.keep(party.multiply(asked))
        views.append(received_by_row(asked, label.send(residual, number), shape))
    assert views[0].shape == (ROWS, 9)
    found = label_inference(np.hstack(views), Y, seed=3)
    assert all(0.45 < auc < 0.55 for auc in found.values()), found
    # The same attacks find the labels in the residual itself, so they can succeed.
    assert label_inference(residual, Y, seed=3)["direction"] > 0.99


def test_completion_is_worth_what_the_block_says():
    weights = np.linalg.lstsq(PARTS[1], LOGIT, rcond=None)[0]
    found = model_completion(PARTS[1], PARTS[1] @ weights[:, None], Y, known=60, seed=2)
    assert found["block"] > found["completed"] > found["without"] > 0.5
    nothing = model_completion(
        PARTS[1], PARTS[1] @ RNG.standard_normal((COLUMNS, 1)), Y, known=60, seed=2
    )
    assert nothing["completed"] < found["completed"]


def test_enough_sums_of_scores_give_features_away():
    few, many = (
        feature_reconstruction(
            PARTS[0], PARTS[1] @ RNG.standard_normal((COLUMNS, rounds)), PARTS[1], 0.5, 4
        )
        for rounds in (2, COLUMNS)
    )
    assert few["own_mean"] < 0.02
    assert few["own_mean"] < few["seen_mean"] < 0.5
    assert many["seen_mean"] > 0.99  # as many rounds as columns: nothing is left hidden
