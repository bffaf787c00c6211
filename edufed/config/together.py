"""Which choices of a job's groups go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edufed.config.model import MlpSettings
from edufed.config.portrait import PortraitSettings
from edufed.config.privacy import PrivateLearners
from edufed.config.scenario import TransferSettings, VerticalSettings
from edufed.config.strategy import (
    ExactSettings,
    NeuralTransfer,
    NewtonSettings,
    RobustSettings,
    SplitNNSettings,
)
from edufed.config.task import (
    CertifySettings,
    ColdStartSettings,
    EarlyWarningSettings,
    QualityMapSettings,
    RecommendSettings,
)

if TYPE_CHECKING:
    from edufed.config.job import Job

#: Differential privacy needs training that clips and adds noise: privacy -> strategy.
PRIVATE_STRATEGIES = {"dp": "dp_fedavg", "secagg_dp": "dp_sgd"}


def check_together(job: Job) -> None:
    """Check that the groups of a job's settings go together.

    Raises
    ------
    ValueError
        They do not; one line says what to choose instead.
    """
    if job.strategy.name == "fedper" and job.model.name == "logistic":
        raise ValueError(
            "strategy=fedper keeps the last layer at the site, and model=logistic has no other;"
            " choose model=mlp"
        )
    if isinstance(job.strategy, RobustSettings):
        _withstands(job, job.strategy)
    vertical = isinstance(job.scenario, VerticalSettings)
    if isinstance(job.strategy, ExactSettings | SplitNNSettings) != vertical:
        raise ValueError(
            "scenario=vertical and strategy=exact, or splitnn, go together, neither alone"
        )
    if vertical:
        _is_vertical(job)
    transfer = isinstance(job.scenario, TransferSettings)
    if isinstance(job.strategy, NewtonSettings | NeuralTransfer) != transfer:
        raise ValueError(
            f"scenario={job.scenario.name} does not go with strategy={job.strategy.name};"
            " scenario=transfer takes strategy=newton, lgfedavg, fedproto or fedmd"
        )
    if transfer:
        _is_transfer(job)
    if isinstance(job.task, ColdStartSettings):
        _starts_cold(job)
    if isinstance(job.task, RecommendSettings):
        _recommends(job)
    if isinstance(job.task, CertifySettings):
        _certifies(job)
    if isinstance(job.task, QualityMapSettings | PortraitSettings):
        _adds_up(job)
    _trains_privately(job)


def _adds_up(job: Job) -> None:
    if job.scenario.name != "horizontal":
        raise ValueError(f"task={job.task.name} adds up sites' sums; choose scenario=horizontal")
    if not isinstance(job.privacy, PrivateLearners):
        return
    if not isinstance(job.task, QualityMapSettings):
        raise ValueError(
            f"task={job.task.name} does not run with privacy={job.privacy.name} yet;"
            " choose privacy=secagg"
        )
    if "region" not in job.task.levels:
        raise ValueError(
            f"privacy={job.privacy.name} maps regions, one a site: add region to task.levels"
        )


def _starts_cold(job: Job) -> None:
    if not isinstance(job.scenario, VerticalSettings):
        raise ValueError(
            "task=cold_start asks the other platforms of a region; choose scenario=vertical"
        )


def _certifies(job: Job) -> None:
    if job.scenario.name != "horizontal":
        raise ValueError("task=certify calibrates a federated model; choose scenario=horizontal")
    if job.strategy.name == "fedper":
        raise ValueError(
            "task=certify needs scores that mean the same at every site, and strategy=fedper keeps"
            " layers there; choose another strategy"
        )
    if job.privacy.name not in ("none", "secagg"):
        raise ValueError(
            f"task=certify does not run with privacy={job.privacy.name} yet; choose privacy=secagg"
        )


def _recommends(job: Job) -> None:
    if job.scenario.name != "horizontal":
        raise ValueError("task=recommend adds up what sites count; choose scenario=horizontal")
    if job.privacy.name == "he":
        raise ValueError("task=recommend does not run with privacy=he yet; choose privacy=secagg")
    if isinstance(job.privacy, PrivateLearners) and not job.data.courses:
        raise ValueError(
            f"privacy={job.privacy.name} asks no site for its courses: list them in data.courses"
        )


def _is_transfer(job: Job) -> None:
    names = [domain.name for domain in job.data.domains]
    if len(names) < 2 or job.data.target not in names:
        raise ValueError(
            "scenario=transfer needs data.domains, two or more, and data.target, one of them;"
            " choose data=oulad_to_polytechnic, oulad_to_basic or province"
        )
    if job.privacy.name not in ("none", "secagg"):
        raise ValueError("scenario=transfer adds up under privacy=secagg or none; choose one")
    needed = "logistic" if isinstance(job.strategy, NewtonSettings) else "mlp"
    if job.model.name != needed:
        raise ValueError(f"strategy={job.strategy.name} needs model={needed}")


def _is_vertical(job: Job) -> None:
    if job.label_party is None:
        raise ValueError(
            "scenario=vertical needs data.label_party, the name of the site with the targets"
        )
    if isinstance(job.strategy, ExactSettings) and job.model.name != "logistic":
        raise ValueError("scenario=vertical with strategy=exact needs model=logistic")
    if isinstance(job.strategy, ExactSettings) and job.strategy.products == "dealt":
        _early_warning_alone(job, "strategy.products=dealt")
    if isinstance(job.strategy, SplitNNSettings):
        _early_warning_alone(job, "strategy=splitnn")
        _is_split(job)
    if job.privacy.name != "secagg":
        raise ValueError(
            "scenario=vertical masks what feature parties send in any case: leave privacy out,"
            " or choose privacy=secagg"
        )


def _early_warning_alone(job: Job, setting: str) -> None:
    if not isinstance(job.task, EarlyWarningSettings):
        raise ValueError(f"{setting} is for task=early_warning, not {job.task.name}")


def _is_split(job: Job) -> None:
    if not isinstance(job.model, MlpSettings):
        raise ValueError("strategy=splitnn needs model=mlp")
    if job.model.dropout:
        raise ValueError("strategy=splitnn exchanges embeddings as they are; set model.dropout=0")


def _trains_privately(job: Job) -> None:
    privacy, strategy = job.privacy.name, job.strategy.name
    needed = PRIVATE_STRATEGIES.get(privacy)
    if needed is not None and strategy != needed:
        raise ValueError(
            f"privacy={privacy} trains by strategy={needed}, not {strategy};"
            " leave strategy= out, and model= and strategy.* at their defaults to begin with"
        )
    if needed is not None and not isinstance(
        job.task, EarlyWarningSettings | RecommendSettings | QualityMapSettings
    ):
        raise ValueError(
            f"privacy={privacy} is for task=early_warning, recommend and quality_map,"
            f" not {job.task.name}"
        )
    if needed is None and strategy in PRIVATE_STRATEGIES.values():
        fitting = next(p for p, s in PRIVATE_STRATEGIES.items() if s == strategy)
        raise ValueError(f"strategy={strategy} is for privacy={fitting}, not {privacy}")


def _withstands(job: Job, strategy: RobustSettings) -> None:
    name = job.strategy.name
    if job.privacy.name != "none":
        raise ValueError(
            f"strategy={name} compares single updates, which privacy={job.privacy.name} hides;"
            " choose privacy=none, or another strategy with strategy.max_update_norm"
        )
    if job.scenario.min_sites < strategy.least_sites:
        raise ValueError(
            f"strategy={name} as set withstands nothing below {strategy.least_sites} sites;"
            f" set scenario.min_sites={strategy.least_sites}"
        )
