"""What one job says: scenario x task x data x model x strategy x privacy x federation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from edufed.config.errors import Settings, SettingsError

Share = Annotated[float, Field(gt=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
MapLevel = Literal["region", "district", "school", "class"]
NotNegativeInt = Annotated[int, Field(ge=0)]


class ScenarioSettings(Settings):
    """How sites work together, as far as every scenario says it."""

    rounds: PositiveInt  # at most; convergence may stop earlier
    patience: PositiveInt  # rounds without a better loss before stopping
    min_improvement: NotNegative  # a loss counts as better only by this much
    min_sites: PositiveInt  # fewer answers than this, and the job does not go on
    round_timeout_s: PositiveFloat  # a site that takes longer is left out of that round
    wait_s: NotNegative  # how long to wait, trying again, while fewer than min_sites answer


class HorizontalSettings(ScenarioSettings):
    """Regions with one schema and different learners train one model."""

    name: Literal["horizontal"]  # its loss is that of the validation learners


class VerticalSettings(ScenarioSettings):
    """Platforms of a region, with different features of shared learners, train one model."""

    name: Literal["vertical"]  # its loss is the label party's, on the training learners
    min_sites: Annotated[int, Field(ge=2)]
    model: str | None = None  # score current learners with the model of this job: edufed predict


class TransferSettings(ScenarioSettings):
    """Education types with neither learners nor features in common: knowledge moves as a model."""

    name: Literal["transfer"]  # its loss is that of the sources' training learners
    label_sizes: list[PositiveInt]  # numbers of target labels to compare with and without transfer
    draws: PositiveInt  # random draws of labelled learners for each of them
    folds: Annotated[int, Field(ge=2)]  # of cross-validation on the target's labels


class EarlyWarningSettings(Settings):
    """Warn of learners who will not pass, from what is known on the cutoff day."""

    name: Literal["early_warning"]
    cutoff_day: float
    validation_share: Share  # of the training learners, for convergence and calibration
    relative: bool  # add each feature's rank within the learner's course cohort
    min_cohort: PositiveInt  # a smaller cohort gives no ranks
    absent_days: PositiveFloat  # the transparent rule to beat: no visit for this many days


class QualityMapSettings(Settings):
    """Map how learners fare from class to province; nothing is trained."""

    name: Literal["quality_map"]
    levels: list[MapLevel]  # those that no site's data have are left out
    min_cohort: Annotated[int, Field(ge=2)]  # a figure of fewer learners is not published
    older_from: PositiveInt  # age parity: those of bands from this age on, over the younger ones


class RecommendSettings(Settings):
    """Recommend each learner the resources of a course that they are likely to use next."""

    name: Literal["recommend"]
    cutoff_day: float
    horizon_days: PositiveFloat  # foretold: what is used for the first time within so many days
    top: PositiveInt  # resources in a learner's list
    min_cohort: PositiveInt  # a course of fewer learners, over all sites, takes no part
    max_resources: PositiveInt  # of a course; what sites send grows with the square of it
    ease_l2: PositiveFloat  # penalty of EASE (Steck 2019)
    ranker_l2: PositiveFloat  # penalty of the ranker, on the mean log likelihood
    rank: PositiveInt  # length of the vectors of the matrix factorisation
    alpha: PositiveFloat  # how much more a use says than its absence (Hu et al. 2008)
    factor_l2: PositiveFloat
    factor_rounds: PositiveInt
    replicates: PositiveInt  # of the bootstrap behind the intervals


class SplitSettings(Settings):
    """Which learners test: those of later courses, or a fixed share of all."""

    by: Literal["time", "learner"]
    test_from: date | None  # by time: courses that start on this day or later test
    test_share: Share | None  # by learner: for data without course dates
    test_learners: PositiveInt | None = None  # by learner: so many instead of a share

    @model_validator(mode="after")
    def _complete(self) -> SplitSettings:
        if self.by == "time" and self.test_from is None:
            raise ValueError("by=time needs test_from, the first day of the first test course")
        if self.by == "learner" and (self.test_share is None) == (self.test_learners is None):
            raise ValueError("by=learner needs test_share, such as 0.25, or else test_learners")
        return self


class SimulatedSite(Settings):
    """One site of a simulation: what it adds to the data group's adapter settings."""

    name: str
    adapter: dict[str, Any] = Field(default={})


class DomainSettings(Settings):
    """scenario=transfer: one education type, and the sites that have its learners."""

    name: str
    cutoff_day: float | None = None  # default: the task's
    split: SplitSettings | None = None  # default: that of the data
    site: str | None = None  # in conf/site: what the sites' adapters start from
    sites: Annotated[list[SimulatedSite], Field(min_length=1)]


class MapSettings(Settings):
    """How a page draws the regions of the data."""

    tiles: dict[str, tuple[NotNegativeInt, NotNegativeInt]] = Field(default={})  # column and row
    geojson: str | None = None  # a file of their shapes, drawn instead of tiles
    property: str = "name"  # of a feature in that file: the region's name


class DataSettings(Settings):
    """Which data, how it splits, and (for simulation only) where the sites' tables are.

    In a deployment each site's own YAML says where its data is: `path`, `adapter` and
    `sites` here are then left out of what travels.
    """

    name: str
    split: SplitSettings
    path: str | None = None
    adapter: dict[str, Any] = Field(default={})
    sites: list[SimulatedSite] = Field(default=[])
    regions: PositiveInt | None = None  # makes sites region-00, region-01, ... by number
    platforms: list[str] = Field(default=[])  # vertical: the sites are one region's platforms
    region: NotNegativeInt = 0  # vertical: that region
    label_party: str | None = None  # vertical: the site with the targets
    files: list[str] = Field(default=[])  # YAML files of sites, as `edufed client` takes them
    map: MapSettings = MapSettings()
    # Course ids from a catalogue: public, not found in learners' records. For differential privacy.
    courses: list[str] = Field(default=[])
    domains: list[DomainSettings] = Field(default=[])  # transfer: education types and their sites
    target: str | None = None  # transfer: the domain that needs labels; the others have them
    every_direction: bool = False  # transfer: also from each single domain to each other one

    @model_validator(mode="after")
    def _one_list_of_sites(self) -> DataSettings:
        if sum(map(bool, (self.sites, self.regions, self.files))) > 1:
            raise ValueError("give one of sites, regions (their number) and files (sites' YAML)")
        listed = [site.name for domain in self.domains for site in domain.sites]
        if len(set(listed)) < len(listed) or len({d.name for d in self.domains}) < len(
            self.domains
        ):
            raise ValueError("domains: each domain and each site in them needs its own name")
        if self.platforms and (self.regions is None or self.region >= self.regions):
            raise ValueError("region must be one of regions, counted from 0")
        names = [site.name for site in self.sites]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"site {twice[0]!r} is listed twice; each site needs its own name")
        return self


class LogisticSettings(Settings):
    """Logistic regression."""

    name: Literal["logistic"]
    l2: NotNegative


class MlpSettings(Settings):
    """A multi-layer perceptron with one risk at its end."""

    name: Literal["mlp"]
    hidden: list[PositiveInt]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    l2: NotNegative


class Averaging(Settings):
    """Sites send models, and these are combined."""

    max_update_norm: PositiveFloat | None  # the farthest (L2) that one round may move its model


class LocalTraining(Averaging):
    """How a site trains within one round."""

    local_epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat  # in the first round; it falls to almost nothing in the last


class FedAvgSettings(LocalTraining):
    """FedAvg (McMahan et al. 2017)."""

    name: Literal["fedavg"]


class FedProxSettings(LocalTraining):
    """FedProx (Li et al. 2020): local models are held near the global one."""

    name: Literal["fedprox"]
    proximal_mu: NotNegative


class FedAdamSettings(LocalTraining):
    """FedAdam (Reddi et al. 2021): Adam at the server, on the averaged update."""

    name: Literal["fedadam"]
    server_learning_rate: PositiveFloat
    beta_1: Annotated[float, Field(ge=0, lt=1)]
    beta_2: Annotated[float, Field(ge=0, lt=1)]
    tau: PositiveFloat  # adaptivity: smaller adapts more


class FedPerSettings(LocalTraining):
    """FedPer (Arivazhagan et al. 2019): the last layers stay at the site."""

    name: Literal["fedper"]
    personal_layers: PositiveInt


class RobustSettings(LocalTraining, ABC):
    """A strategy that compares the sites' updates, and so withstands some poisoned ones."""

    @property
    @abstractmethod
    def least_sites(self) -> int:
        """Sites that a round needs, or one poisoned update may decide it."""


class FedMedianSettings(RobustSettings):
    """Median of each weight (Yin et al. 2018): withstands any fewer than half of the sites."""

    name: Literal["fedmedian"]

    @property
    def least_sites(self) -> int:
        """Sites that a round needs, or one poisoned update may decide it."""
        return 3


class FedTrimmedAvgSettings(RobustSettings):
    """Trimmed mean of each weight (Yin et al. 2018): withstands a share `beta` of the sites."""

    name: Literal["fedtrimmedavg"]
    beta: Annotated[float, Field(gt=0, lt=0.5)]  # share of the sites left out at either end

    @property
    def least_sites(self) -> int:
        """Sites that a round needs, or none is left out at either end."""
        whole = ceil(1 / self.beta)
        # As Flower rounds it: 49 * (1 / 49) falls short of 1.
        return whole if int(self.beta * whole) else whole + 1


class KrumSettings(RobustSettings):
    """Krum (Blanchard et al. 2017): takes the one update that has the closest neighbours."""

    name: Literal["krum"]
    malicious_sites: PositiveInt  # how many it is to withstand

    @property
    def least_sites(self) -> int:
        """Sites that a round needs: the paper's 2f + 3."""
        return 2 * self.malicious_sites + 3


class ExactSettings(Settings):
    """The label party's search along all parties' preconditioned directions: nothing to tune.

    For scenario=vertical; docs/vertical-regression.md.
    """

    name: Literal["exact"]


class DpFedAvgSettings(Averaging):
    """Sites train by DP-SGD (Abadi et al. 2016), and their models are averaged: privacy=dp."""

    name: Literal["dp_fedavg"]
    local_steps: PositiveInt  # in a round
    learning_rate: PositiveFloat


class DpSgdSettings(Settings):
    """Each round is one step on the noisy sum of all sites' gradients: privacy=secagg_dp."""

    name: Literal["dp_sgd"]
    learning_rate: PositiveFloat
    momentum: Annotated[float, Field(ge=0, lt=1)]


class NeuralTransfer(LocalTraining):
    """A neural strategy of scenario=transfer: every site has an encoder of its own features.

    Attributes
    ----------
    embedding : int
        Width of the space that the encoders share.
    target_labels : int or None
        Labels of the target to train on; None: all that it has.
    """

    embedding: PositiveInt
    target_labels: PositiveInt | None


class LGFedAvgSettings(NeuralTransfer):
    """LG-FedAvg (Liang et al. 2020): encoders stay at their sites, the head is averaged."""

    name: Literal["lgfedavg"]


class FedProtoSettings(NeuralTransfer):
    """FedProto (Tan et al. 2022): sites exchange the mean embedding of each class."""

    name: Literal["fedproto"]
    prototype_weight: NotNegative  # pull of embeddings towards their class's prototype


class FedMDSettings(NeuralTransfer):
    """FedMD (Li & Wang 2019): sites exchange predictions on generated canonical features."""

    name: Literal["fedmd"]
    generated: PositiveInt  # rows drawn from the federation's moments to distil on
    distillation_weight: NotNegative


class NewtonSettings(Settings):
    """Exact Newton steps on federation-wide sums of gradient and curvature: nothing to tune.

    For scenario=transfer; docs/transfer.md.
    """

    name: Literal["newton"]


class NoPrivacy(Settings):
    """Updates travel as they are (under TLS when deployed)."""

    name: Literal["none"]


class SecureSums(Settings):
    """Secure aggregation: the coordinator learns sums over sites and nothing of one site."""

    threshold: PositiveInt | None  # sites that must answer; default: all but a third


class SecAggSettings(SecureSums):
    """Secure aggregation of exact sums."""

    name: Literal["secagg"]


class HeSettings(Settings):
    """Encrypted sums: the coordinator adds ciphertexts, and is told the sum over sites alone."""

    name: Literal["he"]
    threshold: PositiveInt | None  # sites that must answer; default: all but a third


class PrivateLearners(Settings):
    """Differential privacy of each learner, all their rows together, in everything that leaves."""

    epsilon: PositiveFloat  # of the whole job
    delta: Annotated[float, Field(gt=0, lt=1)]
    sampling_rate: Annotated[float, Field(gt=0, le=1)]  # chance of a learner to be in a step
    clip: PositiveFloat  # greatest length of a learner's gradient


class DpSettings(PrivateLearners):
    """Each site adds all of the noise to what it sends."""

    name: Literal["dp"]


class SecAggDpSettings(PrivateLearners, SecureSums):
    """Sites add shares of the noise, and secure aggregation shows the sum alone."""

    name: Literal["secagg_dp"]
    colluding_sites: Annotated[int, Field(ge=0)]  # that may tell the coordinator their noise


class SimulationSettings(Settings):
    """All sites on this machine, by Flower's simulation."""

    name: Literal["simulation"]
    cpus_per_site: PositiveFloat  # 1 runs as many sites at once as there are cores
    state: str | None  # where the simulated sites keep state; default: OUT/sites


class DeploymentSettings(Settings):
    """Sites as processes of their own, reached through the coordinator on this machine."""

    name: Literal["deployment"]
    settings: str  # YAML of `edufed server`


ModelSettings = Annotated[LogisticSettings | MlpSettings, Field(discriminator="name")]
StrategySettings = Annotated[
    FedAvgSettings
    | FedProxSettings
    | FedAdamSettings
    | FedPerSettings
    | FedMedianSettings
    | FedTrimmedAvgSettings
    | KrumSettings
    | ExactSettings
    | DpFedAvgSettings
    | DpSgdSettings
    | NewtonSettings
    | LGFedAvgSettings
    | FedProtoSettings
    | FedMDSettings,
    Field(discriminator="name"),
]
TaskSettings = Annotated[
    EarlyWarningSettings | QualityMapSettings | RecommendSettings, Field(discriminator="name")
]
Scenario = Annotated[
    HorizontalSettings | VerticalSettings | TransferSettings, Field(discriminator="name")
]
FederationSettings = Annotated[SimulationSettings | DeploymentSettings, Field(discriminator="name")]
PrivacySettings = Annotated[
    NoPrivacy | SecAggSettings | HeSettings | DpSettings | SecAggDpSettings,
    Field(discriminator="name"),
]
#: Differential privacy needs training that clips and adds noise: privacy -> strategy.
PRIVATE_STRATEGIES = {"dp": "dp_fedavg", "secagg_dp": "dp_sgd"}


class Job(Settings):
    """One configured piece of mining, complete and checked."""

    scenario: Scenario
    task: TaskSettings
    data: DataSettings
    model: ModelSettings
    strategy: StrategySettings
    privacy: PrivacySettings
    federation: FederationSettings
    seed: Annotated[int, Field(ge=0)]
    research: bool  # compute the pooled and local-only baselines as well
    language: Literal["en", "zh"]  # of report.html and messages to people
    out: str
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]*$")] = ""  # given when the job is composed

    @property
    def early_warning(self) -> EarlyWarningSettings:
        """The task's settings, for what warns early: whoever asks knows that this task does."""
        assert isinstance(self.task, EarlyWarningSettings)
        return self.task

    @property
    def service(self) -> str:
        """What serves the job: its task, with what else decides before it: scenario or privacy."""
        if isinstance(self.strategy, NeuralTransfer):
            return f"neural/{self.task.name}"
        if isinstance(self.scenario, VerticalSettings) and self.scenario.model is not None:
            return f"{self.scenario.name}/scoring"
        if isinstance(self.scenario, VerticalSettings | TransferSettings):
            return f"{self.scenario.name}/{self.task.name}"
        if isinstance(self.privacy, PrivateLearners):
            return f"private/{self.task.name}"
        return self.task.name

    @property
    def recommend(self) -> RecommendSettings:
        """The task's settings, for what recommends: whoever asks knows that this task does."""
        assert isinstance(self.task, RecommendSettings)
        return self.task

    @property
    def local_training(self) -> LocalTraining:
        """How a site trains within a round: said by strategies without differential privacy."""
        assert isinstance(self.strategy, LocalTraining)
        return self.strategy

    @property
    def secure_sums(self) -> int:
        """Most federation-wide sums that the job can ask for: its rounds and a few around them."""
        return self.scenario.rounds + 16

    def for_sites(self) -> dict[str, Any]:
        """Return the job as it travels: deployed, without what only the coordinator's disk has."""
        said = self.model_dump(mode="json")
        if isinstance(self.federation, DeploymentSettings):
            said["out"] = said["federation"]["settings"] = ""
            said["data"] |= {"path": None, "adapter": {}, "sites": [], "files": []}
            said["data"] |= {"regions": None, "platforms": []}
            said["data"]["map"]["geojson"] = None
            for domain in said["data"]["domains"]:
                domain["site"] = None
                for site in domain["sites"]:
                    site["adapter"] = {}
        return said

    def domain_of(self, site: str) -> DomainSettings:
        """Return the education type of a site, of scenario=transfer.

        Raises
        ------
        SettingsError
            The job lists the site under none.
        """
        for domain in self.data.domains:
            if any(site == listed.name for listed in domain.sites):
                return domain
        raise SettingsError(f"data.domains: no domain lists site {site!r}")

    def for_domain(self, site: str) -> Job:
        """Return the job with the cutoff day and the split of a site's own education type."""
        domain = self.domain_of(site)
        task = self.early_warning
        if domain.cutoff_day is not None:
            task = task.model_copy(update={"cutoff_day": domain.cutoff_day})
        data = self.data.model_copy(update={"split": domain.split or self.data.split})
        return self.model_copy(update={"task": task, "data": data})

    @model_validator(mode="after")
    def _possible_together(self) -> Job:
        if self.strategy.name == "fedper" and self.model.name == "logistic":
            raise ValueError(
                "strategy=fedper keeps the last layer at the site, and model=logistic has no other;"
                " choose model=mlp"
            )
        if isinstance(self.strategy, RobustSettings):
            self._withstands(self.strategy)
        vertical = isinstance(self.scenario, VerticalSettings)
        if isinstance(self.strategy, ExactSettings) != vertical:
            raise ValueError("scenario=vertical and strategy=exact go together, neither alone")
        if vertical:
            self._is_vertical()
        transfer = isinstance(self.scenario, TransferSettings)
        if isinstance(self.strategy, NewtonSettings | NeuralTransfer) != transfer:
            raise ValueError(
                f"scenario={self.scenario.name} does not go with strategy={self.strategy.name};"
                " scenario=transfer takes strategy=newton, lgfedavg, fedproto or fedmd"
            )
        if transfer:
            self._is_transfer()
        if isinstance(self.task, RecommendSettings):
            self._recommends()
        if isinstance(self.task, QualityMapSettings):
            self._maps()
        self._trains_privately()
        return self

    def _maps(self) -> None:
        if self.scenario.name != "horizontal":
            raise ValueError("task=quality_map adds up sites' sums; choose scenario=horizontal")
        if isinstance(self.privacy, PrivateLearners):
            raise ValueError(
                f"task=quality_map does not run with privacy={self.privacy.name} yet;"
                " choose privacy=secagg"
            )

    def _recommends(self) -> None:
        if self.scenario.name != "horizontal":
            raise ValueError("task=recommend adds up what sites count; choose scenario=horizontal")
        if self.privacy.name not in ("none", "secagg"):
            raise ValueError(
                f"task=recommend does not run with privacy={self.privacy.name} yet;"
                " choose privacy=secagg"
            )

    def _is_transfer(self) -> None:
        names = [domain.name for domain in self.data.domains]
        if len(names) < 2 or self.data.target not in names:
            raise ValueError(
                "scenario=transfer needs data.domains, two or more, and data.target, one of them;"
                " choose data=oulad_to_polytechnic, oulad_to_basic or province"
            )
        if self.privacy.name not in ("none", "secagg"):
            raise ValueError("scenario=transfer adds up under privacy=secagg or none; choose one")
        needed = "logistic" if isinstance(self.strategy, NewtonSettings) else "mlp"
        if self.model.name != needed:
            raise ValueError(f"strategy={self.strategy.name} needs model={needed}")

    def _is_vertical(self) -> None:
        if self.data.label_party is None:
            raise ValueError(
                "scenario=vertical needs data.label_party, the name of the site with the targets"
            )
        if self.model.name != "logistic":
            raise ValueError("scenario=vertical with strategy=exact needs model=logistic")
        if self.privacy.name != "secagg":
            raise ValueError(
                "scenario=vertical masks what feature parties send in any case: leave privacy out,"
                " or choose privacy=secagg"
            )

    def _trains_privately(self) -> None:
        privacy, strategy = self.privacy.name, self.strategy.name
        needed = PRIVATE_STRATEGIES.get(privacy)
        if needed is not None and strategy != needed:
            raise ValueError(
                f"privacy={privacy} trains by strategy={needed}, not {strategy};"
                " leave strategy= out, and model= and strategy.* at their defaults to begin with"
            )
        if needed is not None and not isinstance(self.task, EarlyWarningSettings):
            raise ValueError(f"privacy={privacy} is for task=early_warning, not {self.task.name}")
        if needed is None and strategy in PRIVATE_STRATEGIES.values():
            fitting = next(p for p, s in PRIVATE_STRATEGIES.items() if s == strategy)
            raise ValueError(f"strategy={strategy} is for privacy={fitting}, not {privacy}")

    def _withstands(self, strategy: RobustSettings) -> None:
        name = self.strategy.name
        if self.privacy.name != "none":
            raise ValueError(
                f"strategy={name} compares single updates, which privacy={self.privacy.name} hides;"
                " choose privacy=none, or another strategy with strategy.max_update_norm"
            )
        if self.scenario.min_sites < strategy.least_sites:
            raise ValueError(
                f"strategy={name} as set withstands nothing below {strategy.least_sites} sites;"
                f" set scenario.min_sites={strategy.least_sites}"
            )
