"""The evidence statement: what a number says of a learner, and what it does not.

It holds for all learners of a site in one job. A badge carries it whole, with the learner's own
estimate beside it, so that whoever is shown the badge can judge it without asking anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from edufed.config.errors import Settings

if TYPE_CHECKING:
    from edufed.published import Description  # with torch: whoever reads a statement needs none

_WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "target": "The course's final result is a pass.",
        "what": "Records that the learning platform made of the learner up to day {day:g} of the"
        " course: activity, and assessments that were handed in by then, with their scores.",
        "how": "A model ({model}) that {sites} sites trained together on earlier courses estimates"
        " whether the course will be passed. Nothing was assessed for this statement alone.",
        "estimate": "Probability and its interval: inductive Venn-Abers prediction. Set: split"
        " conformal prediction by result. Both are calibrated on enrolments (a learner in a course)"
        " that the model was not trained on.",
        "drawn": "All enrolments that test the model and whose result is known, their learners"
        " dealt out to {folds} folds: each fold's learners are judged by the other folds, and"
        " coverage was measured on all of them. Where later courses test, some of their learners"
        " may have been in an earlier course that the model was trained on.",
        "not": [
            "It is an estimate from records, not the result of an examination, and nobody checked"
            " who sat at the keyboard.",
            "Coverage holds on average over learners like those of the calibration, not for one"
            " learner, and not for a group that the tables do not show.",
            "Learners of later courses may differ from them; the row 'earlier' shows by how much"
            " coverage differed when earlier courses calibrated.",
            "It does not say which of the course's learning outcomes were reached.",
            "It is no decision: a person decided, by the rules that are named.",
        ],
    },
    "zh": {
        "target": "该课程的最终结果为通过。",
        "what": "学习平台截至课程第 {day:g} 天关于该学习者的记录："
        "学习活动，以及此前提交的考核及其得分。",
        "how": "由 {sites} 个站点在更早的课程上共同训练的模型（{model}）估计该课程是否会通过。"
        "没有为本说明单独进行任何考核。",
        "estimate": "概率及其区间：归纳 Venn–Abers 预测。集合：按结果分别校准的分裂保形预测。"
        "两者都在模型未训练过的选课记录（一名学习者在一门课程中）上校准。",
        "drawn": "用于检验模型且结果已知的全部选课记录，其学习者按人随机分为 {folds} 折："
        "每折的学习者由其他各折来判断，并在全部记录上测量覆盖率。"
        "以后期课程检验时，其中部分学习者可能上过模型训练所用的更早课程。",
        "not": [
            "这是由记录得出的估计，不是考试结果，也没有人核实操作者的身份。",
            "覆盖率对与校准人群相似的学习者在平均意义上成立，不针对单个学习者，也不针对表中未列出的群体。",
            "以后课程的学习者可能不同；“earlier”一行给出用更早课程校准时覆盖率的差异。",
            "它没有说明达到了课程的哪些学习成果。",
            "它不是决定：决定由人依据所列规则作出。",
        ],
    },
}


class Coverage(Settings):
    """How often sets held the true result, among `n` learners, with its exact 95 % interval."""

    n: int
    coverage: float
    low: float
    high: float


class Group(Coverage):
    """The same for one group of learners."""

    group: str


class Statement(Settings):
    """All that is to be known of a job's estimates at one site.

    Attributes
    ----------
    nominal : float
        Coverage that the sets were made for.
    overall, education, site, earlier : Coverage or None
        Achieved: over all sites, over sites of the same education type, at the site that issues,
        and over all sites with bounds from earlier courses. None where too few learners tested.
    calibration_group : str
        Whose learners set the bounds.
    """

    version: Literal[1] = 1
    language: Literal["en", "zh"]
    job: str
    created: str
    edufed: str
    issuing_site: str
    education_type: str
    target: str
    assessed_what: str
    assessed_how: str
    until_day: float
    estimate_by: str
    nominal: float
    overall: Coverage
    education: Coverage | None
    site: Coverage | None
    earlier: Coverage
    calibration_group: str
    calibration_passed: int
    calibration_failed: int
    calibration_drawn: str
    regions: list[Group]
    subgroups: list[Group]
    model: str
    strategy: str
    model_sha256: str
    features_version: str
    data: str
    data_version: str
    privacy: dict[str, Any]
    does_not_establish: list[str]


def statement(
    *,
    site: str,
    education: str,
    description: Description,
    certified: Mapping[str, Any],
    weights: str,
    data: str,
    subgroups: Sequence[Mapping[str, Any]],
    language: Literal["en", "zh"],
) -> Statement:
    """Put the statement of one site together.

    Parameters
    ----------
    site, education : str
        Who issues.
    description : Description
        Of the model.
    certified : mapping
        The report's section `certify`.
    weights, data : str
        Fingerprints of the model and of the site's records.
    subgroups : sequence of mapping
        Coverage at the site by group.
    language : {"en", "zh"}
    """
    words = _WORDS[language]
    own = next((row for row in certified["regions"] if row["site"] == site), None)
    kind = next((row for row in certified["education"] if row["education"] == education), None)
    group = {"all": "all", "education": education, "site": site}[certified["quantiles"]]
    calibrated = next(row for row in certified["calibration"] if row["group"] == group)
    return Statement(
        language=language,
        job=description.job,
        created=description.created,
        edufed=description.edufed,
        issuing_site=site,
        education_type=education,
        target=words["target"],
        assessed_what=words["what"].format(day=description.cutoff),
        assessed_how=words["how"].format(
            model=description.model.name, sites=len(description.sites)
        ),
        until_day=description.cutoff,
        estimate_by=words["estimate"],
        nominal=certified["coverage"],
        overall=_coverage(certified["overall"]),
        education=_coverage(kind) if kind and kind["coverage"] is not None else None,
        site=_coverage(own) if own and own["coverage"] is not None else None,
        earlier=_coverage(certified["earlier"]),
        calibration_group=group,
        calibration_passed=calibrated["passed"],
        calibration_failed=calibrated["failed"],
        calibration_drawn=words["drawn"].format(folds=certified["folds"]),
        regions=[
            Group(group=row["site"], **_coverage(row).model_dump())
            for row in certified["regions"]
            if row["coverage"] is not None
        ],
        subgroups=[Group.model_validate(dict(row)) for row in subgroups],
        model=description.model.name,
        strategy=description.strategy,
        model_sha256=weights,
        features_version=description.features_version,
        data=description.data,
        data_version=data,
        privacy=description.privacy,
        does_not_establish=words["not"],
    )


def _coverage(row: Mapping[str, Any]) -> Coverage:
    return Coverage(**{name: row[name] for name in Coverage.model_fields})
