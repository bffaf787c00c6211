"""The rules by which a site recognises: a YAML file. Models supply evidence; rules decide.

And even then a person approves each badge: `edufed badge issue` asks for their name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, PositiveFloat, PositiveInt, ValidationError

from edufed.certify.statement import Coverage, Statement
from edufed.config.errors import Settings, SettingsError, one_line
from edufed.config.numbers import NotNegative, NotNegativeInt

Probability = Annotated[float, Field(ge=0, le=1)]
Url = Annotated[str, Field(pattern=r"^https://[^\s]+$")]
#: Of a programme's credits, no more than half may be converted, whatever a rule says.
LARGEST_SHARE = 0.5


class Issuer(Settings):
    """Where the site is known, and where it publishes its status list."""

    url: Url
    status_list: Url
    status_days: PositiveFloat  # how long one edition of the list may be relied on


class EvidenceRules(Settings):
    """What is needed of the learner's own evidence."""

    probability_at_least: Probability  # the lower end of its interval
    submitted_at_least: NotNegativeInt  # assessments handed in
    submitted_share_at_least: Probability  # of those that were due
    score_mean_at_least: Probability


class QualityRules(Settings):
    """What is needed of the evidence of all learners: a shortfall is nominal less achieved."""

    shortfall_at_most: NotNegative  # over all sites
    shortfall_at_site_at_most: NotNegative
    shortfall_over_time_at_most: NotNegative  # with bounds from earlier courses
    learners_at_site_at_least: PositiveInt  # on whom coverage was measured


class CreditRules(Settings):
    """How many credits a course is worth, and how many of a programme's may be converted."""

    default: PositiveFloat
    courses: dict[str, PositiveFloat] = Field(default={})
    programme: PositiveFloat  # credits of the whole programme
    largest_share: Annotated[float, Field(gt=0, le=LARGEST_SHARE)]

    def of(self, course: str) -> float:
        """Return what a course is worth."""
        return self.courses.get(course, self.default)

    @property
    def largest(self) -> float:
        """Most credits that one learner may have converted."""
        return self.programme * self.largest_share


class AchievementRules(Settings):
    """What a badge calls the achievement; `{course}` stands for the course's id."""

    type: str  # a term of Open Badges' AchievementType
    name: str
    description: str


class Alignment(Settings):
    """A level or node of a framework that the achievement is aligned with."""

    targetName: str
    targetUrl: Url
    targetFramework: str
    targetCode: str | None = None
    targetDescription: str | None = None
    targetType: str | None = None


class Rules(Settings):
    """All of a site's rules."""

    version: Literal[1]
    name: str
    issuer: Issuer
    evidence: EvidenceRules
    quality: QualityRules
    credits: CreditRules
    expires_after_days: PositiveInt
    approvers: Annotated[list[str], Field(min_length=1)]  # who may approve
    achievement: AchievementRules
    alignment: Annotated[list[Alignment], Field(min_length=1)]
    sha256: str = ""  # of the file

    def check_approver(self, name: str) -> None:
        """See that a person may approve.

        Raises
        ------
        SettingsError
            The rules do not name them.
        """
        if name not in self.approvers:
            raise SettingsError(
                f"approver: {name!r} is not among the approvers of rules {self.name!r}:"
                f" {', '.join(self.approvers)}"
            )


def load_rules(file: Path) -> Rules:
    """Read a rules file.

    Raises
    ------
    SettingsError
        It is missing, no YAML, or says something unknown or impossible.
    """
    try:
        content = file.read_bytes()
        raw = yaml.safe_load(content)
    except OSError as error:
        raise SettingsError(f"rules {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise SettingsError(f"rules {file}: not valid YAML") from None
    if not isinstance(raw, dict):
        raise SettingsError(f"rules {file}: expected keys such as issuer, evidence, credits")
    try:
        return Rules.model_validate({**raw, "sha256": hashlib.sha256(content).hexdigest()})
    except ValidationError as error:
        raise SettingsError(one_line(error, Rules, f"rules {file}")) from None


@dataclass(frozen=True)
class History:
    """What the site's ledger knows of a learner.

    Attributes
    ----------
    credits : float
        Already recognised, by badges that are not revoked and by conversions.
    courses : frozenset of str
        Courses of those badges.
    """

    credits: float
    courses: frozenset[str]


def objections(
    rules: Rules, row: Mapping[str, Any], stated: Statement, history: History
) -> list[str]:
    """Say why a learner's evidence does not suffice; nothing where it does.

    Parameters
    ----------
    rules : Rules
    row : mapping
        Of the evidence list.
    stated : Statement
    history : History
    """
    return [*of_statement(rules.quality, stated), *_of_learner(rules, row, history)]


def of_statement(rules: QualityRules, stated: Statement) -> list[str]:
    """Say why no evidence under this statement suffices."""
    found = []
    if stated.site is None or stated.site.n < rules.learners_at_site_at_least:
        found.append(
            "coverage at this site was measured on fewer than"
            f" {rules.learners_at_site_at_least} learners"
        )
    for where, achieved, most in (
        ("over all sites", stated.overall, rules.shortfall_at_most),
        ("at this site", stated.site, rules.shortfall_at_site_at_most),
        ("by earlier courses", stated.earlier, rules.shortfall_over_time_at_most),
    ):
        if achieved is not None and _shortfall(stated, achieved) > most:
            found.append(
                f"coverage {where} is {achieved.coverage:.3f}, more than {most:g} below"
                f" {stated.nominal:g}"
            )
    return found


def _shortfall(stated: Statement, achieved: Coverage) -> float:
    return round(stated.nominal - achieved.coverage, 9)


def _of_learner(rules: Rules, row: Mapping[str, Any], history: History) -> list[str]:
    needed, course = rules.evidence, str(row["course_id"])
    found = []
    if row["set"] in ("both", "neither"):
        found.append("abstains: too uncertain")
    elif row["set"] != "pass":
        found.append("the evidence is of failing")
    for name, least in (
        ("low", needed.probability_at_least),
        ("submitted", needed.submitted_at_least),
        ("submitted_share", needed.submitted_share_at_least),
        ("score_mean", needed.score_mean_at_least),
    ):
        value = float(row[name])
        if not value >= least:  # NaN, where nothing is known, is not enough
            found.append(f"{name} is below {least:g}")
    if course in history.courses:
        found.append("a badge was issued for it already")
    if history.credits + rules.credits.of(course) > rules.credits.largest:
        found.append(
            f"more than {rules.credits.largest_share:.0%} of the programme's"
            f" {rules.credits.programme:g} credits would be converted"
        )
    return found
