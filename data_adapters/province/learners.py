"""Who the learners of a chunk are, where they are known, and which courses they take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import ndtr

from data_adapters.province.courses import TASTES, Catalogue
from data_adapters.province.risk import INDEX, TRAITS, Drift, loadings, trait_means
from data_adapters.province.settings import (
    EDUCATION,
    PLATFORMS,
    TERMS,
    Platform,
    ProvinceSettings,
    chunk_rng,
)

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: Shares of learners by education type, in the order of `EDUCATION`.
EDUCATION_SHARES = (0.15, 0.25, 0.4, 0.2)
#: Share of a region's learners that each platform knows, and of all that one at least does.
KNOWN: dict[Platform, float] = {"mooc": 0.9, "digital_library": 0.65, "live_class": 0.55}
#: Share of learners who take a second course in the same term, at the mean load.
SECOND_COURSE = 0.3
#: Learner columns of each platform. What is not named here the platform does not have.
COLUMNS: dict[Platform, tuple[str, ...]] = {
    "mooc": (
        *("gender", "age_band", "education_level", "region", "district", "school", "class"),
        *("support_need", "means"),
    ),
    "digital_library": ("age_band", "region"),
    "live_class": ("gender", "education_level"),
}
#: Share of values of `means` and `education_level` that nobody filled in.
NOT_STATED = 0.03
#: Districts of a region; learners of a school and of a class, about; the most there are of both.
DISTRICTS, SCHOOL_SIZE, CLASS_SIZE, MOST_SCHOOLS, MOST_CLASSES = 3, 110, 37, 20, 12
AGE_BANDS = ("6-11", "12-14", "15-17", "18-24", "25-34", "35-54", "55-")
#: Chance of each age band by education type.
AGES = (
    (0.0, 0.0, 0.05, 0.15, 0.25, 0.3, 0.25),
    (0.0, 0.0, 0.4, 0.4, 0.1, 0.1, 0.0),
    (0.0, 0.0, 0.0, 0.6, 0.25, 0.15, 0.0),
    (0.4, 0.45, 0.15, 0.0, 0.0, 0.0, 0.0),
)
#: ISCED levels that learners of each education type come with, from least to most prepared.
LEVELS = ((1, 2, 3, 4, 6), (1, 2, 2, 3, 3), (3, 3, 4, 5, 6), (0, 0, 1, 1, 1))


@dataclass(frozen=True)
class Learners:
    """A chunk of a region's learners, platform by platform and course by course.

    Attributes
    ----------
    number : int array, shape (learners,)
        Of the learner within the region.
    education, term : int arrays, shape (learners,)
    traits : float array, shape (learners, traits)
    tastes : float array, shape (platforms, learners, TASTES)
        What each learner prefers on each platform.
    known : bool array, shape (platforms, learners)
        Whether the platform knows the learner.
    who, course : int arrays, shape (enrolments,)
        The learner's row in this chunk, and the course's in the catalogue; sorted by learner.
    """

    number: IntArray
    education: IntArray
    term: IntArray
    traits: FloatArray
    tastes: FloatArray
    known: npt.NDArray[np.bool_]
    who: IntArray
    course: IntArray

    def trait(self, name: str) -> FloatArray:
        """Return one trait of each enrolment's learner, shape (enrolments,)."""
        return self.traits[self.who, INDEX[name]]


def chunks(settings: ProvinceSettings, region: int) -> int:
    """Count the chunks of a region."""
    return -(-settings.region_learners(region) // settings.chunk)


def draw_learners(
    settings: ProvinceSettings, books: Catalogue, place: Drift, region: int, chunk: int
) -> Learners:
    """Draw one chunk of a region's learners and their courses."""
    rng = chunk_rng(settings.seed, region, chunk, "learners")
    first = chunk * settings.chunk
    size = min(settings.chunk, settings.region_learners(region) - first)
    education = rng.choice(len(EDUCATION), size, p=EDUCATION_SHARES)
    term = rng.integers(len(TERMS), size=size)
    common, own = loadings()
    traits = rng.standard_normal((size, 2)) @ common.T
    traits += own * rng.standard_normal((size, len(TRAITS))) + trait_means(education, place)
    in_common = rng.standard_normal((size, TASTES))
    r = settings.preference_correlation
    tastes = r * in_common + np.sqrt(1 - r**2) * rng.standard_normal((len(PLATFORMS), size, TASTES))
    known = rng.random((len(PLATFORMS), size)) < np.array(list(KNOWN.values()))[:, None]
    known[0] |= ~known.any(axis=0)
    who, course = _courses(rng, books, education, term, in_common, traits[:, INDEX["load"]])
    return Learners(
        number=np.arange(first, first + size),
        education=education,
        term=term,
        traits=traits,
        tastes=tastes,
        known=known,
        who=who,
        course=course,
    )


def _courses(
    rng: np.random.Generator,
    books: Catalogue,
    education: IntArray,
    term: IntArray,
    tastes: FloatArray,
    load: FloatArray,
) -> tuple[IntArray, IntArray]:
    """Let learners choose a course or two by taste (Gumbel's way of drawing without return)."""
    offered = books.offered[education]
    wish = (tastes @ books.tastes.T + books.appeal)[np.arange(len(tastes))[:, None], offered]
    order = np.argsort(-(wish + rng.gumbel(size=wish.shape)), axis=1)[:, :2]
    takes = np.ones(order.shape, dtype=bool)
    if order.shape[1] > 1:
        takes[:, 1] = rng.random(len(load)) < SECOND_COURSE * np.exp(0.4 * load - 0.08)
    who, place = np.nonzero(takes)
    slot = order[who, place]
    each = books.offered.shape[1]
    return who, (education[who] * each + slot) * len(TERMS) + term[who]


def places(
    settings: ProvinceSettings, region: int, chunk: int, ready: FloatArray
) -> dict[str, pa.Array]:
    """Return each learner's district, school and class: the better prepared share schools.

    Parameters
    ----------
    ready : float array, shape (learners,)
        How well prepared each learner of the chunk is, standard normal or near it.
    """
    rng = chunk_rng(settings.seed, region, chunk, "places")
    noise = rng.standard_normal((2, len(ready)))
    room = rng.random(len(ready))
    learners = settings.region_learners(region)
    schools = int(np.clip(learners // (DISTRICTS * SCHOOL_SIZE), 1, MOST_SCHOOLS))
    classes = int(np.clip(learners // (DISTRICTS * schools * CLASS_SIZE), 1, MOST_CLASSES))
    district = _slot(0.3 * ready + 0.95 * noise[0], DISTRICTS)
    school = _slot(0.6 * ready + 0.8 * noise[1], schools)
    names = {
        "district": [f"district-{d + 1}" for d in range(DISTRICTS)],
        "school": [f"school-{s + 1:02d}" for s in range(schools)],
        "class": [f"class-{c + 1:02d}" for c in range(classes)],
    }
    drawn = {"district": district, "school": school, "class": (room * classes).astype(np.int64)}
    return {level: pa.array(np.array(names[level])[drawn[level]], pa.string()) for level in names}


def _slot(normal: FloatArray, slots: int) -> IntArray:
    """Cut standard normal values into `slots` parts of about one size, 0 the lowest."""
    return np.minimum((ndtr(normal) * slots).astype(np.int64), slots - 1)


def pseudonyms(region: int, number: IntArray, key: int) -> npt.NDArray[np.bytes_]:
    """Return 16 hexadecimal digits for each learner, unlike under every other `key`.

    One-to-one on 64 bits (the finaliser of splitmix64, Steele et al. 2014), so no two learners
    of the province share one.
    """
    x = (np.uint64(region) << np.uint64(40)) | number.astype(np.uint64)
    x ^= np.uint64(key)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    x ^= x >> np.uint64(31)
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    octets = x.astype(">u8").view(np.uint8)
    text = np.stack([digits[octets >> 4], digits[octets & 15]], axis=1)
    return text.reshape(len(number), 16).view("S16").ravel()


def learner_ids(
    settings: ProvinceSettings, platform: Platform, region: int, number: IntArray
) -> pa.Array:
    """Return the names under which `platform` knows the learners."""
    return _strings(pseudonyms(region, number, _key(settings.seed, PLATFORMS.index(platform) + 1)))


def link_ids(settings: ProvinceSettings, region: int, number: IntArray) -> pa.Array:
    """Return the names that all platforms share, such as a state's number for its citizens."""
    return _strings(pseudonyms(region, number, _key(settings.seed, 0)))


def _key(seed: int, number: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(4, number)).generate_state(1, np.uint64)[0])


def _strings(text: npt.NDArray[np.bytes_]) -> pa.Array:
    return pa.array(text, pa.binary()).cast(pa.string())


def learner_table(
    settings: ProvinceSettings,
    place: Drift,
    region: int,
    chunk: int,
    learners: Learners,
    platform: Platform,
) -> pa.Table:
    """Return the `learners` table of `platform`, with `education`, which adapters filter by."""
    rng = chunk_rng(settings.seed, region, chunk, "learners").spawn(1)[0]
    size = len(learners.number)
    ready = learners.traits[:, INDEX["preparation"]]
    draws = rng.standard_normal((2, size))
    chances = rng.random((6, size))
    level_slot = np.clip(np.digitize(0.8 * ready + 0.6 * draws[0], (-1, -0.3, 0.3, 1)), 0, 4)
    level = np.array(LEVELS)[learners.education, level_slot]
    bands = np.cumsum(np.array(AGES), axis=1)[learners.education]
    band = np.minimum((chances[0][:, None] > bands).sum(axis=1), len(AGE_BANDS) - 1)
    means = np.round(1 / (1 + np.exp(-(0.7 * ready + 1.2 * draws[1]))), 2)
    gender = np.where(chances[1] < 0.01, 2, (chances[2] < 0.48).astype(int))
    every: dict[str, pa.Array] = {
        "gender": pa.array(np.array(["female", "male", "other"])[gender], pa.string()),
        "age_band": pa.array(np.array(AGE_BANDS)[band], pa.string()),
        "education_level": pa.array(level, pa.int64(), mask=chances[3] < NOT_STATED),
        "region": pa.array([f"region-{region:02d}"] * size, pa.string()),
        **places(settings, region, chunk, ready),
        "support_need": pa.array(chances[4] < 0.08 - 0.02 * np.clip(ready, -2, 2)),
        "means": pa.array(means, pa.float64(), mask=chances[5] < NOT_STATED),
    }
    lacks = place.lacks if platform == "mooc" else ()
    columns = {
        "learner_id": learner_ids(settings, platform, region, learners.number),
        "link_id": link_ids(settings, region, learners.number),
        "education": pa.array(np.array(EDUCATION)[learners.education], pa.string()),
        **{name: every[name] for name in COLUMNS[platform] if name not in lacks},
    }
    return pa.table(columns).filter(pa.array(learners.known[PLATFORMS.index(platform)]))
