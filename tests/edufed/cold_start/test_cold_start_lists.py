"""The maths of lists for new learners, against a plain computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edufed.cold_start.arrivals import ATTRIBUTES, Arrivals, Uses
from edufed.cold_start.categories import Resources
from edufed.cold_start.columns import CLIP, standardised, varying, within_course
from edufed.cold_start.evaluation import ALONE, RIVALS, TOGETHER, Judged, judge_at, table
from edufed.cold_start.lists import Strength, deviations, popular, with_history
from edufed.cold_start.popularity import popularity
from edufed.ranking import judge, top

KINDS = ("quiz", "video", "page")


@st.composite
def platforms(draw: st.DrawFn) -> Arrivals:
    """Make up a platform: two courses, open resources, learners in one course or both."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = sorted(
        {(f"c{rng.integers(2)}", f"l{rng.integers(9)}") for _ in range(draw(st.integers(2, 24)))}
    )
    owners = [("", "c0", "c1")[rng.integers(3)] for _ in range(draw(st.integers(3, 14)))]
    resources = Resources.of(
        [
            (f"r{n:02d}", KINDS[rng.integers(3)], ("law", None)[rng.integers(2)], owner or None)
            for n, owner in enumerate(owners)
        ]
    )

    def uses(low: float, high: float) -> Uses:
        found = [
            (row, item, rng.integers(low, high))
            for row, (course, _) in enumerate(rows)
            for item, owner in enumerate(owners)
            if owner in ("", course) and rng.random() < 0.4
        ]
        row, item, day = np.array(found, dtype=np.int64).reshape(-1, 3).T
        return Uses(row, item, day.astype(float))

    return Arrivals(
        learner_id=np.array([learner for _, learner in rows], dtype=object),
        course_id=np.array([course for course, _ in rows], dtype=object),
        link=np.array([learner for _, learner in rows], dtype=object),
        course_start=np.array(
            ["2024-02-01" if course == "c0" else "2024-09-01" for course, _ in rows],
            dtype="datetime64[D]",
        ),
        new=rng.random(len(rows)) < 0.5,
        attributes=np.zeros((len(rows), len(ATTRIBUTES))),
        resources=resources,
        before=uses(0, 31),
        after=uses(31, 91),
    )


@given(platforms())
def test_popularity_is_that_of_the_other_learners(arrivals: Arrivals) -> None:
    for course in set(arrivals.course_id):
        found = popularity(arrivals, course, 30.0, 14.0)
        for at, row in enumerate(found.rows):
            for place, item in enumerate(found.offered):
                own = arrivals.resources.courses[item] != ""
                begun = arrivals.course_start <= arrivals.course_start[row]
                among = arrivals.course_id == course if own else begun
                among = among & (arrivals.learner_id != arrivals.learner_id[row])
                for share, since in ((found.share, -1.0), (found.recent, 16.0)):
                    mask = (arrivals.before.resource == item) & (arrivals.before.day > since)
                    used = np.isin(np.flatnonzero(among), arrivals.before.row[mask])
                    expected = used.mean() if len(used) else 0.0
                    assert share[at, place] == pytest.approx(expected)


@given(platforms(), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_figures_are_those_of_a_plain_ranking(arrivals: Arrivals, seen: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (len(arrivals), len(arrivals.resources.categories))
    chances = {ALONE: rng.uniform(0.01, 1, shape), TOGETHER: rng.uniform(0.01, 1, shape)}
    test, strength = rng.random(shape[0]) < 0.7, Strength(2.0, 5.0)
    judged = judge_at(arrivals, test, chances, seen, 30.0, 14.0, strength)
    found = table(judged, np.ones(len(test), dtype=bool), 20, 1, rng)
    expected = []
    for row in np.flatnonzero(test):
        mine = arrivals.after.row == row
        order = np.lexsort((arrivals.after.resource[mine], arrivals.after.day[mine]))
        used = arrivals.after.resource[mine][order]
        if len(used) <= seen:
            continue
        counts = popularity(arrivals, arrivals.course_id[row], 30.0, 14.0)
        place = int(np.flatnonzero(counts.rows == row)[0])
        category = arrivals.resources.category[counts.offered]
        own = np.bincount(arrivals.resources.category[used[:seen]], minlength=shape[1])
        chance = chances[TOGETHER][counts.rows]
        score = (
            np.log(counts.recent[place] + 0.002)
            + 2 * (np.log(chance[place]) - np.log(chance.mean(axis=0)))[category]
        )
        pi = chance[place] / chance[place][np.unique(category)].sum()
        score += np.log((5 * pi + own) / (5 + own.sum()) / pi)[category]
        score += popular(np.ones(len(category)), arrivals.resources.names[counts.offered])
        candidates = ~np.isin(counts.offered, used[:seen])
        relevant = np.isin(counts.offered, used[seen:])
        expected.append(judge(top(score[None], candidates[None], 10), relevant[None]).ndcg[0])
    assert found["learners"] == (len(expected) or None)
    if expected:
        (together,) = (row for row in found["models"] if row["model"] == TOGETHER)
        assert together["ndcg_at_10"] == pytest.approx(np.mean(expected))
        assert {row["over"] for row in found["differences"]} == set(RIVALS)
        assert all(0 < row["coverage"] <= 1 for row in found["models"])


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0.5, 50))
def test_own_uses_move_chances_as_a_dirichlet_prior_says(
    seed: int, categories: int, history: float
) -> None:
    rng = np.random.default_rng(seed)
    chances = rng.uniform(0.01, 1, (4, categories))
    counts = rng.integers(0, 4, (4, categories))
    counts[0] = 0
    moved = with_history(chances, counts, history)
    assert moved[0] == pytest.approx(0.0)
    expected = chances / chances.sum(axis=1, keepdims=True)
    posterior = expected * np.exp(moved)
    assert posterior.sum(axis=1) == pytest.approx(1.0)
    plain = (history * expected + counts) / (history + counts.sum(axis=1, keepdims=True))
    assert posterior == pytest.approx(plain)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_a_course_as_a_whole_is_no_reason(seed: int, factor: float) -> None:
    chances = np.random.default_rng(seed).uniform(0.01, 0.1, (5, 3))
    assert deviations(chances * factor) == pytest.approx(deviations(chances))
    assert np.exp(deviations(chances)).mean(axis=0) == pytest.approx(1.0)


def test_ties_do_not_follow_names() -> None:
    names = np.array([f"week-{n:02d}" for n in range(30)], dtype=object)
    order = np.argsort(-popular(np.zeros(30), names)).tolist()
    assert order != sorted(order)
    assert np.ptp(popular(np.zeros(30), names)) < 1e-8


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_columns_say_nothing_of_the_course(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 3))
    values[rng.random(values.shape) < 0.2] = np.nan
    course = np.array([f"c{n}" for n in rng.integers(3, size=rows)], dtype=object)
    shifted = (
        values + np.array([{"c0": 0.0, "c1": 7.0, "c2": -3.0}[name] for name in course])[:, None]
    )
    centred = within_course(values, course)
    assert centred == pytest.approx(within_course(shifted, course), abs=1e-9)
    assert (centred[np.isnan(values)] == 0).all()
    scaled = standardised(centred * 1e6, np.flatnonzero(rng.random(rows) < 0.5))
    assert np.isfinite(scaled).all()
    assert np.abs(scaled).max() <= CLIP
    assert varying(centred).shape == (3,)


def test_nothing_is_told_of_few() -> None:
    empty = np.zeros(0, dtype=np.int64)
    arrivals = Arrivals(
        *(np.array(["l"], dtype=object) for _ in range(3)),
        course_start=np.array(["2024-02-01"], dtype="datetime64[D]"),
        new=np.array([True]),
        attributes=np.zeros((1, len(ATTRIBUTES))),
        resources=Resources.of([("r", "quiz", None, None)]),
        before=Uses(empty, empty, empty.astype(float)),
        after=Uses(np.array([0]), np.array([0]), np.array([40.0])),
    )
    chances = {ALONE: np.ones((1, 1)), TOGETHER: np.ones((1, 1))}
    judged = judge_at(arrivals, arrivals.new, chances, 0, 30.0, 14.0, Strength(1.0, 1.0))
    rng = np.random.default_rng(0)
    assert table(judged, arrivals.new, 10, 2, rng)["learners"] is None
    assert table(judged, arrivals.new, 10, 1, rng)["learners"] == 1


def test_a_learner_of_two_courses_is_drawn_once() -> None:
    # All have 1 in one course and 0 in the other, so whoever is drawn, the mean is a half.
    people = np.array([f"l{n}" for n in range(30)], dtype=object)
    models = (TOGETHER, *RIVALS)
    judged = Judged(
        ndcg={model: [np.ones(30), np.zeros(30)] for model in models},
        hit={model: [np.ones(30), np.zeros(30)] for model in models},
        chosen={model: [np.zeros((30, 10), dtype=np.int64)] * 2 for model in models},
        rows=[np.arange(30), np.arange(30, 60)],
        learners=[people, people[::-1]],
        offered=[np.arange(3)] * 2,
    )
    found = table(judged, np.ones(60, dtype=bool), 50, 1, np.random.default_rng(1))
    for row in found["models"]:
        assert (row["low"], row["high"]) == pytest.approx((0.5, 0.5))
