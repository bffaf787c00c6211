"""Where fits start: k-means++ on learners who do not exist.

k-means++ (Arthur & Vassilvitskii 2007) starts from records, and sites' own centres (k-FED, Dennis
et al. 2021) may be of few learners. So the federation adds up no more than the mean and the
covariance of all learners; whoever has these draws made-up learners of the same mean and
covariance, and finds the starts among them.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from edufed.portrait.fits import LEAST_VARIANCE, Arrays, Family, Fits

Float64Array = npt.NDArray[np.float64]

#: Made-up learners for one start.
SAMPLE = 1000
#: Steps of k-means that they take: the rest is left to the learners there are.
_STEPS = 5


def moments(x: Float64Array) -> Arrays:
    """Count, sum and sum of products of some learners; add the results over sites.

    Returns
    -------
    dict of float64 arrays
        ``n``, shape (1,); ``sum``, shape (features,); ``products``, the upper triangle in rows,
        shape (features * (features + 1) / 2,).
    """
    upper = np.triu_indices(x.shape[1])
    return {
        "n": np.array([float(len(x))]),
        "sum": x.sum(axis=0),
        "products": (x.T @ x)[upper],
    }


def moments_like(features: int) -> Arrays:
    """Zeros of the shapes of `moments`."""
    return moments(np.zeros((0, features)))


def first_fits(family: Family, total: Arrays, resamples: int, starts: int, seed: int) -> Fits:
    """Return fits of every resample from several starts each, none of which has taken a step.

    Parameters
    ----------
    family : Family
    total : dict of arrays
        `moments` over all sites.
    resamples, starts : int
    seed : int
        Every resample and start draws its own made-up learners.
    """
    n = max(float(total["n"][0]), 1.0)
    mean = total["sum"] / n
    covariance = np.zeros((len(mean), len(mean)))
    covariance[np.triu_indices(len(mean))] = total["products"] / n
    covariance += np.triu(covariance, 1).T
    covariance -= np.outer(mean, mean)
    root = _root(covariance)
    found: dict[str, list[Float64Array]] = {}
    for resample in range(resamples):
        for start in range(starts):
            drawn = _seed(seed, family.name, resample, start)
            sample = np.random.default_rng(drawn).standard_normal((SAMPLE, len(mean))) @ root + mean
            for name, array in _start(family, sample, drawn).items():
                found.setdefault(name, []).append(array)
    return Fits.begin(
        family,
        np.repeat(np.arange(resamples, dtype=np.int64), starts),
        {name: np.stack(arrays) for name, arrays in found.items()},
    )


def _start(family: Family, sample: Float64Array, seed: int) -> Arrays:
    fitted = KMeans(family.k, n_init=1, max_iter=_STEPS, random_state=seed).fit(sample)
    centres = fitted.cluster_centers_.astype(np.float64)
    if family.kind == "kmeans":
        return {"centres": centres}
    members = np.eye(family.k)[fitted.labels_]
    size = np.maximum(members.sum(axis=0), 1.0)
    spreads = members.T @ sample**2 / size[:, None] - (members.T @ sample / size[:, None]) ** 2
    return {
        "centres": centres,
        "spreads": np.maximum(spreads, 0.0) + LEAST_VARIANCE,
        "shares": size / size.sum(),
    }


def _root(covariance: Float64Array) -> Float64Array:
    """A matrix whose product with its transpose is the covariance; rounding may have bent it."""
    values, vectors = np.linalg.eigh(covariance)
    root: Float64Array = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    return root


def _seed(seed: int, family: str, resample: int, start: int) -> int:
    text = f"{seed}/{family}/{resample}/{start}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
