"""The catalogue, which all regions share: courses, their assessments, and resources.

Resources lie in a regular grid, so that an event's resource is arithmetic on integers:
core resources by course, kind, week and slot; open ones by kind, subject and popularity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_adapters.province.settings import (
    EDUCATION,
    SUBJECTS,
    TERMS,
    WEEKS,
    Education,
    Platform,
    ProvinceSettings,
    platform_rng,
    province_rng,
)

#: Kinds of resource on each platform, and how common their use is.
KINDS: dict[Platform, dict[str, float]] = {
    "mooc": {"video": 0.4, "exercise": 0.25, "quiz": 0.2, "forum": 0.15},
    "digital_library": {"content": 0.4, "page": 0.4, "link": 0.2},
    "live_class": {"live": 1.0},
}
#: Core resources of one course, kind and week.
SLOTS: dict[Platform, int] = {"mooc": 1, "digital_library": 2, "live_class": 2}
#: Open resources of one kind and subject.
OPEN: dict[Platform, int] = {"mooc": 10, "digital_library": 25, "live_class": 10}
#: Days on which a course's assessments are due.
DUE: dict[Education, tuple[int, ...]] = {
    "community": (42, 112),
    "vocational": (21, 56, 91, 126),
    "higher": (14, 37, 61, 84, 107, 131),
    "basic": (17, 45, 73, 101, 129),
}
MOST_DUE = max(len(days) for days in DUE.values())
#: ISCED 2011 level that passing a course counts towards; community courses have none.
LEVEL: dict[Education, int | None] = {"community": None, "vocational": 3, "higher": 6, "basic": 2}
#: Dimensions of the space in which learners prefer subjects.
TASTES = 4


@dataclass(frozen=True)
class Catalogue:
    """Courses and resources of the province.

    Attributes
    ----------
    education, subject, term : int arrays, shape (courses,)
        Indices into `EDUCATION`, `SUBJECTS` and `TERMS`, in that order of sorting.
    course_id : list of str
    difficulty : float array, shape (courses,)
        Added to the log-odds of not passing; taken from every score's log-odds.
    pace : float array, shape (courses,)
        Factor on how much learners do.
    due : float array, shape (courses, MOST_DUE)
        NaN beyond the last assessment.
    offered : int array, shape (educations, courses_per_education)
        Subjects that each education type offers.
    tastes : float array, shape (SUBJECTS, TASTES)
        What each subject has of what learners prefer.
    appeal : float array, shape (SUBJECTS,)
        Popularity of each subject, as log-odds.
    """

    education: npt.NDArray[np.int64]
    subject: npt.NDArray[np.int64]
    term: npt.NDArray[np.int64]
    course_id: list[str]
    difficulty: npt.NDArray[np.float64]
    pace: npt.NDArray[np.float64]
    due: npt.NDArray[np.float64]
    offered: npt.NDArray[np.int64]
    tastes: npt.NDArray[np.float64]
    appeal: npt.NDArray[np.float64]

    def core_resources(self, platform: Platform) -> int:
        """Count the resources that belong to a course; open ones come after them."""
        return len(self.course_id) * len(KINDS[platform]) * WEEKS * SLOTS[platform]


def catalogue(settings: ProvinceSettings) -> Catalogue:
    """Draw the courses that every region of the province offers."""
    rng = province_rng(settings.seed)
    each = settings.courses_per_education
    offered = np.stack([np.sort(rng.permutation(len(SUBJECTS))[:each]) for _ in EDUCATION])
    tastes = rng.standard_normal((len(SUBJECTS), TASTES)) / np.sqrt(TASTES)
    appeal = 0.4 * rng.standard_normal(len(SUBJECTS))
    education, slot, term = (
        axis.ravel()
        for axis in np.meshgrid(
            np.arange(len(EDUCATION)), np.arange(each), np.arange(len(TERMS)), indexing="ij"
        )
    )
    subject = offered[education, slot]
    days = np.full((len(EDUCATION), MOST_DUE), np.nan)
    for row, name in zip(days, EDUCATION, strict=True):
        row[: len(DUE[name])] = DUE[name]
    return Catalogue(
        education=education,
        subject=subject,
        term=term,
        course_id=[
            f"{EDUCATION[e]}-{SUBJECTS[s]}-{TERMS[t]:%Y-%m}"
            for e, s, t in zip(education, subject, term, strict=True)
        ],
        difficulty=0.25 * rng.standard_normal(len(term)),
        pace=np.exp(0.3 * rng.standard_normal(len(term)) - 0.045),
        due=days[education],
        offered=offered,
        tastes=tastes,
        appeal=appeal,
    )


def assessment_id(course: str, number: int) -> str:
    """Name the assessment `number` of `course`."""
    return f"{course}-assessment-{number + 1}"


def resource_ids(books: Catalogue, platform: Platform) -> list[str]:
    """Name the resources of `platform` in grid order: core, then open."""
    kinds = list(KINDS[platform])
    core = [
        f"{course}-{kind}-{week + 1:02d}-{slot + 1}"
        for course in books.course_id
        for kind in kinds
        for week in range(WEEKS)
        for slot in range(SLOTS[platform])
    ]
    open_ = [
        f"open-{subject}-{kind}-{rank + 1:02d}"
        for kind in kinds
        for subject in SUBJECTS
        for rank in range(OPEN[platform])
    ]
    return core + open_


def resource_table(books: Catalogue, platform: Platform, seed: int) -> pa.Table:
    """Return the `resources` table of `platform`, assessments last where it sets them."""
    kinds = list(KINDS[platform])
    per_course = len(kinds) * WEEKS * SLOTS[platform]
    courses = len(books.course_id)
    core_kinds = [kind for kind in kinds for _ in range(WEEKS * SLOTS[platform])]
    per_kind = len(SUBJECTS) * OPEN[platform]
    ids = resource_ids(books, platform)
    kind = core_kinds * courses + [kind for kind in kinds for _ in range(per_kind)]
    subject = [SUBJECTS[s] for s in books.subject for _ in range(per_course)]
    subject += [s for _ in kinds for s in SUBJECTS for _ in range(OPEN[platform])]
    course: list[str | None] = [c for c in books.course_id for _ in range(per_course)]
    course += [None] * (len(ids) - len(course))
    lengths = platform_rng(seed, platform).lognormal(6.2, 0.5, len(ids))
    length: list[float | None] = np.round(lengths).tolist()
    due: list[float | None] = [None] * len(ids)
    weight: list[float | None] = [None] * len(ids)
    if platform == "mooc":
        for number, name in enumerate(books.course_id):
            days = books.due[number][~np.isnan(books.due[number])]
            ids += [assessment_id(name, order) for order in range(len(days))]
            kind += ["assessment"] * len(days)
            subject += [SUBJECTS[books.subject[number]]] * len(days)
            course += [name] * len(days)
            length += [None] * len(days)
            due += days.tolist()
            weight += [1 / len(days)] * len(days)
    columns: dict[str, pa.Array] = {
        "resource_id": pa.array(ids, pa.string()),
        "kind": pa.array(kind, pa.string()),
        "subject": pa.array(subject, pa.string()),
        "course_id": pa.array(course, pa.string()),
    }
    if platform != "digital_library":  # a library does not know how long a reader will need
        columns["length_s"] = pa.array(length, pa.float64())
    if platform == "mooc":
        columns["due"] = pa.array(due, pa.float64())
        columns["weight"] = pa.array(weight, pa.float64())
    return pa.table(columns)
