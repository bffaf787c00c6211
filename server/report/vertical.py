"""A finished vertical job as the run report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edufed.config import Job
from edufed.config.strategy import ExactSettings, SplitNNSettings
from edufed.metrics import calibration_curve, caseload_curve
from server.federation import Federation
from server.report.contract import Report
from server.report.parts import (
    calibration_points,
    cost_part,
    course_part,
    delta_of,
    job_part,
    points,
    round_part,
)
from server.strategies.vertical import Outcome
from server.strategies.vertical_scoring import Scoring

_SECAGG = {"threshold": None, "sums": "feature parties' scores, at the label party"}


def build_report(
    federation: Federation,
    outcome: Outcome,
    seconds: float,
    together: Mapping[str, Any] | None = None,
) -> Report:
    """Put together the report of a vertical job.

    Parameters
    ----------
    federation : Federation
    outcome : Outcome
    seconds : float
        Of the whole job.
    together : mapping, optional
        Research mode: `metrics`, `summary` and `loss` of one model on all parties' columns, and
        what `attacks` made of the parties' views.
    """
    job = federation.job
    scores = outcome.end["metrics"]
    pooled = together["metrics"] if together else None
    leader = job.label_party
    gradients = _gradients(job)
    return Report.model_validate(
        {
            "job": job_part(job),
            "metrics": {
                "federated": scores["federated"],
                "pooled": pooled,
                "local": scores["alone"],
            },
            "delta": delta_of(scores["federated"], pooled),
            "sites": [_site(name, outcome, leader, pooled) for name in outcome.hello],
            **training_part(federation, outcome, seconds),
            "curves": _curves(outcome, together),
            "vertical": {
                **parties_part(outcome, together),
                "loss_of": "training" if gradients is None else "validation",
                "gradients": gradients,
                "products": _products(job),
                "label_party_alone": scores["alone"],
                "attacks": together.get("attacks") if together else None,
            },
        }
    )


def training_part(federation: Federation, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Say how vertical training went, whatever it was for."""
    job = federation.job
    _, best_round = _lowest(outcome)
    return {
        "rounds": [round_part(r.number, r, loss=r.loss, roc_auc=r.roc_auc) for r in outcome.rounds],
        **course_part(
            federation,
            seconds,
            outcome.phases,
            len(outcome.rounds),
            stopped_by=outcome.end["stopped_by"],
            best_round=best_round,
        ),
        "privacy": {**_hidden(job), "dp": None, "ledger": []},
        "quality": [meta["quality"] for meta in outcome.hello.values()],
        "warnings": _warnings(outcome, job),
    }


def parties_part(outcome: Outcome, together: Mapping[str, Any] | None) -> dict[str, Any]:
    """Say who trained together, on how many rows, and how close to the optimum they came."""
    loss, _ = _lowest(outcome)
    return {
        "parties": [_party(name, outcome) for name in outcome.hello],
        "aligned": _rows(outcome),
        "alignment": cost_part(outcome.alignment),
        "loss": loss,
        "loss_gap": loss - together["loss"] if together else None,
        "left_at_the_end": outcome.end["parties"],
    }


def status_of(name: str, outcome: Outcome, leader: str | None) -> str:
    """Say whether a party was there to the end."""
    return "ok" if name == leader or name in outcome.end["parties"] else "left out"


def build_scoring_report(federation: Federation, outcome: Scoring, seconds: float) -> Report:
    """Put together the report of a job that scored learners: who took part, and how many."""
    asked = [name for name, said in outcome.hello.items() if said["role"] == "feature"]
    return Report.model_validate(
        {
            "job": job_part(federation.job),
            "metrics": {},
            "sites": [
                {"site": name, "status": "ok" if name in outcome.parties else "left out"}
                for name in outcome.hello
            ],
            "rounds": [],
            **course_part(federation, seconds, outcome.phases, 0),
            "privacy": {"secagg": _SECAGG, "he": None, "dp": None, "ledger": []},
            "quality": [meta["quality"] for meta in outcome.hello.values()],
            "vertical": {
                "parties": [_party(name, outcome) for name in outcome.hello],
                "aligned": _rows(outcome),
                "scored": outcome.scored,
                "missing": sorted(set(asked) - set(outcome.parties)),
            },
        }
    )


def _hidden(job: Job) -> dict[str, Any]:
    """Say what was summed and what was encrypted."""
    if isinstance(job.strategy, SplitNNSettings):
        sums = "feature parties' embeddings, at the label party"
        return {"secagg": {"threshold": None, "sums": sums}, "he": None}
    if _products(job) == "dealt":
        return {"secagg": _SECAGG, "he": None}
    return {
        "secagg": _SECAGG,
        "he": {"scheme": "BFV", "what": "residuals, under the label party's key"},
    }


def _products(job: Job) -> str | None:
    """Say how residuals and features were multiplied, of a strategy in which they are."""
    return job.strategy.products if isinstance(job.strategy, ExactSettings) else None


def _gradients(job: Job) -> dict[str, Any] | None:
    """Say how gradients left the label party, of a strategy in which any do."""
    if not isinstance(job.strategy, SplitNNSettings):
        return None
    return {"clip": job.strategy.clip, "noise_multiplier": job.strategy.noise_multiplier}


def _lowest(outcome: Outcome) -> tuple[float, int | None]:
    """Return the lowest loss, that of the model that the parties keep, and the last such round."""
    reached = [(r.loss, -r.number) for r in outcome.rounds if r.loss is not None]
    loss, number = min([(outcome.start["loss"], 0), *reached])
    return loss, -number if reached else None


def _rows(outcome: Outcome | Scoring) -> int | None:
    """Rows of the label party, which all parties line up with."""
    for said in outcome.aligned.values():
        if said.get("rows") is not None:
            return int(said["rows"])
    return None


def _party(name: str, outcome: Outcome | Scoring) -> dict[str, Any]:
    said = outcome.hello[name]
    found = outcome.aligned.get(name, {})
    return {
        "site": name,
        "role": said["role"],
        "features": said["features"],
        "learners": said["learners"],
        "rows": found.get("rows", found.get("present")),
    }


def _site(
    name: str, outcome: Outcome, leader: str | None, pooled: Mapping[str, Any] | None
) -> dict[str, Any]:
    said, leads = outcome.hello[name], name == leader
    scores = outcome.end["metrics"]
    return {
        "site": name,
        "n_train": said["n_train"],
        "n_test": said["n_test"],
        "status": status_of(name, outcome, leader),
        "federated": scores["federated"] if leads else None,
        "local": scores["alone"] if leads else None,
        "pooled": pooled if leads else None,
    }


def _curves(outcome: Outcome, together: Mapping[str, Any] | None) -> dict[str, Any]:
    """Curves of the joint model, of the label party's own, and of the pooled one."""
    said = dict(outcome.end["curves"])
    by_training = {"federated": said["federated"], "local": said["alone"]}
    if together:
        summary = together["summary"]
        by_training["pooled"] = {
            "calibration": calibration_curve(summary),
            "caseload": caseload_curve(summary),
        }
    return {
        "calibration": {
            name: calibration_points(c["calibration"]) for name, c in by_training.items()
        },
        "caseload": {name: points(c["caseload"]) for name, c in by_training.items()},
    }


def _warnings(outcome: Outcome, job: Job) -> list[str]:
    feature_parties = [name for name, said in outcome.hello.items() if said["role"] == "feature"]
    gone = [name for name in feature_parties if name not in outcome.end["parties"]]
    said = []
    gradients = _gradients(job)
    if gradients is not None and gradients["noise_multiplier"] == 0:
        said.append(
            "gradients left the label party without noise: feature parties can read labels off"
            " them; set strategy.noise_multiplier"
        )
    if _products(job) == "dealt":
        said.append(
            "products were made from numbers that the coordinator dealt: that no features and no"
            " labels are told rests on the coordinator not joining forces with a site"
        )
    said += [
        f"feature party {name} left: its weights stay as they were then, and at scoring it may"
        " be missing"
        for name in gone
    ]
    if len(feature_parties) - len(gone) == 1:
        said.append(
            "with one feature party, its scores reach the label party without another's to be"
            " summed with"
        )
    return said
