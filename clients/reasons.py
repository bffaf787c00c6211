"""Why a learner's risk is high: what each feature adds to it, and the words for that."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import nn

from clients.training import SCORED_AT_ONCE, predict_logit
from edufed.features.catalogue import FEATURES
from edufed.features.matrix import FeatureMatrix, FloatArray
from edufed.features.scaling import design_features

#: Least rise of the logit that is a reason: about one point of risk.
LEAST_RISE = 0.05
#: Features whose values correlate more than this say the same thing twice.
RELATED = 0.6
NOT_KNOWN = {"en": "{}: not known", "zh": "{}：未知"}

Array = npt.NDArray[np.float64]


def reasons(
    model: nn.Module,
    matrix: FeatureMatrix,
    x: FloatArray,
    ranks: FloatArray,
    number: int,
    language: str,
) -> npt.NDArray[np.object_]:
    """What raises each learner's risk most, in words.

    Parameters
    ----------
    model : torch.nn.Module
    matrix : FeatureMatrix
    x : float32 array, shape (rows, columns)
        The design of `matrix`.
    ranks : float32 array, shape (rows, features)
        Of `cohort_ranks`.
    number : int
        Reasons a learner at most.
    language : str
        "en" or "zh".

    Returns
    -------
    object array of str, shape (rows, number)
        Empty where fewer features raise the risk.
    """
    # What nobody at the site has tells nothing about one learner.
    absent = np.isnan(matrix.values).all(axis=0)
    related = related_features(matrix, x)
    chosen = np.empty((len(x), number), dtype=np.intp)
    for start in range(0, len(x), SCORED_AT_ONCE):
        part = slice(start, start + SCORED_AT_ONCE)
        raised = contributions(model, x[part])
        raised[:, absent] = -np.inf
        chosen[part] = top_features(raised, related, number)
    return reason_texts(matrix, x, ranks, chosen, language)


def contributions(model: nn.Module, x: FloatArray) -> Array:
    """How much each feature raises each learner's logit.

    By occlusion (Zeiler & Fergus 2014; Covert et al. 2021): the logit as it is, less the logit
    with all design columns of the feature (value, rank, missing) at 0, which is the typical
    learner's. For logistic regression that is exactly the feature's share of the logit.

    Parameters
    ----------
    model : torch.nn.Module
    x : float32 array, shape (rows, columns)

    Returns
    -------
    float64 array, shape (rows, features)
        Positive where the feature raises the risk.
    """
    feature_of = design_features()
    logit = predict_logit(model, x)
    occluded = x.copy()
    raised: Array = np.empty((len(x), len(FEATURES)))
    for feature in range(len(FEATURES)):
        columns = np.flatnonzero(feature_of == feature)
        occluded[:, columns] = 0.0
        raised[:, feature] = logit - predict_logit(model, occluded)
        occluded[:, columns] = x[:, columns]
    return raised


def related_features(matrix: FeatureMatrix, x: FloatArray) -> npt.NDArray[np.bool_]:
    """Which features say nearly the same of these learners, shape (features, features).

    By the correlation of scaled values over the learners for whom both are known.
    """
    known = (~np.isnan(matrix.values)).astype(np.float32)
    values = x[:, : len(FEATURES)] * known  # the design's first columns are the scaled features
    n = np.maximum(known.T @ known, 1.0).astype(np.float64)
    mean, square = values.T @ known / n, (values**2).T @ known / n
    variance = np.maximum(square - mean**2, 0.0)
    scale = np.sqrt(variance * variance.T)
    correlation = (values.T @ values / n - mean * mean.T) / np.where(scale > 1e-6, scale, np.inf)
    related: npt.NDArray[np.bool_] = np.abs(correlation) > RELATED
    return related | np.eye(len(FEATURES), dtype=bool)


def top_features(
    raised: Array, related: npt.NDArray[np.bool_], number: int
) -> npt.NDArray[np.intp]:
    """Choose each learner's reasons: what raises the risk most, then most of what is left.

    A feature related to one that is chosen already is passed over, so that "a low mean score" and
    "a low weighted score" do not take two places.

    Parameters
    ----------
    raised : float64 array, shape (rows, features)
        Of `contributions`; -inf where a feature cannot be a reason.
    related : bool array, shape (features, features)
    number : int
        Reasons a learner at most.

    Returns
    -------
    int array, shape (rows, number)
        Indices of features; -1 where no other one raises the logit by `LEAST_RISE`.
    """
    left = raised.copy()
    chosen = np.full((len(raised), number), -1, dtype=np.intp)
    for place in range(number):
        best = left.argmax(axis=1)
        found = left[np.arange(len(left)), best] >= LEAST_RISE
        chosen[found, place] = best[found]
        left[related[best]] = -np.inf
    return chosen


def reason_texts(
    matrix: FeatureMatrix,
    x: FloatArray,
    ranks: FloatArray,
    features: npt.NDArray[np.intp],
    language: str,
) -> npt.NDArray[np.object_]:
    """Words for features of learners: that the value is high, low or not known.

    High and low are meant within the course where the learner's rank is known, and against the
    typical learner of the federation where it is not.

    Parameters
    ----------
    matrix : FeatureMatrix
    x : float32 array, shape (rows, columns)
        The design; its first columns are the scaled features.
    ranks : float32 array, shape (rows, features)
    features : int array, shape (rows, reasons)
        Which features to put into words for each row; -1 for none.
    language : str
        "en" or "zh".

    Returns
    -------
    object array of str, shape (rows, reasons)
        Empty for none.
    """
    words = [feature.words(language) for feature in FEATURES]
    phrases = np.array(
        [[NOT_KNOWN[language].format(w.label), w.low, w.high] for w in words], dtype=object
    )
    row = np.arange(len(features))[:, None]
    value, rank, scaled = matrix.values[row, features], ranks[row, features], x[row, features]
    high = np.where(np.isnan(rank), scaled > 0.0, rank > 0.5)
    texts: npt.NDArray[np.object_] = phrases[features, np.where(np.isnan(value), 0, 1 + high)]
    texts[features < 0] = ""
    return texts
