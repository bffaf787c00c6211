"""An Open Badges 3.0 credential from a learner's evidence.

Result descriptions say what each number is; the evidence holds the whole statement, as JSON and
in words; alignments say which level of which framework the site claims.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from edufed.badges.identity_hash import identity_object
from edufed.badges.narrative import narrative
from edufed.badges.rules import Rules
from edufed.badges.status_list import entry
from edufed.badges.token import moment
from edufed.certify.conformal import KINDS
from edufed.certify.statement import Statement

CONTEXT = (
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    # The statement as JSON: Open Badges has no term for it.
    {"statement": {"@id": "urn:edufed:evidence-statement", "@type": "@json"}},
)


@dataclass(frozen=True)
class Approval:
    """Who approved a badge, and when."""

    approver: str
    time: datetime


def credential(
    *,
    row: Mapping[str, Any],
    stated: Statement,
    rules: Rules,
    identity: str,
    approval: Approval,
    issuer: str,
    place: int,
) -> dict[str, Any]:
    """Return the credential of one learner and course, to be signed.

    Parameters
    ----------
    row : mapping
        Of the evidence list.
    stated : Statement
    rules : Rules
    identity : str
        What the learner can show elsewhere; only its salted hash is in the credential.
    approval : Approval
    issuer : str
        did:key of the site.
    place : int
        In the site's status list.
    """
    course, now = str(row["course_id"]), datetime.now(UTC)
    achievement = uuid.uuid5(uuid.NAMESPACE_URL, f"{issuer}/{course}").urn
    named = {
        name: text.format(course=course)
        for name, text in (
            ("name", rules.achievement.name),
            ("description", rules.achievement.description),
        )
    }
    results = _results(row, stated, achievement)
    worth = rules.credits.of(course)
    return {
        "@context": list(CONTEXT),
        "id": uuid.uuid4().urn,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": named["name"],
        "issuer": {
            "id": issuer,
            "type": ["Profile"],
            "name": stated.issuing_site,
            "url": rules.issuer.url,
        },
        "validFrom": moment(now),
        "validUntil": moment(now + timedelta(days=rules.expires_after_days)),
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": [identity_object(identity)],
            "creditsEarned": worth,
            "achievement": {
                "id": achievement,
                "type": ["Achievement"],
                "achievementType": rules.achievement.type,
                **named,
                "criteria": {"narrative": _criteria(rules)},
                "creditsAvailable": worth,
                "alignment": [
                    {"type": ["Alignment"], **each.model_dump(exclude_none=True)}
                    for each in rules.alignment
                ],
                "resultDescription": [described for described, _ in results],
            },
            "result": [result for _, result in results],
        },
        "evidence": [_evidence(row, stated, rules, approval)],
        "credentialStatus": entry(rules.issuer.status_list, place),
    }


def _results(
    row: Mapping[str, Any], stated: Statement, achievement: str
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return each result's description and value."""
    unit = {"valueMin": "0", "valueMax": "1"}
    achieved = stated.site or stated.overall
    found = []
    for key, name, kind, value, more in (
        (
            "estimate",
            "Estimated probability of passing",
            "PredictedScore",
            row["probability"],
            unit,
        ),
        ("low", "Lower end of the probability's interval", "PredictedScore", row["low"], unit),
        ("high", "Upper end of the probability's interval", "PredictedScore", row["high"], unit),
        ("set", "Prediction set", "Result", row["set"], {"allowedValue": list(KINDS)}),
        ("nominal", "Nominal coverage of prediction sets", "ScaledScore", stated.nominal, unit),
        ("achieved", "Achieved coverage at this site", "ScaledScore", achieved.coverage, unit),
    ):
        name_ = uuid.uuid5(uuid.UUID(achievement.removeprefix("urn:uuid:")), key).urn
        text = value if isinstance(value, str) else f"{float(value):.4f}"
        found.append(
            (
                {
                    "id": name_,
                    "type": ["ResultDescription"],
                    "name": name,
                    "resultType": kind,
                    **more,
                },
                {"type": ["Result"], "resultDescription": name_, "value": text},
            )
        )
    return found


def _criteria(rules: Rules) -> str:
    needed = rules.evidence
    return (
        f"Rules {rules.name!r} (SHA-256 {rules.sha256}): the prediction set is exactly 'pass'; the"
        " lower end of the probability's interval is at least"
        f" {needed.probability_at_least:g}; at least {needed.submitted_at_least} assessments and"
        f" {needed.submitted_share_at_least:.0%} of those due were handed in, with a mean score of"
        f" at least {needed.score_mean_at_least:.0%}; at most {rules.credits.largest_share:.0%} of"
        " a programme's credits are converted, and nothing twice; a named person approved."
    )


def _evidence(
    row: Mapping[str, Any], stated: Statement, rules: Rules, approval: Approval
) -> dict[str, Any]:
    own = {
        "course": str(row["course_id"]),
        "estimate": float(row["probability"]),
        "interval": [float(row["low"]), float(row["high"])],
        "set": str(row["set"]),
        "submitted": int(row["submitted"]),
        "submitted_share": float(row["submitted_share"]),
        "score_mean": float(row["score_mean"]),
    }
    decision = {
        "approver": approval.approver,
        "time": moment(approval.time),
        "rules": rules.name,
        "rules_sha256": rules.sha256,
    }
    return {
        "type": ["Evidence"],
        "name": "Evidence statement",
        "genre": "Statement",
        "narrative": narrative(own, stated, decision),
        "statement": {"learner": own, "decision": decision, **stated.model_dump(mode="json")},
    }
