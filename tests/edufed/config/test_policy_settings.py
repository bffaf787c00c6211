from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edufed.config.errors import one_line
from edufed.config.policy import DataPolicy, Policy
from edufed.records import TABLES

COLUMNS = [f"{table}.{column}" for table, schema in TABLES.items() for column in schema.columns]
KEYS = {
    f"{table}.{name}"
    for table, schema in TABLES.items()
    for name, column in schema.columns.items()
    if column.required
}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"task": ["early_warning"]}, "unknown setting 'task'; did you mean 'tasks'?"),
        (
            {"tasks": ["early_warnin"]},
            "tasks: no 'early_warnin'; there are early_warning, quality_map",
        ),
        ({"scenarios": ["sideways"]}, "scenarios: no 'sideways'; there are horizontal"),
        (
            {"privacy": {"secagg": "yes"}},
            "privacy.secagg: Input should be 'required', 'or_he' or 'optional'",
        ),
        ({"hours": "22:00"}, "hours: String should match pattern"),
        ({"hours": "8:00-17:00"}, "hours: String should match pattern"),
        ({"hours": "24:00-06:00"}, "hours: String should match pattern"),
        ({"hours": "08:00-08:00"}, "hours: opens and closes at one time"),
        ({"days": []}, "days: List should have at least 1 item"),
        ({"days": ["monday"]}, "days.0: Input should be 'mon'"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone: no time zone 'Europe/Atlantis'"),
        ({"time_zone": "Europe"}, "time_zone: no time zone 'Europe'"),
        ({"time_zone": "../../etc/passwd"}, "time_zone: no time zone"),
        ({"max_jobs_per_day": 0}, "max_jobs_per_day: Input should be greater than 0"),
        ({"data": {"deny": ["learner"]}}, "data: deny: no table 'learner'; there are learners"),
        ({"data": {"allow": ["events.clicks"]}}, "data: allow: no column 'events.clicks'"),
        ({"data": {"allow": ["events."]}}, "data: allow: no column 'events.'"),
        (
            {"data": {"deny": ["enrolments.learner_id"]}},
            "data: deny: every row must have 'enrolments.learner_id'; deny the whole table",
        ),
        ({"data": {"deny": list(TABLES)}}, "data: nothing is left that a job may use"),
        ({"data": {"allow": []}}, "data: nothing is left that a job may use"),
    ],
)
def test_a_wrong_policy_is_one_clear_line(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Policy.model_validate(settings)
    line = one_line(caught.value, Policy)
    assert says in line
    assert "\n" not in line


def test_everything_may_be_used_unless_said() -> None:
    assert DataPolicy().columns() is None


def test_a_column_brings_its_tables_keys_and_a_table_all_its_columns() -> None:
    allowed = DataPolicy(allow=["outcomes", "learners.means"], deny=["outcomes.score"]).columns()
    assert allowed == {
        "learners": ("learner_id", "means"),
        "outcomes": tuple(name for name in TABLES["outcomes"].columns if name != "score"),
    }


names = st.lists(st.sampled_from([*TABLES, *COLUMNS]), unique=True)


@given(st.none() | names, names)
def test_nothing_denied_and_nothing_unlisted_is_ever_used(
    allow: list[str] | None, deny: list[str]
) -> None:
    try:
        allowed = DataPolicy(allow=allow, deny=deny).columns()
    except ValidationError:
        return
    if allowed is None:
        return
    used = {f"{table}.{column}" for table, columns in allowed.items() for column in columns}
    tables = set(allowed)
    assert not used & set(deny)
    assert not tables & set(deny)
    if allow is not None:
        assert {name for name in used - KEYS if name.partition(".")[0] not in allow} <= set(allow)
    for table in tables:
        assert {key for key in KEYS if key.startswith(f"{table}.")} <= used
