import numpy as np

from edufed.features import FEATURES, FeatureMatrix, design_names
from edufed.features.catalogue import NAMES
from edufed.privacy.dp.randomness import RandomSource
from edufed.privacy.dp.statistics import (
    STATISTICS_CLIP,
    course_means,
    course_sums,
    in_public_units,
    private_design,
)
from edufed.privacy.dp.sums import release

COURSES = ["algebra", "botany", "chemistry"]


def matrix_of(rows=3000, seed=0, unknown=0.0, courses=COURSES):
    rng = np.random.default_rng(seed)
    place = rng.integers(0, len(courses), rows)
    course = np.array(courses, object)[place]
    shift = np.linspace(1.0, 4.0, len(courses))[place]
    values = np.exp(rng.normal(shift[:, None], 0.5, (rows, len(FEATURES)))).astype(np.float32)
    values[rng.random(values.shape) < unknown] = np.nan
    return FeatureMatrix(
        values=values,
        names=NAMES,
        learner_id=np.arange(rows).astype(str).astype(object),
        course_id=course,
        course_start=np.full(rows, "NaT", "datetime64[D]"),
        target=np.zeros(rows, np.float32),
    )


def part(matrix, rows):
    return FeatureMatrix(
        matrix.values[rows],
        matrix.names,
        matrix.learner_id[rows],
        matrix.course_id[rows],
        matrix.course_start[rows],
        matrix.target[rows],
    )


def test_course_means_without_noise_are_those_of_the_public_units():
    matrix = matrix_of()
    means = course_means(course_sums(matrix, COURSES), 0.0)
    for number, course in enumerate(COURSES):
        exact = in_public_units(matrix)[matrix.course_id == course].mean(axis=0)
        # Longer vectors are cut more, so the mean leans a little to the shorter ones.
        assert np.abs(means[number] - exact).max() < 0.06


def test_drawing_noisy_means_together_brings_them_nearer_to_the_truth():
    courses = [f"course-{number:02}" for number in range(30)]
    sums = course_sums(matrix_of(courses=courses), courses)
    exact = course_means(sums, 0.0)
    noisy = release(sums, STATISTICS_CLIP, 10.0, RandomSource.repeatable(0))
    drawn = course_means(noisy, 10.0 * STATISTICS_CLIP)
    taken_as_it_is = course_means(noisy, 0.0)
    assert np.abs(drawn - exact).mean() < 0.85 * np.abs(taken_as_it_is - exact).mean()


def test_a_learner_in_several_courses_changes_the_sums_by_no_more_than_the_clip():
    matrix = matrix_of(rows=60)
    matrix.learner_id[:12] = "same"
    whole = course_sums(matrix, COURSES)
    less = course_sums(part(matrix, np.arange(60) >= 12), COURSES)
    assert np.linalg.norm(whole - less) <= STATISTICS_CLIP * (1 + 1e-9)


def test_a_row_of_the_design_depends_on_its_learner_and_the_means_alone():
    matrix = matrix_of(rows=50, unknown=0.1)
    means = course_means(course_sums(matrix, COURSES), 0.0)
    whole = private_design(matrix, COURSES, means)
    alone = private_design(part(matrix, np.arange(50) == 7), COURSES, means)
    assert np.array_equal(whole[7], alone[0])


def test_the_design_is_as_wide_as_ever_and_finite_with_unknown_values_and_courses():
    matrix = matrix_of(rows=50, unknown=0.3)
    means = course_means(course_sums(matrix, COURSES[:2]), 0.0)
    columns = private_design(matrix, COURSES[:2], means)
    assert columns.shape == (50, len(design_names()))
    assert np.isfinite(columns).all()
    relative = columns[:, len(FEATURES) : 2 * len(FEATURES)]
    assert not relative[matrix.course_id == "chemistry"].any()
    assert np.abs(columns[:, : len(FEATURES)]).max() <= 3.0
