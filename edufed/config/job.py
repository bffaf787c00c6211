"""What one job says: scenario x task x data x model x strategy x privacy x federation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from edufed.config.data import DataSettings, DomainSettings
from edufed.config.errors import Settings, SettingsError
from edufed.config.federation import DeploymentSettings, FederationSettings
from edufed.config.model import ModelSettings
from edufed.config.portrait import PortraitSettings
from edufed.config.privacy import PrivacySettings, PrivateLearners
from edufed.config.scenario import Scenario, TransferSettings, VerticalSettings
from edufed.config.strategy import LocalTraining, NeuralTransfer, StrategySettings
from edufed.config.task import (
    CertifySettings,
    ColdStartSettings,
    QualityMapSettings,
    RecommendSettings,
    RiskSettings,
    TaskSettings,
)
from edufed.config.together import check_together


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
    def early_warning(self) -> RiskSettings:
        """The task's settings, for what trains a model of risk: to warn early, or to certify."""
        assert isinstance(self.task, RiskSettings)
        return self.task

    @property
    def certify(self) -> CertifySettings:
        """The task's settings, for what certifies: whoever asks knows that this task does."""
        assert isinstance(self.task, CertifySettings)
        return self.task

    @property
    def cold_start(self) -> ColdStartSettings:
        """The task's settings, for what meets new learners: whoever asks knows that it does."""
        assert isinstance(self.task, ColdStartSettings)
        return self.task

    @property
    def label_party(self) -> str | None:
        """The site with the targets; for a cold start, the one that new learners come to."""
        if isinstance(self.task, ColdStartSettings) and self.data.newcomers_at is not None:
            return self.data.newcomers_at
        return self.data.label_party

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
    def quality_map(self) -> QualityMapSettings:
        """The task's settings, for what maps quality: whoever asks knows that this task does."""
        assert isinstance(self.task, QualityMapSettings)
        return self.task

    @property
    def portrait(self) -> PortraitSettings:
        """The task's settings, for what portrays: whoever asks knows that this task does."""
        assert isinstance(self.task, PortraitSettings)
        return self.task

    @property
    def local_training(self) -> LocalTraining:
        """How a site trains within a round: said by strategies without differential privacy."""
        assert isinstance(self.strategy, LocalTraining)
        return self.strategy

    @property
    def secure_sums(self) -> int:
        """Most federation-wide sums that the job can ask for: its rounds and a few around them."""
        own = self.task.clusters.rounds if isinstance(self.task, PortraitSettings) else None
        return (own or self.scenario.rounds) + 16

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
        check_together(self)
        return self
