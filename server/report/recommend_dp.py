"""A finished recommendation job with differential privacy as the run report."""

from __future__ import annotations

from typing import Any

from edufed.recommend.models import BASELINE
from edufed.recommend.private import MODELS
from server.federation import Federation
from server.report.contract import Report
from server.report.parts import cost_part, course_part, modelless_job_part, secagg_part
from server.report.private import spent_at_sites, withheld_part
from server.strategies.recommend_dp import Outcome

#: Fields of the report that stay null -> why, by language.
_WITHHELD = (
    (
        ["sites[].n_train", "sites[].n_test", "quality"],
        "Exact numbers of a site's learners and rows stay at the site.",
        "站点的学习者人数与记录行数的准确值不离开站点。",
    ),
    (
        ["sites[].federated", "worst_site", "recommend.presentations", "fairness"],
        "Scores by site, course or group of learners would cost privacy of their own, and none is"
        " spent on them.",
        "按站点、课程或学习者群体评分会另外消耗隐私预算，本任务没有为此花费。",
    ),
    (
        ["recommend.table[].coverage", "recommend.table[].novelty"],
        "The ranker, matrix factorisation, coverage and novelty take more than the noisy counts.",
        "排序模型、矩阵分解、覆盖率与新颖度需要带噪声计数之外的信息。",
    ),
)


def build_report(federation: Federation, outcome: Outcome, seconds: float) -> Report:
    """Put together the report of a private recommendation job.

    Parameters
    ----------
    federation : Federation
    outcome : Outcome
    seconds : float
        Of the whole job.
    """
    job, table = federation.job, _table(outcome)
    listed = next(row for row in table if row["model"] == outcome.listed)
    return Report.model_validate(
        {
            "job": modelless_job_part(job, outcome.listed),
            "metrics": {
                "federated": {
                    "n": round(outcome.judged.learners),
                    "ndcg_at_10": listed["ndcg_at_10"],
                    "hr_at_10": listed["hr_at_10"],
                    "released": True,
                }
            },
            "sites": [{"site": site, "status": "ok"} for site in outcome.sites],
            "rounds": [],
            **course_part(federation, seconds, outcome.phases, 0, stopped_by="counted"),
            "privacy": {
                "secagg": secagg_part(job, "every noisy count and score"),
                "dp": _dp_part(outcome),
                "ledger": spent_at_sites(outcome.ledgers),
            },
            "quality": [],
            "fairness": None,
            "recommend": {
                "private": True,
                "listed": outcome.listed,
                "table": table,
                "presentations": [],
                "baseline": BASELINE,
                "learners": round(outcome.judged.learners),
                "courses": len(outcome.agreed),
                "resources": sum(len(course.catalogue) for course in outcome.agreed),
                "items": job.recommend.private_items,
                "ease_l2": outcome.l2,
                "deviations": outcome.deviations,
                "cutoff_day": job.recommend.cutoff_day,
                "horizon_days": job.recommend.horizon_days,
                "counting": cost_part(outcome.counting),
            },
        }
    )


def _table(outcome: Outcome) -> list[dict[str, Any]]:
    rows = []
    for model in MODELS:
        mean, low, high = outcome.judged.ndcg[model]
        rows.append(
            {
                "model": model,
                "trained": "federation",
                "ndcg_at_10": mean,
                "low": low,
                "high": high,
                "hr_at_10": outcome.judged.hits[model],
                "coverage": None,
                "novelty": None,
                "gain": mean - outcome.judged.ndcg[BASELINE][0],
                "gain_low": None,
                "gain_high": None,
            }
        )
    return rows


def _dp_part(outcome: Outcome) -> dict[str, Any]:
    return {
        **outcome.budget.report("gram"),
        "unit": "learner",
        "released": None,
        "learners": {"test": round(outcome.judged.learners)},
        "withheld": withheld_part(_WITHHELD),
    }
