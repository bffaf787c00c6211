"""How xAPI statements become learning records where a site's YAML does not say otherwise."""

from __future__ import annotations

from typing import Any

from data_adapters.sources.xapi import TABLE

#: What a type of activity is among the canonical kinds of resource; any other is `other`.
KINDS = {
    "https://w3id.org/xapi/video/activity-type/video": "video",
    "https://w3id.org/xapi/audio/activity-type/audio": "content",
    "https://w3id.org/xapi/virtual-classroom/activity-types/virtual-classroom": "live",
    "https://w3id.org/xapi/acrossx/activities/webpage": "page",
    "https://w3id.org/xapi/acrossx/activities/message": "forum",
    "http://activitystrea.ms/schema/1.0/page": "page",
    "http://activitystrea.ms/file": "content",
    "http://adlnet.gov/expapi/activities/course": "home",
    "http://adlnet.gov/expapi/activities/module": "content",
    "http://adlnet.gov/expapi/activities/lesson": "content",
    "http://adlnet.gov/expapi/activities/media": "content",
    "http://adlnet.gov/expapi/activities/link": "link",
    "http://adlnet.gov/expapi/activities/assessment": "quiz",
    "http://adlnet.gov/expapi/activities/question": "quiz",
    "http://adlnet.gov/expapi/activities/cmi.interaction": "quiz",
    "http://id.tincanapi.com/activitytype/document": "content",
    "http://id.tincanapi.com/activitytype/discussion": "forum",
    "http://id.tincanapi.com/activitytype/school-assignment": "assessment",
}
#: As a site's YAML would write them.
TABLES: dict[str, Any] = {
    "learners": {"from": TABLE, "one_per_key": True, "columns": {"learner_id": "learner"}},
    "resources": {
        "from": TABLE,
        "one_per_key": True,
        "columns": {
            "resource_id": "resource",
            "kind": {"column": "resource_type", "values": KINDS, "default": "other"},
            "length_s": "length_s",
            "course_id": "course",
        },
        "dated": "timestamp",
    },
    # Statements tell who takes part, not when they registered: there is no `start`.
    "enrolments": {
        "from": TABLE,
        "one_per_key": True,
        "columns": {"learner_id": "learner", "course_id": "course"},
        "dated": "timestamp",
    },
    "events": {
        "from": TABLE,
        "columns": {
            "learner_id": "learner",
            "resource_id": "resource",
            "course_id": "course",
            "verb": "verb",
            "time": "timestamp",
            "duration_s": "duration_s",
            "progress": "progress",
            "score": "score",
        },
    },
}
