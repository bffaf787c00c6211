"""Which clustering is chosen, and whether it is accepted.

Chosen by training learners alone: of the clusterings that are stable, replicate and have no
cluster of too few learners, the one that explains most of the outcome. It is accepted if it
separates the outcomes of test learners as well; how others would have done there decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edufed.config.portrait import AcceptSettings
from edufed.portrait.fits import Family


@dataclass(frozen=True)
class Candidate:
    """One clustering with what speaks for it.

    Attributes
    ----------
    family : Family
    smallest : int
        Training learners in its smallest cluster.
    stability : list of float
        Adjusted Rand index of each bootstrap fit with the fit of all learners.
    replication : list of float
        Adjusted Rand index of fits of different sites.
    eta_training : float
        Share of the outcome's variance that the clusters explain on training learners.
    eta, eta_low, eta_high, auc, auc_low, auc_high : float
        On test learners, with 95 % intervals.
    """

    family: Family
    smallest: int
    stability: list[float]
    replication: list[float]
    eta_training: float
    eta: float
    eta_low: float
    eta_high: float
    auc: float
    auc_low: float
    auc_high: float

    def stable(self, accept: AcceptSettings) -> bool:
        """Whether bootstraps agree with it."""
        return _mean(self.stability) >= accept.stability

    def replicates(self, accept: AcceptSettings) -> bool:
        """Whether different sites' fits agree."""
        return _mean(self.replication) >= accept.replication

    def separates(self, accept: AcceptSettings) -> bool:
        """Whether outcomes of test learners differ between its clusters."""
        return self.eta_low >= accept.separation


def choose(candidates: Sequence[Candidate], accept: AcceptSettings, least: int) -> Candidate | None:
    """Return the clustering to judge on test learners; None where no one can be."""
    able = [
        candidate
        for candidate in candidates
        if candidate.smallest >= least and candidate.stable(accept) and candidate.replicates(accept)
    ]
    # Of equals the one with fewer clusters.
    return max(able, key=lambda c: (c.eta_training, -c.family.k), default=None)


def _mean(values: Sequence[float]) -> float:
    """Mean; of nothing NaN, which passes no bound."""
    return sum(values) / len(values) if values else float("nan")
