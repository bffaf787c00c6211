"""What sites say beside their arrays, checked before anything is made of it.

A site's answer is another party's word: one that lacks what was asked for, or is of another form,
is left out with a reason, and no code further on meets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

Count = Annotated[int, Field(ge=0)]
Score = Annotated[float, Field(ge=0, le=1)]


class Quality(BaseModel):
    """What a site's quality check found."""

    site: str
    rows: Count
    rejected: Count
    reasons: dict[str, Count]


class Hello(BaseModel):
    """Who takes part, and with what."""

    site: str
    courses: list[str]
    n_train: Count
    n_valid: Count
    n_test: Count
    missing: list[str]
    quality: Quality
    seconds_features: float

    @model_validator(mode="after")
    def _of_one_site(self) -> Self:
        if self.quality.site != self.site:
            raise ValueError("quality is another site's")
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


class Evaluation(BaseModel):
    """What a site says beside its share of the scores."""

    metrics: OwnScores


def fault(kind: type[BaseModel], meta: Mapping[str, Any]) -> str | None:
    """Say in one line what is wrong with an answer, or None."""
    try:
        kind.model_validate(meta)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        return f"its answer is not what was asked for: {where}{first['msg']}"[:200]
    return None
