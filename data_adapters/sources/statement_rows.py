"""What is taken from a valid xAPI statement: one flat row."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from data_adapters.sources.statements import Activity, Agent, Statement, StatementRef

COURSE = "http://adlnet.gov/expapi/activities/course"
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
VIDEO = "https://w3id.org/xapi/video/extensions/"
#: Verbs that end a stretch of playing, whose length is then the last segment played.
PLAY_ENDS = tuple(f"https://w3id.org/xapi/video/verbs/{verb}" for verb in ("paused", "seeked"))
#: Seconds by which the end of that segment and the statement's own place may differ.
TOLERANCE = 0.01

#: Columns of the row, their DuckDB types and their Arrow types.
COLUMNS = {
    "statement": ("UUID", pa.string()),
    "learner": ("VARCHAR", pa.string()),
    "verb": ("VARCHAR", pa.string()),
    "resource": ("VARCHAR", pa.string()),
    "resource_type": ("VARCHAR", pa.string()),
    "course": ("VARCHAR", pa.string()),
    "timestamp": ("TIMESTAMP", pa.timestamp("us")),
    "duration_s": ("DOUBLE", pa.float64()),
    "length_s": ("DOUBLE", pa.float64()),
    "progress": ("DOUBLE", pa.float64()),
    "score": ("DOUBLE", pa.float64()),
    "success": ("BOOLEAN", pa.bool_()),
    "completion": ("BOOLEAN", pa.bool_()),
    "voids": ("UUID", pa.string()),
}


def row_of(statement: Statement) -> dict[str, Any]:
    """Row of a valid statement: a value for each of `COLUMNS`, None where it says nothing.

    `duration_s` is the result's duration; of a paused or seeked video without one, the length
    of the segment that was being played. The extension `time` is a place in the video, not a
    duration, and tells only whether that segment is the one that has just ended.
    """
    activity = statement.object if isinstance(statement.object, Activity) else None
    result = statement.result
    found = (result.extensions if result else None) or {}
    around = (statement.context.extensions if statement.context else None) or {}
    duration = result.duration.total_seconds() if result and result.duration else None
    if duration is None and statement.verb.id in PLAY_ENDS:
        duration = _played(found)
    voided = statement.object if statement.verb.id == VOIDED else None
    return {
        "statement": str(statement.id) if statement.id else None,
        "learner": _learner(statement),
        "verb": statement.verb.id.rstrip("/#").replace("#", "/").rsplit("/", 1)[-1],
        "resource": activity.id if activity else None,
        "resource_type": activity.definition.type if activity and activity.definition else None,
        "course": _course(statement),
        "timestamp": _utc(statement.timestamp or statement.stored),
        "duration_s": duration,
        "length_s": _real(around.get(f"{VIDEO}length", found.get(f"{VIDEO}length"))),
        "progress": _real(found.get(f"{VIDEO}progress")),
        "score": _score(statement),
        "success": result.success if result else None,
        "completion": result.completion if result else None,
        "voids": str(voided.id) if isinstance(voided, StatementRef) else None,
    }


def _learner(statement: Statement) -> str | None:
    """Name the actor as the platform's account does, or by a hash; None for a group."""
    actor = statement.actor
    if not isinstance(actor, Agent):
        return None
    if actor.account is not None:
        return actor.account.name
    # The hash that xAPI itself defines for an address, so that both spellings are one learner.
    plain = actor.mbox or actor.openid
    return actor.mbox_sha1sum or hashlib.sha1(str(plain).encode()).hexdigest()


def _course(statement: Statement) -> str | None:
    around = statement.context.contextActivities if statement.context else None
    candidates: list[Activity] = []
    for place in (around.parent, around.grouping) if around else ():
        candidates += place or []
    if isinstance(statement.object, Activity):
        candidates.append(statement.object)
    courses = (a.id for a in candidates if a.definition and a.definition.type == COURSE)
    return next(courses, None)


def _utc(point: datetime | None) -> datetime | None:
    if point is None or point.tzinfo is None:
        return point
    try:
        return point.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return None


def _score(statement: Statement) -> float | None:
    score = statement.result.score if statement.result else None
    if score is None:
        return None
    if score.scaled is not None:
        return float(score.scaled)
    if score.raw is None or score.max is None:
        return None
    low = score.min or 0
    return float((score.raw - low) / (score.max - low)) if score.max > low else None


def _played(found: dict[str, Any]) -> float | None:
    """Seconds of the segment that ends where the player was, by `played-segments`."""
    place = _real(found.get(f"{VIDEO}time", found.get(f"{VIDEO}time-from")))
    segments = str(found.get(f"{VIDEO}played-segments", "")).split("[,]")
    ended = [edges for segment in segments if len(edges := segment.split("[.]")) == 2]
    if place is None or not ended:
        return None
    start, end = map(_real, ended[-1])
    if start is None or end is None or abs(end - place) > TOLERANCE:
        return None
    return end - start


def _real(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None
