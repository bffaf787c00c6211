"""What became of each enrolment: registration, withdrawal, assessments and final result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_adapters.province.courses import LEVEL, Catalogue, assessment_id
from data_adapters.province.learners import FloatArray, Learners
from data_adapters.province.risk import (
    WITHDRAWAL_DAYS,
    WITHDRAWS,
    Drift,
    coefficients,
    intercepts,
    sigmoid,
)
from data_adapters.province.settings import EDUCATION, TERMS, WEEKS, ProvinceSettings, chunk_rng

BoolArray = npt.NDArray[np.bool_]

#: Day on which final results are known.
RESULT_DAY = WEEKS * 7 + 7.0


@dataclass(frozen=True)
class Results:
    """Outcomes of a chunk's enrolments; every array's first axis is (enrolments,).

    Attributes
    ----------
    logit : float array
        The true log-odds of not passing.
    failed : bool array
        Not passed, whether withdrawn or not.
    start, end : float arrays
        Days of registration and of withdrawal (infinite: did not withdraw).
    attempts, credits : float arrays
    score : float array
        Final score; NaN for the withdrawn.
    handed_in, mark : float arrays, shape (enrolments, MOST_DUE)
        Day and score of each assessment; NaN where none was handed in.
    """

    logit: FloatArray
    failed: BoolArray
    start: FloatArray
    end: FloatArray
    attempts: FloatArray
    credits: FloatArray
    score: FloatArray
    handed_in: FloatArray
    mark: FloatArray


def draw_results(
    settings: ProvinceSettings,
    books: Catalogue,
    place: Drift,
    region: int,
    chunk: int,
    learners: Learners,
) -> Results:
    """Draw what became of a chunk's enrolments, by the true risk of each."""
    rng = chunk_rng(settings.seed, region, chunk, "results")
    who, course = learners.who, learners.course
    size = len(who)
    weights = coefficients(settings)[learners.education[who]]
    logit = intercepts(books, place)[course] + (weights * learners.traits[who]).sum(axis=1)
    failed = rng.random(size) < sigmoid(logit)
    withdrawn = failed & (rng.random(size) < WITHDRAWS)
    day = np.floor(rng.uniform(*WITHDRAWAL_DAYS, size))
    end = np.where(withdrawn, day, np.inf)

    ability, ready = learners.trait("ability"), learners.trait("preparation")
    punctual, practice = learners.trait("punctuality"), learners.trait("practice")
    load = learners.trait("load")
    lead = rng.exponential(20 * np.exp(0.3 * np.clip(punctual, -3, 3)))
    attempts = rng.poisson(np.exp(-1.5 - 0.5 * np.clip(ready, -3, 3))).astype(float)
    score = sigmoid(0.8 * ability + 0.5 * rng.standard_normal(size))
    score = np.where(failed, 0.4 * score, 0.4 + 0.6 * score)

    due = books.due[course]
    ease = 0.3 + 0.8 * ability + 0.3 * ready + 0.2 * practice - 2 * books.difficulty[course]
    late = learners.trait("persistence")[:, None] * due / (WEEKS * 7)
    submits = sigmoid(1.6 + (0.5 * punctual + 0.4 * practice)[:, None] + late)
    early = 1.0 + 1.6 * punctual[:, None] + 1.5 * rng.standard_normal(due.shape)
    handed_in = np.maximum(np.round(due - early, 2), 0.0)
    mark = np.round(sigmoid(ease[:, None] + 0.7 * rng.standard_normal(due.shape)), 2)
    present = (rng.random(due.shape) < submits) & (handed_in < end[:, None])
    return Results(
        logit=logit,
        failed=failed,
        start=-np.round(7 + lead),
        end=end,
        attempts=attempts,
        credits=np.clip(np.round(30 + 10 * load), 5, 60),
        score=np.where(withdrawn, np.nan, np.round(score, 2)),
        handed_in=np.where(present, handed_in, np.nan),
        mark=np.where(present, mark, np.nan),
    )


def enrolment_table(
    books: Catalogue, learners: Learners, results: Results, ids: pa.Array
) -> pa.Table:
    """Return the `enrolments` table of the course platform, for the learners that it knows.

    Parameters
    ----------
    ids : pyarrow.Array
        The chunk's learner ids on the course platform.
    """
    rows = np.flatnonzero(learners.known[0][learners.who])
    left = np.isfinite(results.end[rows])
    course = learners.course[rows]
    starts = np.array(TERMS, dtype="datetime64[us]")[books.term[course]]
    return pa.table(
        {
            "learner_id": ids.take(pa.array(learners.who[rows])),
            "course_id": pa.array(books.course_id).take(pa.array(course)),
            "course_start": pa.array(starts),
            "start": pa.array(results.start[rows]),
            "end": pa.array(results.end[rows], mask=~left),
            "status": pa.array(np.where(left, "withdrawn", "completed"), pa.string()),
            "attempts": pa.array(results.attempts[rows]),
            "credits": pa.array(results.credits[rows]),
        }
    )


def outcome_table(
    books: Catalogue, learners: Learners, results: Results, ids: pa.Array
) -> pa.Table:
    """Return the `outcomes` table of the course platform: assessments, then final results."""
    known = learners.known[0][learners.who]
    row, order = np.nonzero(known[:, None] & ~np.isnan(results.mark))
    final = np.flatnonzero(known)
    enrolment = np.concatenate([row, final])
    course = learners.course[enrolment]
    tests = np.array(
        [
            [assessment_id(name, number) for number in range(books.due.shape[1])]
            for name in books.course_id
        ]
    )
    blank = np.ones(len(final), dtype=bool)
    is_final = np.concatenate([~np.ones(len(row), dtype=bool), blank])
    withdrawn = np.isfinite(results.end[final])
    passed = ~results.failed[final]
    levels = np.array([LEVEL[name] if LEVEL[name] is not None else -1 for name in EDUCATION])
    level = levels[learners.education[learners.who[enrolment]]]
    gained = np.concatenate([np.zeros(len(row)), results.credits[final] / 2])
    won = np.concatenate([np.zeros(len(row), dtype=bool), passed])
    time = np.concatenate(
        [results.handed_in[row, order], np.where(withdrawn, results.end[final], RESULT_DAY)]
    )
    score = np.concatenate([results.mark[row, order], results.score[final]])
    resource = np.concatenate([tests[learners.course[row], order], np.full(len(final), "")])
    return pa.table(
        {
            "learner_id": ids.take(pa.array(learners.who[enrolment])),
            "course_id": pa.array(books.course_id).take(pa.array(course)),
            "kind": pa.array(np.where(is_final, "final", "assessment"), pa.string()),
            "resource_id": pa.array(resource, pa.string(), mask=is_final),
            "time": pa.array(time),
            "score": pa.array(score, mask=np.isnan(score)),
            "passed": pa.array(won, mask=~is_final),
            "credits": pa.array(gained, mask=~won),
            "level": pa.array(level, pa.int64(), mask=~won | (level < 0)),
        }
    )
