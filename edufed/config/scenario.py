"""How sites work together: conf/scenario."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from edufed.config.errors import Settings
from edufed.config.numbers import NotNegative


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
    # Score current learners with the model of this job: edufed predict.
    model: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None


class TransferSettings(ScenarioSettings):
    """Education types with neither learners nor features in common: knowledge moves as a model."""

    name: Literal["transfer"]  # its loss is that of the sources' training learners
    label_sizes: list[PositiveInt]  # numbers of target labels to compare with and without transfer
    draws: PositiveInt  # random draws of labelled learners for each of them
    folds: Annotated[int, Field(ge=2)]  # of cross-validation on the target's labels


Scenario = Annotated[
    HorizontalSettings | VerticalSettings | TransferSettings, Field(discriminator="name")
]
