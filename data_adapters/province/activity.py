"""What learners do on one platform over a course, event by event.

Weekly counts are Poisson; their rates follow the learner's traits, the week of term, and a
noise that is stronger the less regular the learner. Within a week, events gather in a few
sessions. A part of them goes to open resources, by the learner's taste for subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data_adapters.province.courses import KINDS, OPEN, SLOTS, Catalogue
from data_adapters.province.learners import KNOWN, SECOND_COURSE, FloatArray, IntArray, Learners
from data_adapters.province.results import Results
from data_adapters.province.risk import Drift, sigmoid
from data_adapters.province.settings import (
    PLATFORMS,
    SUBJECTS,
    TERMS,
    WEEKS,
    Platform,
    ProvinceSettings,
    chunk_rng,
)

#: Share of all events that each platform sees.
SHARES: dict[Platform, float] = {"mooc": 0.5, "digital_library": 0.3, "live_class": 0.2}
#: The trait that makes a learner do more on each platform.
DRIVER = {"mooc": "practice", "digital_library": "reading", "live_class": "attendance"}
#: Share of a platform's events that go to open resources.
OPEN_SHARE: dict[Platform, float] = {"mooc": 0.2, "digital_library": 0.6, "live_class": 0.3}
#: How learners of each education type differ in how much they do, in the order of `EDUCATION`.
EDUCATION_PACE = np.array([0.6, 0.9, 1.1, 1.1])
#: Chance of each weekday, Monday first.
WEEKDAYS = np.array([0.19, 0.18, 0.17, 0.16, 0.12, 0.07, 0.11])
#: Hours at which sessions tend to begin, and their chances.
HOURS, DAYTIMES = np.array([9.5, 15.0, 20.5]), np.array([0.2, 0.25, 0.55])
#: How busy the week before the first and each week of a course is: a break, then exams.
RHYTHM = np.array([0.4, 1.3, 1.2] + [1.0] * 6 + [0.5] + [1.0] * 8 + [1.2, 1.4, 1.0])
VERBS = {"video": "played", "exercise": "answered", "quiz": "attempted", "forum": "commented"}
#: Most sessions that a learner has in a week on one platform.
SESSIONS = 6
#: Minutes in a day.
MINUTES = 1440


@dataclass(frozen=True)
class Events:
    """A chunk's events on one platform; every array has shape (events,).

    Attributes
    ----------
    enrolment : int array
        Row of the chunk's enrolments.
    resource : int array
        Place in the platform's grid of resources.
    kind : int array
        Place in `KINDS[platform]`.
    time : float array
        Days after course start.
    columns : dict of str to pyarrow.Array
        What else this platform records.
    """

    enrolment: IntArray
    resource: IntArray
    kind: IntArray
    time: FloatArray
    columns: dict[str, pa.Array]


def draw_events(
    settings: ProvinceSettings,
    books: Catalogue,
    place: Drift,
    region: int,
    chunk: int,
    learners: Learners,
    results: Results,
    platform: Platform,
) -> Events:
    """Draw a chunk's events on `platform`, those after a withdrawal left out."""
    rng = chunk_rng(settings.seed, region, chunk, platform)
    counts = rng.poisson(_weekly_rates(rng, settings, books, place, learners, platform))
    enrolment = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    week = np.repeat(np.tile(np.arange(WEEKS + 1), len(counts)), counts.ravel()) - 1
    size = len(enrolment)
    kind = _choose(rng, _kind_chances(learners, platform), enrolment)
    is_open = rng.random(size) < OPEN_SHARE[platform]
    # Some catch up on last week's material.
    material = np.clip(week - (rng.random(size) < 0.2), 0, WEEKS - 1)
    slot = rng.integers(SLOTS[platform], size=size)
    resource = _core(platform, learners.course[enrolment], kind, material, slot)
    chosen = np.flatnonzero(is_open)
    resource[chosen] = _open(
        rng, books, learners, platform, learners.who[enrolment[chosen]], kind[chosen]
    )
    time = _times(rng, books, learners, counts)
    if platform == "live_class":  # lessons have their hour; learners come a little late
        lesson = week * 7 + 1.4 + 2 * slot + rng.exponential(0.004, size)
        time = np.where(is_open, time, lesson)
    # To the minute, so that Parquet packs it well; one event a minute and resource; in order of
    # time within each enrolment.
    minute = np.round(time * MINUTES).astype(np.int64)
    _, order = np.unique((enrolment << 48) + (minute << 24) + resource, return_index=True)
    keep = order[minute[order] < (results.end * MINUTES)[enrolment[order]]]
    enrolment, kind = enrolment[keep], kind[keep]
    return Events(
        enrolment=enrolment,
        resource=resource[keep],
        kind=kind,
        time=minute[keep] / MINUTES,
        columns=_measures(rng, books, learners, platform, enrolment, kind),
    )


def _weekly_rates(
    rng: np.random.Generator,
    settings: ProvinceSettings,
    books: Catalogue,
    place: Drift,
    learners: Learners,
    platform: Platform,
) -> FloatArray:
    """Return the expected events of each enrolment and week, shape (enrolments, WEEKS + 1)."""
    who, course = learners.who, learners.course
    # Learners that the platform does not know leave no events: the others make up for them.
    known = learners.known[PLATFORMS.index(platform)][who]
    level = settings.events_per_learner * SHARES[platform] / KNOWN[platform] / (1 + SECOND_COURSE)
    level = level / RHYTHM.sum() * books.pace[course] * place.activity
    level = level * place.term_activity[books.term[course]]
    level = level * EDUCATION_PACE[learners.education[who]] * known
    drive = np.clip(learners.trait(DRIVER[platform]), -3, 3)
    log_rate = 0.8 * drive - 0.32 + 0.25 * rng.standard_normal(len(who)) - 0.03
    slope = np.clip(learners.trait("persistence"), -3, 3)[:, None] - 0.6
    unsteady = 0.5 * np.exp(-0.6 * np.clip(learners.trait("regularity"), -3, 3))[:, None]
    noise = unsteady * np.clip(rng.standard_normal((len(who), WEEKS + 1)), -3, 3)
    weeks = np.linspace(-0.3, 0.7, WEEKS + 1)
    return np.exp(log_rate[:, None] + 1.2 * slope * weeks + noise - unsteady**2 / 2) * (
        level[:, None] * RHYTHM
    )


def _kind_chances(learners: Learners, platform: Platform) -> FloatArray:
    """Return each enrolment's chance of each kind of resource, shape (enrolments, kinds)."""
    pull = {
        "forum": 0.9 * learners.trait("social"),
        "exercise": 0.3 * learners.trait("preparation"),
        "quiz": 0.3 * learners.trait("punctuality"),
        "content": 0.4 * learners.trait("ability"),
        "link": 0.3 * learners.trait("social"),
    }
    weights = np.stack(
        [
            share * np.exp(pull.get(kind, np.zeros(len(learners.who))))
            for kind, share in KINDS[platform].items()
        ],
        axis=1,
    )
    return weights / weights.sum(axis=1, keepdims=True)


def _choose(rng: np.random.Generator, chances: FloatArray, row: IntArray) -> IntArray:
    """Draw a column for each entry of `row` by that row's chances.

    All rows' cumulative chances, each raised by its row number, make one rising line, so that
    one binary search serves any number of rows.
    """
    line = np.cumsum(chances, axis=1)
    line[:, -1] = 1.0
    line += np.arange(len(chances))[:, None]
    found = np.searchsorted(line.ravel(), row + rng.random(len(row)), side="right")
    columns = chances.shape[1]
    return np.clip(found - row * columns, 0, columns - 1)


def subject_chances(books: Catalogue, tastes: FloatArray) -> FloatArray:
    """Return each learner's chance of each subject, shape (learners, SUBJECTS)."""
    weights = np.exp(1.5 * tastes @ books.tastes.T + books.appeal)
    return weights / weights.sum(axis=1, keepdims=True)


def _core(
    platform: Platform,
    course: IntArray,
    kind: IntArray,
    week: IntArray,
    slot: IntArray,
) -> IntArray:
    kinds, slots = len(KINDS[platform]), SLOTS[platform]
    return ((course * kinds + kind) * WEEKS + week) * slots + slot


def _open(
    rng: np.random.Generator,
    books: Catalogue,
    learners: Learners,
    platform: Platform,
    who: IntArray,
    kind: IntArray,
) -> IntArray:
    chances = subject_chances(books, learners.tastes[PLATFORMS.index(platform)])
    subject = _choose(rng, chances, who)
    # The square makes the first resources of a subject the popular ones.
    rank = (OPEN[platform] * rng.random(len(who)) ** 2).astype(np.int64)
    grid = (kind * len(SUBJECTS) + subject) * OPEN[platform] + rank
    return grid + books.core_resources(platform)


def _times(
    rng: np.random.Generator, books: Catalogue, learners: Learners, counts: IntArray
) -> FloatArray:
    """Place events in their week's sessions: the more regular the learner, the more sessions.

    Parameters
    ----------
    counts : int array, shape (enrolments, WEEKS + 1)
        Events of each enrolment and week; their times come in that order.
    """
    enrolment, week = np.nonzero(counts)  # the busy weeks
    shape = (len(week), SESSIONS)
    weekday = np.searchsorted(np.cumsum(WEEKDAYS)[:-1], rng.random(shape, dtype=np.float32))
    starts_on = np.array([day.weekday() for day in TERMS])[books.term[learners.course[enrolment]]]
    day = (weekday - starts_on[:, None]) % 7
    part = np.searchsorted(np.cumsum(DAYTIMES)[:-1], rng.random(shape, dtype=np.float32))
    hour = HOURS[part] + 1.5 * rng.standard_normal(shape, dtype=np.float32)
    begins = (week[:, None] - 1) * 7 + day + np.clip(hour, 0, 23) / 24
    most = np.clip(np.round(2.5 + 1.2 * learners.trait("regularity")), 1, SESSIONS)
    busy = np.repeat(np.arange(len(week)), counts[enrolment, week])
    session = (rng.random(len(busy)) * most[enrolment[busy]]).astype(np.int64)
    within = rng.exponential(0.012, len(busy))  # about a quarter of an hour
    return begins[busy, session] + np.minimum(within, 0.04)


def _measures(
    rng: np.random.Generator,
    books: Catalogue,
    learners: Learners,
    platform: Platform,
    enrolment: IntArray,
    kind: IntArray,
) -> dict[str, pa.Array]:
    """Return what `platform` records of each event; each platform lacks some columns."""
    size = len(enrolment)

    def of(trait: str) -> FloatArray:
        return learners.trait(trait)[enrolment]

    if platform == "digital_library":
        clicks = 1 + rng.poisson(np.exp(0.3 + 0.2 * np.clip(of("reading"), -3, 3)))
        seconds = np.round(rng.lognormal(4.8 + 0.25 * of("reading"), 0.9))
        return {
            "count": pa.array(clicks.astype(float)),
            "duration_s": pa.array(np.minimum(seconds, 14_400)),
        }
    if platform == "live_class":
        stayed = sigmoid(1.2 + 0.6 * of("attendance") + rng.standard_normal(size))
        return {
            "verb": pa.array(np.full(size, "attended"), pa.string()),
            "duration_s": pa.array(np.round(2700 * stayed)),
        }
    names = list(KINDS[platform])
    watched = sigmoid(0.8 + 0.5 * of("persistence") + rng.standard_normal(size))
    ease = 0.4 + 0.7 * of("ability") + 0.3 * of("preparation")
    ease -= books.difficulty[learners.course[enrolment]]
    score = np.round(sigmoid(ease + 1.2 * rng.standard_normal(size)), 2)
    seconds = np.round(rng.lognormal(5.5, 0.7, size))
    is_video = kind == names.index("video")
    is_marked = (kind == names.index("quiz")) | (kind == names.index("exercise"))
    verbs = pa.array([VERBS[name] for name in names])
    return {
        "verb": pa.DictionaryArray.from_arrays(pa.array(kind.astype(np.int8)), verbs),
        "duration_s": pa.array(np.minimum(seconds, 7200), mask=~is_video),
        "progress": pa.array(np.round(watched, 2), mask=~is_video),
        "score": pa.array(score, mask=~is_marked),
    }


def event_table(
    books: Catalogue, learners: Learners, events: Events, ids: pa.Array, resources: pa.Array
) -> pa.Table:
    """Return the `events` table; ids are dictionary-encoded, as they are in the file."""
    enrolment = events.enrolment
    known = learners.who[enrolment].astype(np.int32)
    course = learners.course[enrolment].astype(np.int32)
    return pa.table(
        {
            "learner_id": pa.DictionaryArray.from_arrays(pa.array(known), ids),
            "resource_id": pa.DictionaryArray.from_arrays(
                pa.array(events.resource.astype(np.int32)), resources
            ),
            "course_id": pa.DictionaryArray.from_arrays(
                pa.array(course), pa.array(books.course_id)
            ),
            "time": pa.array(events.time),
            **events.columns,
        }
    )
