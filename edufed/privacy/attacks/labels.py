"""What a feature party makes of labels: from what it gets row by row, and from its own weights.

Li et al. 2022, "Label leakage and protection in two-party split learning" (norm and direction),
and Fu et al. 2022, "Label inference attacks against vertical federated learning" (completion).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

Array = npt.NDArray[np.float64]

#: Learners whose labels the attacker knows, to tell which end of a ranking is which class.
KNOWN = 20


def label_inference(received: Array, y: Array, seed: int) -> dict[str, float]:
    """Attack labels by what came for each row, such as the gradient of split learning.

    Parameters
    ----------
    received : array, shape (rows, numbers)
    y : array, shape (rows,)
        1 or 0; the attacker knows `KNOWN` of them.
    seed : int

    Returns
    -------
    dict
        ROC-AUC on the other rows. ``norm``: by the length of what came; ``direction``: by its
        mean cosine with that of the known positives; ``clustering``: by the nearer of two means
        of directions.
    """
    known = np.random.default_rng(seed).choice(len(y), KNOWN, replace=False)
    rest = np.setdiff1d(np.arange(len(y)), known)
    scaled = received / max(float(np.abs(received).max()), 1e-300)
    norm = np.linalg.norm(scaled, axis=1)
    unit = scaled / np.maximum(norm, 1e-300)[:, None]
    positives = unit[known][y[known] == 1]
    means = KMeans(2, n_init=4, random_state=seed).fit(unit)
    near = means.transform(unit)
    scores = {
        "norm": norm,
        "direction": unit @ positives.mean(axis=0) if len(positives) else norm,
        "clustering": near[:, 0] - near[:, 1],
    }
    return {name: _auc(y[rest], _turned(score, y, known)[rest]) for name, score in scores.items()}


def model_completion(x: Array, made: Array, y: Array, known: int, seed: int) -> dict[str, float]:
    """Complete a party's own trained block to a model, with a few known labels.

    Parameters
    ----------
    x : array, shape (rows, columns)
        The party's own.
    made : array, shape (rows, numbers)
        What its trained block makes of them: a score, or an embedding.
    y : array, shape (rows,)
    known : int
        Labels that the attacker has.
    seed : int

    Returns
    -------
    dict
        ROC-AUC on the other rows: of the ``block`` as it stands, or where it makes more than one
        number of them fitted to the known labels; of the ``completed`` model, in which they are
        more columns; and of one fitted to the known labels ``without`` the block.
    """
    drawn = np.random.default_rng(seed).permutation(len(y))
    few, rest = drawn[:known], drawn[known:]
    spread = np.maximum(made.std(axis=0), 1e-12)
    scaled = made / spread * np.sqrt(x.shape[1] / made.shape[1])
    alone = made.shape[1] == 1

    def fitted(columns: Array) -> float:
        model = LogisticRegression(C=0.1, max_iter=1000).fit(columns[few], y[few])
        return _auc(y[rest], model.decision_function(columns[rest]))

    return {
        "block": _auc(y[rest], made[rest, 0]) if alone else fitted(scaled),
        "completed": fitted(np.column_stack([x, scaled])),
        "without": fitted(x),
    }


def _turned(score: Array, y: Array, known: npt.NDArray[np.intp]) -> Array:
    """Turn a score so that it is higher for the positives among the known rows."""
    high = score[known][y[known] == 1]
    low = score[known][y[known] == 0]
    if len(high) and len(low) and high.mean() < low.mean():
        return -score
    return score


def _auc(y: Array, score: Array) -> float:
    return float(roc_auc_score(y, score))
