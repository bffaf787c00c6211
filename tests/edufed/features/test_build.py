from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_site import EVENTS, LEARNERS, OUTCOMES, TABLES, Site

from edufed.features import FEATURES, FeatureMatrix, available, build
from edufed.features.catalogue import NAMES
from edufed.records import DataError

CUTOFF = 20.0


def assert_same(a: FeatureMatrix, b: FeatureMatrix) -> None:
    assert a.learner_id.tolist() == b.learner_id.tolist()
    assert a.course_id.tolist() == b.course_id.tolist()
    np.testing.assert_array_equal(a.values, b.values)
    np.testing.assert_array_equal(a.target, b.target)
    np.testing.assert_array_equal(a.course_start, b.course_start)


def test_rows_are_sorted_and_described(site: Site) -> None:
    matrix = build(site(), CUTOFF)
    assert matrix.learner_id.tolist() == ["ada", "bo", "eve"]
    assert matrix.course_id.tolist() == ["M"] * 3
    assert matrix.course_start.tolist() == [pd.Timestamp("2024-09-02").date()] * 3
    assert matrix.names == NAMES
    assert matrix.values.shape == (3, len(FEATURES))
    assert matrix.values.dtype == np.float32


def test_order_of_rows_in_the_tables_does_not_matter(site: Site) -> None:
    shuffled = {name: table.sample(frac=1, random_state=3) for name, table in TABLES.items()}
    assert_same(build(site(**shuffled), CUTOFF), build(site(), CUTOFF))


def test_other_learners_of_the_site_do_not_matter(site: Site) -> None:
    whole = build(site(), CUTOFF)
    ada = {
        name: table[table["learner_id"] == "ada"] if "learner_id" in table else table
        for name, table in TABLES.items()
    }
    alone = build(site(**ada), CUTOFF)
    assert alone.learner_id.tolist() == ["ada"]
    np.testing.assert_array_equal(alone.values[0], whole.values[0])


later_time = st.floats(CUTOFF, 400.0, exclude_min=True)
later_events = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bo", "cy", "eve", "new"]),
        st.sampled_from(["home", "text1", "quiz", "unlisted", None]),
        later_time,
        st.floats(0, 1e5).map(round),
        st.floats(0, 1e6),
        st.floats(0, 1),
        st.floats(0, 1),
    ),
    max_size=8,
)
later_marks = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bo", "cy", "eve", "new"]),
        st.sampled_from(["A1", "A2", "A3", None]),
        later_time,
        st.floats(0, 1),
    ),
    max_size=8,
)


@settings(max_examples=12, deadline=None)
@given(later_events, later_marks, st.booleans())
def test_rows_after_the_cutoff_change_nothing(
    site: Site, events: list[tuple], marks: list[tuple], enrolments: bool
) -> None:
    columns = ["learner_id", "resource_id", "time", "count", "duration_s", "progress", "score"]
    more_events = pd.DataFrame(events, columns=columns).assign(course_id="M")
    more_marks = pd.DataFrame(marks, columns=["learner_id", "resource_id", "time", "score"])
    more_marks = more_marks.assign(course_id="M", kind="assessment", passed=True)
    without = {} if enrolments else {"enrolments": None}
    longer = site(
        events=pd.concat([EVENTS, more_events.astype(EVENTS.dtypes)]),
        outcomes=pd.concat([OUTCOMES, more_marks.astype(OUTCOMES.dtypes)]),
        **without,
    )
    assert_same(build(longer, CUTOFF), build(site(**without), CUTOFF))


@pytest.mark.parametrize("present", list(itertools.product([True, False], repeat=5)))
def test_any_table_may_be_missing(
    site: Site, at_20: FeatureMatrix, present: tuple[bool, ...]
) -> None:
    absent = {name for name, here in zip(TABLES, present, strict=True) if not here}
    records = site(**dict.fromkeys(absent))
    matrix = build(records, CUTOFF)
    if absent == set(TABLES) or {"enrolments", "events", "outcomes"} <= absent:
        assert len(matrix) == 0
        return
    supplied = available(records)
    for feature, column in zip(FEATURES, matrix.values.T, strict=True):
        needed = {need.partition(".")[0] for need in feature.needs}
        if needed & absent:
            assert feature.name not in supplied
            assert np.isnan(column).all()
    if "enrolments" not in absent:
        kept = ~np.isnan(matrix.values)
        np.testing.assert_array_equal(matrix.values[kept], at_20.values[kept])


def test_a_missing_column_hides_its_features_alone(site: Site) -> None:
    records = site(events=EVENTS.drop(columns=["duration_s", "resource_id"]))
    hidden = set(available(site())) - set(available(records))
    assert hidden == {"hours", "progress", "resources"} | {
        f"kind_{kind}" for kind in ("home", "content", "forum", "quiz", "assessment")
    }
    matrix = build(records, CUTOFF)
    whole = build(site(), CUTOFF)
    for name, ours, full in zip(NAMES, matrix.values.T, whole.values.T, strict=True):
        np.testing.assert_array_equal(ours, np.full(3, np.nan) if name in hidden else full)


def test_nothing_by_the_cutoff_is_unknown_not_zero(site: Site) -> None:
    matrix = build(site(events=EVENTS.iloc[:0], outcomes=OUTCOMES[OUTCOMES["time"] > 6]), 6.0)
    values = dict(zip(NAMES, matrix.values.T, strict=True))
    assert all(np.isnan(values[name]).all() for name in ("clicks", "recency_days", "submitted"))
    assert values["age"][0] == 18


def test_columns_may_come_as_text(site: Site) -> None:
    text = EVENTS.assign(time=EVENTS["time"].astype(str), count=EVENTS["count"].astype("string"))
    assert_same(build(site(events=text), CUTOFF), build(site(), CUTOFF))


def test_nothing_is_left_on_the_connection(site: Site) -> None:
    records = site()
    for _ in range(2):
        build(records, CUTOFF)
    left = records.connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall()
    views = records.connection.execute(
        "SELECT count(*) FROM duckdb_views() WHERE NOT internal"
    ).fetchall()
    assert (left, views) == ([(5,)], [(0,)])


def test_parts_of_the_population_make_the_same_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build(site(), CUTOFF)
    monkeypatch.setattr(sys.modules["edufed.features.build"], "PART_ROWS", 2)
    assert_same(build(site(), CUTOFF), whole)


def test_double_learners_are_an_error_without_their_names(site: Site) -> None:
    with pytest.raises(DataError, match="learner_id is not unique") as error:
        build(site(learners=pd.concat([LEARNERS, LEARNERS])), CUTOFF)
    assert "ada" not in str(error.value)


@pytest.mark.parametrize("cutoff", [float("nan"), float("inf")])
def test_cutoff_must_be_a_number(site: Site, cutoff: float) -> None:
    with pytest.raises(DataError, match="cutoff"):
        build(site(), cutoff)


@pytest.mark.parametrize("cutoff", [-40.0, -1.0, 0.0, 3.0, 6.9, 7.0, 27.5, 60.0, 300.0])
def test_any_cutoff_works(site: Site, cutoff: float) -> None:
    matrix = build(site(), cutoff)
    known = matrix.values[~np.isnan(matrix.values)]
    assert np.isfinite(known).all()
    week = [f"clicks_week_{k}" for k in range(1, 10)]
    weeks = int(cutoff // 7) + 1
    for k, name in enumerate(week):
        column = matrix.values[:, NAMES.index(name)]
        if k >= weeks:
            assert np.isnan(column).all()


@pytest.fixture
def reference(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(root / "benchmarks")
    import features_pandas

    return features_pandas


def random_site(seed: int) -> dict[str, pd.DataFrame]:
    """Two courses, thirty learners, whole-day times, everything else at random."""
    rng = np.random.default_rng(seed)
    learners = TABLES["learners"].sample(30, replace=True, random_state=seed)
    learners = learners.assign(learner_id=[f"p{i:02}" for i in range(30)])
    resources = TABLES["resources"]
    other = resources.assign(resource_id=resources["resource_id"] + "x", course_id="N")
    resources = pd.concat([resources, other])
    pairs = pd.MultiIndex.from_product([learners["learner_id"], ["M", "N"]]).to_frame(
        index=False, name=["learner_id", "course_id"]
    )
    enrolments = pairs.sample(45, random_state=seed).assign(
        course_start=pd.Timestamp("2024-09-02"),
        start=np.where(rng.random(45) < 0.1, np.nan, rng.integers(-60, 40, 45)),
        end=np.where(rng.random(45) < 0.7, np.nan, rng.integers(0, 90, 45)),
        attempts=rng.integers(0, 3, 45).astype(float),
        credits=rng.choice([30.0, 60.0, np.nan], 45),
    )

    def rows(n: int) -> pd.DataFrame:
        drawn = pairs.sample(n, replace=True, random_state=seed + n).reset_index(drop=True)
        suffix = np.where(drawn["course_id"] == "N", "x", "")
        stem = rng.choice(resources["resource_id"].iloc[:8].to_numpy(), n)
        return drawn.assign(resource_id=pd.Series(stem) + suffix)

    events = rows(1500).assign(
        time=rng.integers(-20, 90, 1500).astype(float),
        count=rng.integers(1, 30, 1500).astype(float),
        duration_s=np.where(rng.random(1500) < 0.3, np.nan, rng.integers(0, 4000, 1500)),
        progress=np.where(rng.random(1500) < 0.3, np.nan, rng.integers(0, 101, 1500) / 100),
        score=np.where(rng.random(1500) < 0.7, np.nan, rng.integers(0, 101, 1500) / 100),
    )
    outcomes = rows(250).assign(
        kind="assessment",
        time=rng.integers(-1, 90, 250).astype(float),
        score=np.where(rng.random(250) < 0.1, np.nan, rng.integers(0, 101, 250) / 100),
        passed=pd.array([None] * 250, dtype="boolean"),
    )
    outcomes = outcomes[outcomes["resource_id"].str.startswith("A")]
    outcomes = outcomes.drop_duplicates(["learner_id", "resource_id", "time"])
    return {
        "learners": learners,
        "resources": resources,
        "enrolments": enrolments,
        "events": events,
        "outcomes": outcomes,
    }


@pytest.mark.parametrize("cutoff", [10.0, 60.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_equals_plain_pandas(site: Site, reference, seed: int, cutoff: float) -> None:
    tables = random_site(seed)
    matrix = build(site(**tables), cutoff)
    expected = reference.features(tables, cutoff)
    expected = expected.loc[list(zip(matrix.learner_id, matrix.course_id, strict=True))]
    assert len(matrix) == len(expected) > 10
    for name, ours in zip(NAMES, matrix.values.T, strict=True):
        np.testing.assert_allclose(
            ours, expected[name].to_numpy(float), rtol=1e-5, atol=1e-6, err_msg=name
        )
