"""What a job under differential privacy spends, and on what: read alike at both sides.

The coordinator plans the noise and sends it with its first question. A site does not take its word
that this is enough: it adds up what the job will cost, and notes that in its own ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from edufed.config.job import Job
from edufed.config.privacy import DpSettings, PrivateLearners, SecAggDpSettings
from edufed.config.strategy import DpFedAvgSettings
from edufed.config.task import QualityMapSettings, RecommendSettings
from edufed.privacy.composition import Charge
from edufed.privacy.dp.accounting import Part
from edufed.privacy.dp.budget import Entry, JobBudget, Kind, horizontal_parts
from edufed.privacy.fixed_point import FixedPoint
from edufed.privacy.secagg.plan import SecAggPlan
from edufed.quality.private import parts as map_parts
from edufed.recommend.private import parts as recommend_parts

#: Step of the numbers that secure aggregation adds.
GRID = 2.0 ** -FixedPoint().fraction
#: All learners of a site are one population: a learner may train in one job and test in the next.
POPULATION = "learners"


def privacy_of(job: Job) -> PrivateLearners:
    """Return the privacy settings of a job that has differential privacy."""
    assert isinstance(job.privacy, PrivateLearners)
    return job.privacy


def kind_of(job: Job) -> Kind:
    """Return where the job's noise is complete: in each site's answers, or in their sum."""
    return "site" if isinstance(job.privacy, DpSettings) else "sum"


def local_steps(job: Job) -> int:
    """Noisy steps of one site in one round."""
    return job.strategy.local_steps if isinstance(job.strategy, DpFedAvgSettings) else 1


def parts_of(job: Job) -> list[Part]:
    """Everything that leaves a site in the job, and its share of the budget."""
    if isinstance(job.task, RecommendSettings):
        return recommend_parts(job.task.private_items)
    if isinstance(job.task, QualityMapSettings):
        return map_parts(job.task.private.most_courses)
    privacy = privacy_of(job)
    return horizontal_parts(
        job.scenario.rounds * local_steps(job),
        privacy.sampling_rate,
        privacy.clip,
        courses=bool(courses_of(job)),
    )


def courses_of(job: Job) -> list[str]:
    """Courses whose noisy means the job asks for: of a catalogue, so known to all."""
    return list(job.data.courses) if job.early_warning.relative else []


def planned(job: Job) -> JobBudget:
    """Find the noise with which all of the job costs the ε that it sets, and no more."""
    privacy = privacy_of(job)
    return _planned(kind_of(job), privacy.epsilon, privacy.delta, tuple(parts_of(job)))


@lru_cache(maxsize=32)
def _planned(kind: Kind, epsilon: float, delta: float, parts: tuple[Part, ...]) -> JobBudget:
    return JobBudget.of(kind, epsilon, delta, parts)


def with_noise(job: Job, multipliers: Sequence[float]) -> JobBudget:
    """Return the job's budget with the noise multipliers that its coordinator planned.

    Raises
    ------
    ValueError
        There are not as many as parts, or one is not positive.
    """
    parts = parts_of(job)
    if len(multipliers) != len(parts):
        raise ValueError(f"{len(multipliers)} noise multipliers for {len(parts)} kinds of answers")
    entries = (
        Entry(part.name, Charge(float(noise), part.sampling_rate, part.steps), part.clip)
        for part, noise in zip(parts, multipliers, strict=True)
    )
    return JobBudget(kind_of(job), privacy_of(job).delta, tuple(entries))


def noise_of(budget: JobBudget) -> list[float]:
    """Return a budget's noise multipliers, as `with_noise` takes them."""
    return [entry.charge.noise_multiplier for entry in budget.entries]


def noisy_sites(job: Job, plan: SecAggPlan) -> int:
    """Fewest sites whose noise is in a sum and known to nobody but them.

    Raises
    ------
    ValueError
        None is left: as many may collude as have to answer.
    """
    assert isinstance(job.privacy, SecAggDpSettings)
    left = plan.threshold - job.privacy.colluding_sites
    if left < 1:
        raise ValueError(
            f"privacy.colluding_sites is {job.privacy.colluding_sites} and {plan.threshold} sites"
            " have to answer: at least one must keep its noise to itself"
        )
    return left
