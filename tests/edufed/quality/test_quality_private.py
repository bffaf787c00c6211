"""How much a learner can change the cells of a private map, and what its intervals hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.dp.budget import JobBudget
from edufed.privacy.dp.randomness import RandomSource
from edufed.privacy.dp.sums import release
from edufed.quality.estimates import standing_of
from edufed.quality.frame import GROUPS, LEVELS
from edufed.quality.measures import MEASURES, NAMES
from edufed.quality.noisy import Noisy, estimates, parities
from edufed.quality.private import counting, exact_cells, parts, row_length, scale, vectors
from edufed.quality.rows import Rows

MOST_USE = 50.0
EXTREME = {
    "share": (0, 1),
    "score": (-1, 0, 0.5, 1, 2),
    "change": (-9, -1, 0, 1),
    "amount": (0, 9e9),
}


def rows_of(learner: np.ndarray, rng: np.random.Generator, measures: dict[str, np.ndarray]) -> Rows:
    size = len(learner)
    return Rows(
        places={level: np.full(size, "") for level in LEVELS},
        learner=learner,
        course=rng.choice(list("abcdef"), size),
        term=np.full(size, ""),
        groups={
            name: rng.integers(0, len(columns), size)
            for name, columns in GROUPS.items()
            if name != "stage"
        },
        measures=measures,
        stages={},
    )


def without(rows: Rows, learner: int) -> Rows:
    left = rows.learner != learner
    return Rows(
        places={level: values[left] for level, values in rows.places.items()},
        learner=rows.learner[left],
        course=rows.course[left],
        term=rows.term[left],
        groups={name: values[left] for name, values in rows.groups.items()},
        measures={name: values[left] for name, values in rows.measures.items()},
        stages={},
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.booleans())
def test_no_learner_changes_the_cells_by_more_than_is_said(
    seed: int, most_courses: int, alike: bool
) -> None:
    rng = np.random.default_rng(seed)
    learner = rng.integers(0, 4, rng.integers(1, 14))
    measures = {}
    for measure in MEASURES:
        values = rng.choice(EXTREME[measure.kind], len(learner)).astype(float)
        values[rng.random(len(learner)) < (0 if alike else 0.3)] = np.nan
        measures[measure.name] = np.full(len(learner), values[0]) if alike else values
    rows = rows_of(learner, rng, measures)
    if alike:  # the worst case: all of a learner's rows point the same way
        rows = Rows(**{**vars(rows), "groups": {n: g * 0 for n, g in rows.groups.items()}})
    clips = [part.clip for part in parts(most_courses)]
    for one in np.unique(learner):
        both = exact_cells(rows, most_courses, MOST_USE)
        less = exact_cells(without(rows, one), most_courses, MOST_USE)
        for clip, full, left in zip(clips, both, less, strict=True):
            assert np.linalg.norm(full - left) <= clip * (1 + 1e-9)
    # Nothing is cut beside the stated rules: the cells are plain sums.
    kept = counting(rows, most_courses)
    assert np.bincount(learner[kept]).max() <= most_courses
    plain = vectors(rows, MOST_USE)[kept].sum(axis=0)
    assert exact_cells(rows, most_courses, MOST_USE)[0] == pytest.approx(plain, abs=1e-9)


def test_the_stated_length_is_reached() -> None:
    rng = np.random.default_rng(0)
    measures = {name: np.ones(3) for name in NAMES} | {"use": np.full(3, MOST_USE)}
    rows = rows_of(np.zeros(3, np.int64), rng, measures)
    assert np.linalg.norm(exact_cells(rows, 2, MOST_USE)[0]) == pytest.approx(2 * row_length())


def drawn(
    rng: np.random.Generator, sizes: np.ndarray, budget: JobBudget
) -> tuple[np.ndarray, np.ndarray, Noisy]:
    """True means of several regions, those of their learners, and what noisy cells say."""
    true = np.column_stack(
        [
            *(rng.uniform(0.1, 0.95, (3, len(sizes)))),
            rng.uniform(0.4, 0.7, len(sizes)),
            rng.uniform(-0.05, 0.1, len(sizes)),
            rng.uniform(5, 15, len(sizes)),
        ]
    )
    cells, means = [], []
    entry = budget["regions"]
    for size, centre in zip(sizes, true, strict=True):
        concentration = 8.0
        measures = {n: (rng.random(size) < centre[m]) * 1.0 for m, n in enumerate(NAMES[:3])}
        measures["score"] = rng.beta(
            centre[3] * concentration, (1 - centre[3]) * concentration, size
        )
        measures["growth"] = np.clip(rng.normal(centre[4], 0.15, size), -1, 1)
        measures["use"] = rng.gamma(2.0, centre[5] / 2.0, size)
        rows = rows_of(np.arange(size), rng, measures)
        means.append([values.mean() for values in measures.values()])
        exact = exact_cells(rows, 1, 60.0)[0]
        source = RandomSource.repeatable(int(rng.integers(2**32)))
        cells.append(release(exact, entry.clip, entry.charge.noise_multiplier, source))
    return true, np.array(means), estimates(np.array(cells), entry.deviation, 10, 60.0)


@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_intervals_hold_the_truth_as_often_as_they_say(epsilon: float) -> None:
    budget = JobBudget.of("site", epsilon, 1e-5, parts(1))
    rng = np.random.default_rng(5)
    held, noise_alone, told = [], [], []
    for _ in range(80):
        true, own, found = drawn(rng, np.array([60, 250, 400, 800, 1500]), budget)
        shown = found.told
        told.append(shown.mean(axis=1))
        held.append((np.abs(found.means - true) <= 1.96 * found.errors)[shown])
        noise_alone.append((np.abs(found.means - own) <= 1.96 * found.noise)[shown])
    assert 0.93 <= np.concatenate(held).mean() <= 0.985
    assert 0.93 <= np.concatenate(noise_alone).mean() <= 0.97
    assert np.mean(told, axis=0)[-1] == 1  # of many learners all is told
    assert np.mean(told, axis=0)[0] < (0.01 if epsilon == 1 else 1.01)


def test_shrunken_intervals_hold_the_truth_too() -> None:
    """Regions alike in law, as the model has it; noise of very different weight."""
    budget = JobBudget.of("site", 2.0, 1e-5, parts(1))
    rng, held = np.random.default_rng(11), []
    sizes = np.array([250, 300, 300, 400, 500, 600, 700, 900, 1200, 1500, 2000, 2500])
    entry = budget["regions"]
    for _ in range(60):
        true, cells = rng.normal(0.6, 0.05, len(sizes)), []
        for size, chance in zip(sizes, true, strict=True):
            passed = (rng.random(size) < chance) * 1.0
            nothing = {name: np.full(size, np.nan) for name in NAMES}
            rows = rows_of(np.arange(size), rng, nothing | {"pass_rate": passed})
            source = RandomSource.repeatable(int(rng.integers(2**32)))
            exact = exact_cells(rows, 1, 60.0)[0]
            cells.append(release(exact, entry.clip, entry.charge.noise_multiplier, source))
        found = estimates(np.array(cells), entry.deviation, 10, 60.0)
        m, told = NAMES.index("pass_rate"), found.told[:, NAMES.index("pass_rate")]
        means, counts = np.where(told, found.means[:, m], np.nan), found.counts[:, m] * told
        within = float(np.average(found.variances[:, m], weights=counts))
        stands = standing_of(means, counts, within, found.noise[:, m] ** 2)
        held.append(((stands.low <= true) & (true <= stands.high))[told])
        assert not found.told[:, NAMES.index("score")].any()  # nobody has one
    assert 0.92 <= np.concatenate(held).mean() <= 0.98


def test_parity_is_told_with_the_noise_in_its_interval() -> None:
    rng, size = np.random.default_rng(3), 4000
    measures = {name: np.full(size, np.nan) for name in NAMES}
    measures["score"] = rng.beta(4, 4, size)
    rows = rows_of(np.arange(size), rng, measures)
    budget = JobBudget.of("sum", 4.0, 1e-5, parts(1))
    exact, entry = exact_cells(rows, 1, 60.0)[1], budget["groups"]
    widths = []
    for deviation, noisy in (
        (1e-9, exact),
        (
            entry.deviation,
            release(exact, entry.clip, entry.charge.noise_multiplier, RandomSource.repeatable(1)),
        ),
    ):
        index = parities(estimates(noisy, deviation, 10, 60.0))["gender"]["score"]
        assert index["low"] < 1.02
        assert index["high"] > 0.98
        widths.append(index["high"] - index["low"])
    assert 1.0 < widths[1] / widths[0] < 5
    assert parities(estimates(exact * 0, 1.0, 10, 60.0))["means"] is None


def test_measures_have_public_ranges() -> None:
    low, span = scale(60.0)
    assert dict(zip(NAMES, (low + span).tolist(), strict=True))["use"] == 60
    assert low[NAMES.index("growth")] == -1
