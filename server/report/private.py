"""What the report of a job with differential privacy says of it: cost, released scores, gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edufed.metrics import Metrics, metrics_from_summary
from edufed.privacy.dp.evaluation import auc_deviation, summary_from_counts
from server.strategies.horizontal import PrivateFindings

#: Fields of the report that stay null -> why, by language.
_WITHHELD = {
    "always": (
        ["sites[].n_train", "sites[].n_test", "quality"],
        "Exact numbers of a site's learners and rows stay at the site.",
        "站点的学习者人数与记录行数的准确值不离开站点。",
    ),
    "rounds": (
        ["rounds[].metrics"],
        "No round is scored: each score would cost privacy, so the number of rounds is set before.",
        "各轮不评分：每次评分都消耗隐私预算，因此轮数预先设定。",
    ),
    "sites": (
        ["sites[].federated", "worst_site", "baselines.rule"],
        "Scores of single sites and of the rule would cost privacy of their own.",
        "单个站点的评分以及规则基线的评分会另外消耗隐私预算。",
    ),
    "fairness": (
        ["fairness"],
        "Scores by group of learners would cost privacy of their own, and none is spent on them.",
        "按学习者群体评分会另外消耗隐私预算，本任务没有为此花费。",
    ),
    "baselines": (
        ["metrics.pooled", "metrics.local", "delta"],
        "Models trained without noise are compared in a simulation with research=true alone.",
        "不加噪声训练的模型只在 research=true 的仿真中作比较。",
    ),
}


def dp_part(private: PrivateFindings, beside: bool) -> dict[str, Any]:
    """Make `privacy.dp` of the report.

    Parameters
    ----------
    private : PrivateFindings
    beside : bool
        Whether exact scores were computed beside the job, in a simulation.

    Returns
    -------
    dict
        What the job spent, on what, and what that means (`JobBudget.report`); ``unit``, whose
        privacy it is; ``released``, the scores that the job itself gives, with the deviation that
        noise alone gives ROC-AUC; ``learners``, noisy totals; ``withheld``, fields of the report
        that stay null and why.
    """
    gaps = ["always", "rounds", "fairness", *([] if beside else ["sites", "baselines"])]
    train, test = (round(float(count)) for count in private.learners)
    return {
        **private.budget.report(),
        "unit": "learner",
        "released": {
            **released(private),
            "roc_auc_deviation": auc_deviation(private.scores, private.deviation),
        },
        "learners": {"train": train, "test": test},
        "withheld": withheld_part(_WITHHELD[gap] for gap in gaps),
    }


def withheld_part(gaps: Iterable[tuple[list[str], str, str]]) -> list[dict[str, Any]]:
    """Make `privacy.dp.withheld` of fields that stay null and why, in English and in Chinese."""
    return [{"fields": fields, "en": english, "zh": chinese} for fields, english, chinese in gaps]


def released(private: PrivateFindings) -> Metrics:
    """Scores from noisy counts: private themselves."""
    return metrics_from_summary(summary_from_counts(private.scores))


def ledger_part(private: PrivateFindings) -> list[dict[str, Any]]:
    """Make `privacy.ledger`: what each site's ledger says after the job."""
    return spent_at_sites(private.ledgers)


def spent_at_sites(ledgers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Make `privacy.ledger` of what sites said of their ledgers at the job's end."""
    keys = ("population", "epsilon", "delta", "budget", "jobs")
    return [
        {"site": site, **{key: said[key] for key in keys}} for site, said in sorted(ledgers.items())
    ]
