"""A job's privacy budget: everything noisy that leaves, with its noise, its cost and its words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edufed.privacy.composition import Charge
from edufed.privacy.dp.accounting import ACCOUNTANT, Part, plan, spent
from edufed.privacy.dp.evaluation import SCORES_CLIP
from edufed.privacy.dp.statistics import STATISTICS_CLIP

#: Who sees the noise added: "site", whoever gets a site's messages; "sum", whoever gets the
#: sum over sites, each of which is hidden by secure aggregation.
Kind = Literal["site", "sum"]

#: Length of what a learner adds to the counts of training and of test learners: at most 1 to each.
COUNTS_CLIP = math.sqrt(2.0)

_WORDS = {
    "site": {
        "en": "Whoever sees everything that a site sends in this job can hardly tell whether any"
        " one learner's records were used:",
        "zh": "即使看到某站点在本任务中发出的全部内容，"
        "也几乎无法判断任何一名学习者的记录是否被使用：",
    },
    "sum": {
        "en": "Whoever sees the sums over all sites in this job, which is all that secure"
        " aggregation shows, can hardly tell whether any one learner's records were used:",
        "zh": "安全聚合只显示各站点之和；即使看到本任务的全部求和结果，"
        "也几乎无法判断任何一名学习者的记录是否被使用：",
    },
    "bound": {
        "en": " the odds of a right guess grow at most {odds:.3g}-fold (ε = {epsilon:.3g}), but"
        " for a chance of {delta:g} (δ). All of a learner's rows count as one learner.",
        "zh": "猜中的胜算最多变为原来的 {odds:.3g} 倍（ε = {epsilon:.3g}），"
        "例外概率为 {delta:g}（δ）。同一学习者的所有记录按一人计算。",
    },
}


@dataclass(frozen=True)
class Entry:
    """One kind of noisy answer in a job.

    Attributes
    ----------
    name : str
        What is answered, such as "training".
    charge : Charge
        Noise multiplier, sampling rate, steps: as the ledger takes it.
    clip : float
        Most that one learner can change an answer, in Euclidean length; the noise's deviation is
        noise multiplier times clip.
    """

    name: str
    charge: Charge
    clip: float

    @property
    def mechanism(self) -> str:
        """Name of the mechanism."""
        return "gaussian" if self.charge.sampling_rate == 1 else "poisson-sampled gaussian"

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise in each value."""
        return self.charge.noise_multiplier * self.clip


@dataclass(frozen=True)
class JobBudget:
    """All that a job spends on a learner.

    Attributes
    ----------
    kind : {"site", "sum"}
    delta : float
    entries : tuple of Entry
        In the order in which they leave.
    """

    kind: Kind
    delta: float
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, kind: Kind, epsilon: float, delta: float, parts: Sequence[Part]) -> JobBudget:
        """Divide a budget over `parts`: find the noise with which all together cost `epsilon`."""
        charges = plan(epsilon, delta, parts)
        entries = (Entry(p.name, c, p.clip) for p, c in zip(parts, charges, strict=True))
        return cls(kind, delta, tuple(entries))

    def __getitem__(self, name: str) -> Entry:
        """Return the entry of that name."""
        return next(entry for entry in self.entries if entry.name == name)

    @property
    def charges(self) -> list[Charge]:
        """What the site's ledger reserves."""
        return [entry.charge for entry in self.entries]

    @property
    def epsilon(self) -> float:
        """Upper bound on ε at `delta` of all entries together."""
        return spent(self.charges, self.delta)

    def report(self, steered: str = "training") -> dict[str, Any]:
        """Make `privacy.dp` of the run report.

        Parameters
        ----------
        steered : str
            Entry whose sampling rate, clipping and noise multiplier stand at the top.

        Returns
        -------
        dict
            ``kind, epsilon, delta, sampling_rate, clipping, noise_multiplier, accountant,
            entries, words``; ``words`` by language.
        """
        epsilon, first = self.epsilon, self[steered]
        figures = {"odds": math.exp(epsilon), "epsilon": epsilon, "delta": self.delta}
        return {
            "kind": self.kind,
            "epsilon": epsilon,
            "delta": self.delta,
            "sampling_rate": first.charge.sampling_rate,
            "clipping": first.clip,
            "noise_multiplier": first.charge.noise_multiplier,
            "accountant": ACCOUNTANT,
            "entries": [
                {
                    "name": entry.name,
                    "mechanism": entry.mechanism,
                    "noise_multiplier": entry.charge.noise_multiplier,
                    "sampling_rate": entry.charge.sampling_rate,
                    "steps": entry.charge.steps,
                    "clipping": entry.clip,
                    "epsilon": spent([entry.charge], self.delta),
                }
                for entry in self.entries
            ],
            "words": {
                language: _WORDS[self.kind][language] + _WORDS["bound"][language].format(**figures)
                for language in ("en", "zh")
            },
        }


def horizontal_parts(
    steps: int, sampling_rate: float, clip: float, courses: bool = True
) -> list[Part]:
    """Everything that leaves in a horizontal job, and the share of the budget that each gets.

    Numbers of learners (as weights, and to divide by), course sums, training, test scores. Nothing
    is left for validation in every round: the number of rounds is fixed beforehand.

    Parameters
    ----------
    steps : int
        Rounds times local steps; under shared noise, rounds.
    sampling_rate, clip : float
        Of training.
    courses : bool
        Whether course sums are asked for; without, their share is divided among the others.
    """
    statistics = [Part("statistics", 0.15, clip=STATISTICS_CLIP)] if courses else []
    return [
        Part("counts", 0.03, clip=COUNTS_CLIP),
        *statistics,
        Part("training", 0.6, sampling_rate, steps, clip),
        Part("evaluation", 0.22, clip=SCORES_CLIP),
    ]
