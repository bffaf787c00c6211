"""What a job is for: conf/task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from edufed.config.errors import Settings
from edufed.config.numbers import NotNegativeInt, Share
from edufed.config.portrait import PortraitSettings

MapLevel = Literal["region", "district", "school", "class"]


class RiskSettings(Settings):
    """What a model of passing is trained on: what is known on the cutoff day."""

    cutoff_day: float
    validation_share: Share  # of the training learners, for convergence and calibration
    relative: bool  # add each feature's rank within the learner's course cohort
    min_cohort: PositiveInt  # a smaller cohort gives no ranks
    absent_days: PositiveFloat  # the transparent rule to beat: no visit for this many days


class EarlyWarningSettings(RiskSettings):
    """Warn of learners who will not pass."""

    name: Literal["early_warning"]


class CertifySettings(RiskSettings):
    """Say how surely a learner passes, as evidence for recognising outcomes."""

    name: Literal["certify"]
    coverage: Share  # nominal: the share of true results that prediction sets are to hold
    folds: Annotated[int, Field(ge=2)]  # of later learners: each is judged by the other folds
    quantiles: Literal["all", "education", "site"]  # whose calibration learners set the bounds


class PrivateMapSettings(Settings):
    """How much of a learner counts under differential privacy."""

    most_courses: PositiveInt = 2  # of a learner, the first by course id
    most_use: PositiveFloat = 10000  # more use of resources in a course counts as this much


class QualityMapSettings(Settings):
    """Map how learners fare from class to province; nothing is trained."""

    name: Literal["quality_map"]
    levels: list[MapLevel]  # those that no site's data have are left out
    min_cohort: Annotated[int, Field(ge=2)]  # a figure of fewer learners is not published
    older_from: PositiveInt  # age parity: those of bands from this age on, over the younger ones
    private: PrivateMapSettings = PrivateMapSettings()


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
    private_items: PositiveInt = 40  # under differential privacy: most resources of a learner


class ColdStartSettings(Settings):
    """Tell what a platform's new learners will use there, from what other platforms know."""

    name: Literal["cold_start"]
    cutoff_day: float  # newcomers come on this day of the course; others' later rows are dropped
    horizon_days: PositiveFloat  # foretold: what a newcomer uses within so many days
    recent_days: PositiveFloat  # popularity within a category is that of the days before the cutoff
    trust: PositiveFloat  # weight of the foretold categories beside log popularity
    history_weight: PositiveFloat  # uses that the foretold categories stand for, beside own uses
    seen: list[NotNegativeInt]  # numbers of a newcomer's own uses at which lists are judged
    min_cohort: Annotated[int, Field(ge=2)]  # figures of fewer learners are not told
    top: PositiveInt  # resources in a newcomer's list
    replicates: PositiveInt  # of the bootstrap behind the intervals


TaskSettings = Annotated[
    EarlyWarningSettings
    | QualityMapSettings
    | RecommendSettings
    | ColdStartSettings
    | PortraitSettings
    | CertifySettings,
    Field(discriminator="name"),
]
