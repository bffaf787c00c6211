"""What sites say beside their arrays, checked before anything is made of it.

A site's answer is another party's word: one that lacks what was asked for, or is of another form,
is left out with a reason, and no code further on meets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from edufed.config.task import MapLevel

Count = Annotated[int, Field(ge=0)]
Score = Annotated[float, Field(ge=0, le=1)]
EducationType = Literal["community", "vocational", "higher", "basic", "mixed"]
#: Test learners by result (pass, fail) and by kind of set.
Sets = Annotated[
    list[Annotated[list[Count], Field(min_length=4, max_length=4)]],
    Field(min_length=2, max_length=2),
]


class Quality(BaseModel):
    """What a site's quality check found."""

    site: str
    rows: Count
    rejected: Count
    reasons: dict[str, Count]


class Greeting(BaseModel):
    """Who takes part, and with how many rows."""

    site: str
    n_train: Count
    n_valid: Count
    n_test: Count
    quality: Quality
    seconds_features: float

    @model_validator(mode="after")
    def _of_one_site(self) -> Self:
        if self.quality.site != self.site:
            raise ValueError("quality is another site's")
        return self


class Hello(Greeting):
    """A site with the federation's schema."""

    courses: list[str]
    missing: list[str]
    education: EducationType | None = None  # said for task=certify


class VerticalHello(Greeting):
    """A platform with columns of its own."""

    role: Literal["label", "feature"]
    features: Annotated[int, Field(ge=1)]
    learners: Count


class Aligned(BaseModel):
    """How many rows the label party shares, or how many of them a feature party has."""

    rows: Count | None = None
    left_out: Count | None = None
    present: Count | None = None
    training_rows: Count | None = None


class PrivateHello(BaseModel):
    """Who takes part, in a job with differential privacy: with what, nobody says exactly."""

    site: str


class Ledger(BaseModel):
    """How a site's privacy ledger stands after a job."""

    population: str
    jobs: Count
    epsilon: Annotated[float, Field(ge=0)]
    delta: Annotated[float, Field(gt=0, lt=1)]
    budget: Annotated[float, Field(gt=0)]


class PrivatelyPublished(BaseModel):
    """What a site says once it keeps the model of a job with differential privacy."""

    ledger: Ledger


class MapHello(BaseModel):
    """Which cells of the quality map a site has learners for."""

    site: str
    levels: list[MapLevel]
    units: list[list[str]]
    terms: list[str]
    stages: dict[str, Annotated[int, Field(ge=0, le=8)]]
    quality: Quality
    seconds_features: float

    @model_validator(mode="after")
    def _as_deep_as_said(self) -> MapHello:
        if any(len(path) != len(self.levels) for path in self.units):
            raise ValueError("a unit has not a name at every level")
        return self


class Scores(BaseModel):
    """How good a model is on a site's own learners."""

    roc_auc: Score | None
    pr_auc: Score | None
    brier: Score | None
    ece: Score | None
    precision_at_10: Score | None
    recall_at_10: Score | None


class OwnScores(BaseModel):
    """The federation's model on a site's test learners, and on request one of the site alone."""

    federated: Scores
    local: Scores | None = None


class Progressed(BaseModel):
    """What the label party says of a round."""

    round: Count
    step: bool
    loss: float
    roc_auc: Score | None
    parties: list[str]
    stopped_by: str | None


class Scored(BaseModel):
    """How many learners the label party has scored."""

    scored: Count
    seconds: float


class Curve(BaseModel):
    """Calibration and caseload, as columns of few numbers."""

    calibration: dict[str, list[float]]
    caseload: dict[str, list[float]]


class TogetherAndAlone(BaseModel):
    """Scores of the joint model, and of the label party's own."""

    federated: Scores
    alone: Scores


class Ended(Progressed):
    """What it says at the end."""

    metrics: TogetherAndAlone
    curves: dict[Literal["federated", "alone"], Curve]


class ListModel(BaseModel):
    """How good one model's lists are."""

    model: str
    ndcg_at_10: Score
    low: Score | None
    high: Score | None
    hr_at_10: Score
    coverage: Score


class ListDifference(BaseModel):
    """By how much one model's NDCG@10 is above another's, over the same learners."""

    model: str
    over: str
    gain: float
    low: float | None
    high: float | None


class ListFigures(BaseModel):
    """Lists for some of the label party's test learners; nothing of few."""

    seen: Count
    group: Literal["new", "all"]
    learners: Count | None
    models: list[ListModel]
    differences: list[ListDifference]


class Welcomed(Progressed):
    """What the label party says at the end of a cold start."""

    figures: list[ListFigures]
    lists: Count


class Evaluation(BaseModel):
    """What a site says beside its share of the scores."""

    metrics: OwnScores


class OwnCoverage(BaseModel):
    """How the bounds hold for a site's own test learners; None where these are few."""

    n: Count
    sets: Sets | None = None
    earlier: Sets | None = None
    calibration: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None


class Certified(BaseModel):
    """What a site says beside its share of the coverage."""

    certify: OwnCoverage


class ZeroLabel(Scores):
    """A source's model without one label of the target, by rank and as it came."""

    as_it_came: Scores


class Gate(BaseModel):
    """What the gate decided at a target, and why."""

    used: Literal["transfer", "target_only"]
    why: Literal["no_labels", "one_class", "gains", "within_noise", "loses"]
    labels: Count
    difference: float | None
    noise: float | None


class LabelsRow(BaseModel):
    """One number of labels: both models' mean ROC-AUC over random draws."""

    n_labels: Count
    draws: Count
    target_only: Score
    rival: Score
    transfer: Score
    chosen: Score
    low: float | None
    high: float | None
    used: Literal["transfer", "target_only"]
    share_used: Score


class FilledIn(BaseModel):
    """What filling in the features that a target lacks is worth to it."""

    filled: list[str]
    roc_auc: Score
    left_out: Score


class Direction(BaseModel):
    """What one model is worth to a target."""

    zero_label: ZeroLabel
    gate: Gate
    federated: Scores
    local: Scores | None
    table: list[LabelsRow]
    imputation: FilledIn | None = None


class TransferEvaluation(BaseModel):
    """What a target says of the models that were made for it."""

    directions: Annotated[list[Direction], Field(min_length=1)]


class NeuralEvaluation(BaseModel):
    """What a site says of its neural model, and of one trained alone."""

    federated: Scores
    local: Scores
    gate: Gate | None


def fault(kind: type[BaseModel], meta: Mapping[str, Any]) -> str | None:
    """Say in one line what is wrong with an answer, or None."""
    try:
        kind.model_validate(meta)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        return f"its answer is not what was asked for: {where}{first['msg']}"[:200]
    return None
