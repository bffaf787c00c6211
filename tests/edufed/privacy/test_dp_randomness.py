import numpy as np
import pytest
from scipy import stats

from edufed.privacy.dp.randomness import RandomSource, add_noise, grid_for, widened


def test_noise_is_gaussian_of_the_deviation_asked_for():
    noise = add_noise(np.zeros(200_000), 2.5, RandomSource.repeatable(1), grid_for(2.5))
    assert stats.kstest(noise / 2.5, "norm").pvalue > 0.01


@pytest.mark.parametrize("deviation", [1e-6, 0.7, 3e5])
def test_noisy_values_lie_on_the_grid_whatever_the_value(deviation):
    grid = grid_for(deviation)
    values = np.random.default_rng(0).standard_normal(1000) * deviation
    steps = add_noise(values, deviation, RandomSource.repeatable(2), grid) / grid
    assert (steps == np.rint(steps)).all()
    assert np.log2(grid) % 1 == 0


def test_a_grid_as_coarse_as_the_noise_is_refused():
    with pytest.raises(ValueError, match="too small for a grid"):
        add_noise(np.zeros(3), 1e-4, RandomSource.repeatable(0), 2.0**-10)


def test_rounding_two_neighbouring_sums_moves_them_no_further_apart_than_widened_says():
    rng, grid = np.random.default_rng(3), 2.0**-4
    for _ in range(200):
        one = rng.standard_normal(50)
        step = rng.standard_normal(50)
        other = one + step / np.linalg.norm(step)
        apart = np.rint(one / grid) * grid - np.rint(other / grid) * grid
        assert np.linalg.norm(apart) <= widened(1.0, 50, grid)


def test_numbers_come_from_the_operating_system_and_never_repeat():
    source = RandomSource()
    first, second = source.normal(1000), source.normal(1000)
    assert not np.isin(first, second).any()


def test_a_poisson_sample_takes_each_with_its_chance():
    taken = RandomSource.repeatable(4).below(0.3, 100_000)
    assert taken.mean() == pytest.approx(0.3, abs=0.006)
    assert RandomSource().below(1.0, 1000).all()
