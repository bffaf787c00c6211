"""The known truth: learners' latent traits, and the logistic model of who will not pass.

A learner's traits z are normal with unit deviation and the correlations below, and

    P(not passed) = 1 / (1 + exp(-(intercept[course, region] + coefficients[education] . z)))

so the intercepts and coefficients below are what a logistic regression on z recovers, and no
score ranks learners better than this probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_adapters.province.courses import Catalogue
from data_adapters.province.settings import (
    EDUCATION,
    TERMS,
    ProvinceSettings,
    province_rng,
    region_rng,
)

FloatArray = npt.NDArray[np.float64]

#: Trait -> its share in the risk in higher education, before scaling to `SIGNAL`.
TRAITS: dict[str, float] = {
    "ability": -0.70,
    "preparation": -0.35,
    "load": 0.35,
    "regularity": -0.35,
    "persistence": -0.50,
    "punctuality": -0.35,
    "practice": -0.30,  # how much they do on the course platform
    "reading": -0.45,  # ... in the library
    "attendance": -0.45,  # ... in live classes
    "social": -0.20,
}
INDEX = {name: number for number, name in enumerate(TRAITS)}
#: Weights of two common factors; what remains of the unit variance is the trait's own.
_ABLE = {"ability": 0.5, "preparation": 0.5, "reading": 0.1}
_ENGAGED = {
    "regularity": 0.4,
    "persistence": 0.3,
    "punctuality": 0.3,
    "practice": 0.4,
    "reading": 0.25,
    "attendance": 0.25,
    "social": 0.2,
    "load": -0.2,
}
#: Deviation of the log-odds of not passing that traits account for: sets the oracle's ROC-AUC.
SIGNAL = 2.4
BASE = -0.5
#: Share of those who will not pass who withdraw, on a day evenly between these two.
WITHDRAWS = 0.45
WITHDRAWAL_DAYS = (7.0, 126.0)
#: How learners of an education type differ in traits (means, in deviations).
_MEANS: dict[str, dict[str, float]] = {
    "community": {"regularity": -0.5, "punctuality": -0.3, "load": -0.4},
    "vocational": {"preparation": -0.3, "attendance": 0.2},
    "higher": {},
    "basic": {"regularity": 0.3, "attendance": 0.3, "reading": -0.2},
}


def loadings() -> tuple[FloatArray, FloatArray]:
    """Return how traits come from the two common factors and from noise of their own.

    Returns
    -------
    common : float array, shape (traits, 2)
    own : float array, shape (traits,)
    """
    common = np.array([[_ABLE.get(name, 0.0), _ENGAGED.get(name, 0.0)] for name in TRAITS])
    return common, np.sqrt(1 - (common**2).sum(axis=1))


def trait_correlation() -> FloatArray:
    """Return the correlation of traits, shape (traits, traits)."""
    common, own = loadings()
    return common @ common.T + np.diag(own**2)


def coefficients(settings: ProvinceSettings) -> FloatArray:
    """Return each education type's coefficients, shape (educations, traits).

    Every row gives the log-odds a deviation of `SIGNAL`, and any row but that of higher
    education a correlation of `relatedness` with that of higher education.
    """
    cov = trait_correlation()
    base = np.array(list(TRAITS.values()))
    base /= np.sqrt(base @ cov @ base)
    rng = province_rng(settings.seed).spawn(1)[0]
    rows = []
    for name in EDUCATION:
        other = rng.standard_normal(len(base))
        other -= (other @ cov @ base) * base
        other /= np.sqrt(other @ cov @ other)
        r = 1.0 if name == "higher" else settings.relatedness
        rows.append(SIGNAL * (r * base + np.sqrt(1 - r**2) * other))
    return np.stack(rows)


@dataclass(frozen=True)
class Drift:
    """How a region, and each term in all regions, differs from the rest.

    Attributes
    ----------
    risk : float
        Added to every log-odds of the region.
    means : float array, shape (traits,)
        Added to every learner's traits in the region.
    activity : float
        Factor on how much the region's learners do.
    term_risk, term_activity : float arrays, shape (terms,)
        The same by term; the first term is the reference.
    lacks : tuple of str
        Learner columns that the region's course platform does not have.
    """

    risk: float
    means: FloatArray
    activity: float
    term_risk: FloatArray
    term_activity: FloatArray
    lacks: tuple[str, ...]


def drift(settings: ProvinceSettings, region: int) -> Drift:
    """Draw the drift of `region` and of the terms."""
    by_term = province_rng(settings.seed).spawn(2)[1]
    size = settings.term_drift
    term_risk = size * by_term.standard_normal(len(TERMS))
    term_activity = np.exp(size / 2 * by_term.standard_normal(len(TERMS)))
    term_risk[0], term_activity[0] = 0.0, 1.0
    rng = region_rng(settings.seed, region)
    size = settings.region_drift
    return Drift(
        risk=float(size * rng.standard_normal()),
        means=size / 2 * rng.standard_normal(len(TRAITS)),
        activity=float(np.exp(size / 2 * rng.standard_normal())),
        term_risk=term_risk,
        term_activity=term_activity,
        lacks=tuple(
            name
            for name, absent in zip(
                ("means", "support_need", "gender"), rng.random(3) < 0.25, strict=True
            )
            if absent
        ),
    )


def trait_means(education: npt.NDArray[np.int64], region: Drift) -> FloatArray:
    """Return the mean traits of learners of each education type, shape (learners, traits)."""
    by_type = np.array([[_MEANS[kind].get(trait, 0.0) for trait in TRAITS] for kind in EDUCATION])
    return by_type[education] + region.means


def intercepts(books: Catalogue, region: Drift) -> FloatArray:
    """Return each course's intercept in the region, shape (courses,)."""
    return BASE + books.difficulty + region.risk + region.term_risk[books.term]


def withdrawn_by(day: float) -> float:
    """Share of those who will not pass who have withdrawn by `day`.

    Among learners still enrolled then, the odds of not passing are (1 - this) times those of
    the model: one more constant in the intercept.
    """
    first, last = WITHDRAWAL_DAYS
    return WITHDRAWS * float(np.clip((day - first) / (last - first), 0, 1))


def sigmoid(logits: FloatArray) -> FloatArray:
    """Return probabilities of log-odds."""
    return 1 / (1 + np.exp(-logits))
