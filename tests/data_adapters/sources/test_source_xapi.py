"""xAPI statements: our verdict is that of ralph-malph's models, and what a row then holds."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from ralph.models.xapi.base.statements import BaseXapiStatement
from rfc3987 import match

from data_adapters.base import open_adapter
from data_adapters.sources.iri import Iri
from data_adapters.sources.statement_rows import row_of
from data_adapters.sources.statements import Statement
from edufed.records import DataError

VIDEO = "https://w3id.org/xapi/video/extensions/"
GOOD: dict[str, Any] = {
    "id": "9dc99b37-e920-4a68-a066-917faca28949",
    "actor": {"account": {"name": "anna", "homePage": "http://school.example"}},
    "verb": {
        "id": "https://w3id.org/xapi/video/verbs/paused",
        "display": {"en-US": "paused"},
    },
    "object": {
        "id": "uuid://7d4f3c70-1e79-4243-9b7d-166076ce8bfb",
        "objectType": "Activity",
        "definition": {"type": "https://w3id.org/xapi/video/activity-type/video"},
    },
    "context": {
        "platform": "school.example",
        "contextActivities": {
            "parent": [
                {
                    "id": "course-v1:S+1+now",
                    "definition": {"type": "http://adlnet.gov/expapi/activities/course"},
                }
            ]
        },
        "extensions": {f"{VIDEO}length": 200},
    },
    "result": {
        "score": {"scaled": 0.5, "raw": 5, "min": 1, "max": 9},
        "extensions": {
            f"{VIDEO}time": 30.0,
            f"{VIDEO}progress": 0.15,
            f"{VIDEO}played-segments": "0[.]10[,]20[.]30",
        },
    },
    "timestamp": "2024-09-02T14:00:00+02:00",
}


def ours(statement: dict) -> bool:
    try:
        Statement.model_validate(statement)
    except ValidationError:
        return False
    return True


def ralphs(statement: dict) -> bool:
    try:
        BaseXapiStatement(**statement)
    except Exception:  # it fails in several ways on what it rejects
        return False
    return True


def at(path: str, value: Any = None, drop: bool = False) -> Callable[[dict], None]:
    *parents, last = path.split(".")

    def change(statement: dict) -> None:
        place: Any = statement
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place[parent]
        if drop:
            del place[last]
        else:
            place[last] = value

    return change


ACCOUNT = {"name": "anna", "homePage": "http://school.example"}
BROKEN = {
    "no actor": at("actor", drop=True),
    "no verb": at("verb", drop=True),
    "no object": at("object", drop=True),
    "empty actor": at("actor", {}),
    "actor is text": at("actor", "anna"),
    "nameless account": at("actor.account.name", drop=True),
    "account name a number": at("actor.account.name", 7),
    "home page no IRI": at("actor.account.homePage", "school"),
    "no identifier": at("actor", {"name": "Anna"}),
    "two identifiers": at("actor.mbox", "mailto:anna@school.example"),
    "mbox without mailto": at("actor", {"mbox": "anna@school.example"}),
    "mbox no address": at("actor", {"mbox": "mailto:anna"}),
    "hash too short": at("actor", {"mbox_sha1sum": "abc"}),
    "anonymous group without members": at("actor", {"objectType": "Group"}),
    "unknown actor type": at("actor.objectType", "Robot"),
    "unknown key": at("colour", "red"),
    "unknown key in the verb": at("verb.colour", "red"),
    "unknown key in the object": at("object.definition.colour", "red"),
    "verb no IRI": at("verb.id", "paused"),
    "verb with a blank": at("verb.id", "http://verbs/pa used"),
    "verb display a word": at("verb.display", "paused"),
    "verb display empty": at("verb.display", {"en-US": ""}),
    "verb display in no language": at("verb.display", {"no such language": "paused"}),
    "object id no IRI": at("object.id", "video 7"),
    "object type unknown": at("object.objectType", "Video"),
    "activity type no IRI": at("object.definition.type", "video"),
    "id no UUID": at("id", "7"),
    "time no time": at("timestamp", "yesterday"),
    "time empty": at("timestamp", ""),
    "null value": at("result.success", None),
    "success as text": at("result.success", "true"),
    "duration no duration": at("result.duration", "a while"),
    "scaled above one": at("result.score.scaled", 1.5),
    "scaled no number": at("result.score.scaled", "high"),
    "raw above max": at("result.score.raw", 10),
    "raw below min": at("result.score.raw", 0.5),
    "score unknown key": at("result.score.grade", "A"),
    "extension no IRI": at("result.extensions", {"time": 3}),
    "empty extensions": at("result.extensions", {}),
    "parent without id": at("context.contextActivities.parent.0.id", drop=True),
    "context activities of an unknown kind": at("context.contextActivities.uncle", []),
    "platform of an agent": at("object", {"objectType": "Agent", "account": ACCOUNT}),
    "registration no UUID": at("context.registration", "7"),
    "language no tag": at("context.language", "?"),
    "version too new": at("version", "2.0.0"),
    "attachment without type": at("attachments", [{"length": 3}]),
    "choices without a type": at("object.definition.choices", [{"id": "a"}]),
}
FINE = {
    "as it is": lambda statement: None,
    "no id": at("id", drop=True),
    "no time": at("timestamp", drop=True),
    "time without zone": at("timestamp", "2024-09-02T14:00:00"),
    "time in Z": at("timestamp", "2024-09-02T14:00:00.123Z"),
    "no result": at("result", drop=True),
    "no context": at("context", drop=True),
    "mbox": at("actor", {"mbox": "mailto:anna.b@school.example", "objectType": "Agent"}),
    "mbox hash": at("actor", {"mbox_sha1sum": "a" * 40}),
    "open id": at("actor", {"openid": "http://anna.example"}),
    "group": at("actor", {"objectType": "Group", "member": [{"account": ACCOUNT}]}),
    "duration": at("result.duration", "PT1M30.5S"),
    "success": at("result.success", False),
    "null in an extension": at("result.extensions.http://x/y", None),
    "one parent, no list": at("context.contextActivities.parent", {"id": "http://c"}),
    "interaction": at("object.definition.interactionType", "choice"),
    "choices": at(
        "object.definition", {"interactionType": "choice", "choices": [{"id": "a"}, {"id": "b"}]}
    ),
    "Chinese": at("object.definition.name", {"zh-CN": "视频"}),
    "IRI in Chinese": at("object.id", "https://例子.example/视频?a=b#c"),
    "version": at("version", "1.0.3"),
    "authority": at("authority", {"account": ACCOUNT}),
}


@pytest.mark.parametrize("name", [*BROKEN, *FINE])
def test_verdicts_on_handmade_statements(name: str) -> None:
    statement = copy.deepcopy(GOOD)
    (BROKEN | FINE)[name](statement)
    assert ours(statement) == ralphs(statement) == (name in FINE)


def test_verdicts_on_mutilated_statements() -> None:
    """Each part of a statement taken out, or made into something else."""

    def paths(part: Any, prefix: str = "") -> list[str]:
        items = part.items() if isinstance(part, dict) else enumerate(part)
        found = []
        for key, value in items:
            if "." in str(key):
                continue  # an extension's name
            found.append(f"{prefix}{key}")
            if isinstance(value, dict | list):
                found += paths(value, f"{prefix}{key}.")
        return found

    disagreed = []
    for path in paths(GOOD):
        for value in (None, "", {}, [], 7, -1, "x", True, {"x": 1}, ["x"]):
            statement = copy.deepcopy(GOOD)
            *parents, last = path.split(".")
            place: Any = statement
            for parent in parents:
                place = place[int(parent)] if isinstance(place, list) else place[parent]
            place[int(last) if isinstance(place, list) else last] = value
            if ours(statement) != ralphs(statement):
                disagreed.append((path, value))
    assert disagreed == []


_IRI = TypeAdapter(Iri)


@given(
    st.one_of(
        st.text(alphabet="ab1:/?#[]@%2F.- é視\u200e\ue000", max_size=12),
        st.from_regex(r"\A[a-z]{1,4}:(//[a-z@:]{0,5}(:[0-9]{0,2})?)?[a-z/?#%:@é ]{0,8}\Z"),
    )
)
@settings(max_examples=300, deadline=None)
def test_iri_as_rfc3987(text: str) -> None:
    if "[" in text:  # only the letters of an IPv6 literal are checked
        return
    try:
        _IRI.validate_python(text)
        verdict = True
    except ValidationError:
        verdict = False
    assert verdict == (match(text, rule="IRI") is not None)


@pytest.mark.data
def test_verdicts_on_real_statements(shared_data: Path) -> None:
    with gzip.open(shared_data / "funmooc_xapi" / "statements.json.gz", "rt") as lines:
        statements = [json.loads(line) for number, line in enumerate(lines) if number % 50 == 0]
    assert len(statements) == 440
    assert [ours(s) for s in statements] == [ralphs(s) for s in statements]


def row(change: Callable[[dict], None] = FINE["as it is"]) -> dict[str, Any]:
    statement = copy.deepcopy(GOOD)
    change(statement)
    return row_of(Statement.model_validate(statement))


def test_row_of_a_statement() -> None:
    assert row() == {
        "statement": "9dc99b37-e920-4a68-a066-917faca28949",
        "learner": "anna",
        "verb": "paused",
        "resource": "uuid://7d4f3c70-1e79-4243-9b7d-166076ce8bfb",
        "resource_type": "https://w3id.org/xapi/video/activity-type/video",
        "course": "course-v1:S+1+now",
        "timestamp": datetime(2024, 9, 2, 12),
        "duration_s": 10.0,
        "length_s": 200.0,
        "progress": 0.15,
        "score": 0.5,
        "success": None,
        "completion": None,
        "voids": None,
    }


def test_row_of_other_statements() -> None:
    assert row(at("result.duration", "PT1M30S"))["duration_s"] == 90.0
    assert row(at("result", {"extensions": {f"{VIDEO}time": 30}}))["duration_s"] is None
    assert row(at("result.score", {"raw": 5, "min": 1, "max": 9}))["score"] == 0.5
    assert row(at("result.score", {"raw": 5}))["score"] is None
    address = {"mbox": "mailto:anna@school.example"}
    hashed = hashlib.sha1(b"mailto:anna@school.example").hexdigest()
    assert row(at("actor", address))["learner"] == hashed
    assert row(at("actor", {"mbox_sha1sum": hashed}))["learner"] == hashed
    assert row(FINE["group"])["learner"] is None
    assert row(at("verb.id", "http://verbs.example/v#saw/"))["verb"] == "saw"


def write(folder: Path, *lines: object) -> dict:
    with gzip.open(folder / "s.json.gz", "wt") as file:
        for line in lines:
            file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
    return {
        "name": "mooc",
        "source": {"kind": "xapi", "path": "s.json.gz"},
        "course_start": "2024-09-01",
    }


def changed(*changes: Callable[[dict], None]) -> dict:
    statement = copy.deepcopy(GOOD)
    for change in changes:
        change(statement)
    return statement


def numbered(number: int, *changes: Callable[[dict], None]) -> dict:
    return changed(at("id", f"9dc99b37-e920-4a68-a066-{number:012d}"), *changes)


def test_statements_become_records(tmp_path: Path) -> None:
    later = at("timestamp", "2024-09-20T12:00:00Z")
    bert = at("actor.account.name", "bert")
    opened = open_adapter(write(tmp_path, numbered(1), numbered(2, later, bert)), tmp_path)
    records = opened.read()
    events = records.connection.execute(
        "SELECT learner_id, verb, time, duration_s, progress, score FROM events ORDER BY time"
    ).fetchall()
    assert events == [
        ("anna", "paused", 1.5, 10.0, 0.15, 0.5),
        ("bert", "paused", 19.5, 10.0, 0.15, 0.5),
    ]
    assert sorted(records.frame("learners")["learner_id"]) == ["anna", "bert"]
    (resource,) = records.frame("resources").to_dict("records")
    assert (resource["kind"], resource["length_s"]) == ("video", 200.0)
    # An enrolment made of statements is cut off as they are.
    assert list(opened.read(cutoff=2).frame("enrolments")["learner_id"]) == ["anna"]


def test_rejects_are_counted_by_reason_without_values(tmp_path: Path) -> None:
    voided = numbered(3)["id"]
    settings_ = write(
        tmp_path,
        numbered(1),
        numbered(1),
        numbered(3),
        changed(
            at("id", drop=True),
            at("verb", {"id": "http://adlnet.gov/expapi/verbs/voided"}),
            at("object", {"objectType": "StatementRef", "id": voided}),
            at("context", drop=True),
        ),
        numbered(4, BROKEN["no actor"]),
        numbered(5, BROKEN["scaled above one"]),
        numbered(6, at("anna@school", 1)),
        numbered(7, BROKEN["null value"]),
        "",
        '{"actor": ',
        '{"actor": 1,}',
        "[1]",
    )
    records = open_adapter(settings_, tmp_path).read()
    assert records.count("events") == 1
    rejects = records.connection.execute("FROM source_rejects ORDER BY reason").fetchall()
    assert rejects == [
        ("events", "actor: missing", 1),
        ("events", "an unknown key", 1),
        ("events", "not JSON", 2),
        ("events", "not a statement", 1),
        ("events", "nothing is empty outside extensions", 1),
        ("events", "result: not as the specification says", 1),
        ("events", "sent twice", 1),
        ("events", "voided", 2),
    ]


def test_a_file_without_statements_is_an_error(tmp_path: Path) -> None:
    records = open_adapter(write(tmp_path, '{"a": 1}', "b"), tmp_path).read()
    for _ in range(2):
        with pytest.raises(DataError, match=r"s.json.gz: none of its 2 lines is an xAPI statement"):
            records.present()


def test_a_file_that_ends_too_soon_is_an_error(tmp_path: Path) -> None:
    settings_ = write(tmp_path, *(numbered(n) for n in range(2000)))
    file = tmp_path / "s.json.gz"
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"s.json.gz: cannot be read to its end"):
        open_adapter(settings_, tmp_path).read().present()


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    settings_ = write(tmp_path) | {"source": {"kind": "xapi", "path": "t.json"}}
    with pytest.raises(DataError, match=r"t.json: no such file"):
        open_adapter(settings_, tmp_path).read()


@pytest.mark.parametrize(
    ("source", "start", "said"),
    [
        ({"kind": "xapi"}, "2024-09-01", "adapter.source.path: Field required"),
        ({"kind": "xapi", "path": "a", "x": 1}, "2024-09-01", "adapter.source.x"),
        ({"kind": "xapi", "path": "s.json.gz"}, None, "nothing states the first day"),
    ],
)
def test_bad_settings(source: dict, start: str | None, said: str, tmp_path: Path) -> None:
    settings_ = write(tmp_path, GOOD) | {"source": source, "course_start": start}
    with pytest.raises(DataError, match=said):
        open_adapter(settings_, tmp_path).read()
