"""The run report as typed models: the one place that says which keys `report.json` has.

Every key below is always written; a value that is not known is null. Scenarios add keys of
their own (`vertical`, `transfer`, `recommend`, `cold_start`, or a further number in `metrics`):
they are kept as given, after the contract's keys. NumPy numbers are taken as plain ones, and a
number that is not finite becomes null, because JSON has neither NaN nor infinity.

Times are in seconds, sizes in bytes, shares and scores are 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: no NumPy types, no NaN or infinity, keys sorted text."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [plain(item) for item in items]
    return str(value) if isinstance(value, PurePath) else value


class Part(BaseModel):
    """A piece of the report. Keys that are not in the contract must be plain JSON."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return plain(value)

    @property
    def more(self) -> dict[str, JsonValue]:
        """What a scenario added here beyond the contract."""
        return self.__pydantic_extra__ or {}


class Metrics(Part):
    """How good the predictions for one set of learners are, on test data.

    `precision_at_10` and `recall_at_10` are for the top 10 % caseload: the tenth of the
    learners with the highest risk.
    """

    roc_auc: float | None = None
    pr_auc: float | None = None
    brier: float | None = None
    ece: float | None = None
    precision_at_10: float | None = None
    recall_at_10: float | None = None
    n: int | None = None
    positives: int | None = None


class Baseline(Metrics):
    """A rule without learning, measured on the same test learners."""

    name: str


class ByTraining(Part):
    """Metrics over all sites by how the model was trained.

    `local` is the mean over the sites of the models that each site trained alone.
    """

    federated: Metrics | None = None
    pooled: Metrics | None = None
    local: Metrics | None = None


class Job(Part):
    """What was asked for. `config` is the whole composed configuration."""

    id: str | None = None
    scenario: str | None = None
    task: str | None = None
    data: str | None = None
    model: str | None = None
    strategy: str | None = None
    federation: str | None = None
    config: dict[str, JsonValue] | None = None


class Site(Part):
    """One site: what it brought and how well each model does on its own test learners."""

    site: str
    n_train: int | None = None
    n_test: int | None = None
    status: str | None = None
    federated: Metrics | None = None
    local: Metrics | None = None
    pooled: Metrics | None = None


class WorstSite(Part):
    """The site where the federated model ranks worst."""

    site: str
    roc_auc: float | None = None


class RoundMetrics(Part):
    """Federated metrics on the sites' validation learners after one round."""

    loss: float | None = None
    roc_auc: float | None = None


class Round(Part):
    """One exchange. `bytes_up` went from the sites to the server, `bytes_down` back."""

    round: int
    seconds: float | None = None
    bytes_up: int | None = None
    bytes_down: int | None = None
    messages: int | None = None
    metrics: RoundMetrics | None = None


class Totals(Part):
    """The whole run. `best_round` is the round whose model was kept."""

    rounds: int | None = None
    messages: int | None = None
    bytes_up: int | None = None
    bytes_down: int | None = None
    seconds: float | None = None
    seconds_features: float | None = None
    stopped_by: str | None = None
    best_round: int | None = None


class NoisyAnswer(Part):
    """One kind of answer that left the sites with noise, and what it cost by itself.

    `noise_multiplier` is the noise's standard deviation over `clipping`, the most (Euclidean
    length) that one learner can change an answer; `sampling_rate` is the chance of a learner to be
    in one of the `steps`.
    """

    name: str
    mechanism: str | None = None
    noise_multiplier: float | None = None
    sampling_rate: float | None = None
    steps: int | None = None
    clipping: float | None = None
    epsilon: float | None = None


class Withheld(Part):
    """Fields of the report that are null, and why, in English and in Chinese."""

    fields: list[str] = []
    en: str = ""
    zh: str = ""


class DifferentialPrivacy(Part):
    """The guarantee that was spent: (epsilon, delta), and for whom (`unit`).

    `kind` is "site" where whoever gets a site's answers gets noise, and "sum" where whoever gets
    sums over sites does. What is at the top is training's; `entries` are all noisy answers, and
    enough to compute `epsilon` anew. `released` are the scores that the job itself gives, from
    noisy counts; `learners` noisy totals; `words` what it all means, by language.
    """

    kind: str | None = None
    epsilon: float | None = None
    delta: float | None = None
    unit: str | None = None
    sampling_rate: float | None = None
    clipping: float | None = None
    noise_multiplier: float | None = None
    accountant: str | None = None
    entries: list[NoisyAnswer] = []
    words: dict[str, str] = {}
    released: Metrics | None = None
    learners: dict[str, int] | None = None
    withheld: list[Withheld] = []


class Privacy(Part):
    """Which defences were on. `ledger` holds one entry for each spending or disclosure."""

    secagg: bool | str | dict[str, JsonValue] | None = None
    he: bool | str | dict[str, JsonValue] | None = None
    dp: DifferentialPrivacy | None = None
    ledger: list[dict[str, JsonValue]] = []


class Quality(Part):
    """What the quality check of one site's rows found; `reasons` counts rejected rows."""

    site: str
    rows: int | None = None
    rejected: int | None = None
    reasons: dict[str, int] = {}


class CalibrationPoint(Part):
    """Learners of similar predicted risk: the mean prediction, and the share observed."""

    predicted: float | None = None
    observed: float | None = None
    n: int | None = None


class CaseloadPoint(Part):
    """Contact the `share` of learners with the highest risk: how well is that aimed?"""

    share: float | None = None
    precision: float | None = None
    recall: float | None = None


class Curves(Part):
    """Curves by way of training (`federated`, `pooled`, ...) or baseline (`rule`)."""

    calibration: dict[str, list[CalibrationPoint] | None] = {}
    caseload: dict[str, list[CaseloadPoint] | None] = {}


class Phase(Part):
    """One phase of the run and how long it took."""

    phase: str
    seconds: float | None = None


class Exclusion(Part):
    """A site that a round went on without."""

    round: int | None = None
    site: str
    reason: str | None = None


class Refusal(Part):
    """A site whose own policy refused the job, or from a round on refused to go on with it."""

    round: int | None = None
    site: str
    reason: str | None = None


class Report(Part):
    """The whole run report."""

    job: Job
    metrics: ByTraining
    delta: dict[str, float | None] | None = None
    sites: list[Site]
    rounds: list[Round]
    totals: Totals
    privacy: Privacy
    quality: list[Quality]
    worst_site: WorstSite | None = None
    baselines: dict[str, Baseline | None] | None = None
    curves: Curves | None = None
    phases: list[Phase] = []
    exclusions: list[Exclusion] = []
    refusals: list[Refusal] = []
    warnings: list[str] = []
