from __future__ import annotations

import numpy as np
import pytest

from edufed.transfer.concordance import PLACES, relate, summarise


def scores(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that rise with the prior level, three levels."""
    rng = np.random.default_rng(seed)
    level = rng.choice([2.0, 3.0, 6.0], n)
    return np.clip(rng.normal(0.3 + 0.05 * level, 0.1, n), 0, 1), level


def test_a_scale_moved_and_stretched_is_found_again() -> None:
    score, level = scores(6000, 0)
    other, other_level = scores(6000, 1)
    found = relate(summarise(score, level, 0), summarise(0.5 * other + 0.2, other_level, 0))
    assert found is not None
    assert found.levels == (2, 3, 6)
    assert found.related == pytest.approx(0.5 * found.score + 0.2, abs=0.01)
    assert ((found.low <= found.related + 1e-9) & (found.related <= found.high + 1e-9)).all()
    inside = (found.low <= 0.5 * found.score + 0.2) & (0.5 * found.score + 0.2 <= found.high)
    assert inside.mean() > 0.8


def test_different_shares_of_prior_levels_do_not_mislead() -> None:
    """The second site has mostly the best prepared: higher scores say nothing of its scale."""
    score, level = scores(6000, 2)
    other, other_level = scores(6000, 3)
    best = (other_level == 6) | (np.random.default_rng(4).random(6000) < 0.3)
    found = relate(summarise(score, level, 0), summarise(other[best], other_level[best], 0))
    assert found is not None
    assert found.related == pytest.approx(found.score, abs=0.015)


def test_more_learners_give_narrower_bounds() -> None:
    widths = []
    for n in (400, 6400):
        sides = [summarise(*scores(n, seed), 0) for seed in (5, 6)]
        found = relate(*sides)
        assert found is not None
        widths.append((found.high - found.low).mean())
    assert widths[1] < 0.4 * widths[0]


def test_small_levels_and_sites_without_a_common_one_say_nothing() -> None:
    score = np.linspace(0, 1, 60)
    assert summarise(score[:49], np.full(49, 3.0), 0) == []
    first, second = summarise(score, np.full(60, 3.0), 0), summarise(score, np.full(60, 6.0), 0)
    assert relate(first, second) is None
    whole = summarise(score, np.full(60, np.nan), 0)
    assert [stratum.level for stratum in whole] == [-1]


def test_a_summary_holds_quantiles_alone() -> None:
    (stratum,) = summarise(np.linspace(0, 1, 1001), np.full(1001, 3.0), 0)
    assert stratum.quantiles == pytest.approx(PLACES, abs=1e-3)
    assert stratum.replicates.shape == (200, len(PLACES))


@pytest.mark.parametrize(("n", "all_known"), [(50, True), (80, True), (300, False)])
def test_the_quantiles_of_few_learners_are_their_scores(n: int, all_known: bool) -> None:
    """What docs/transfer.md says of whom a summary may be given to."""
    score = np.random.default_rng(n).beta(5, 2, n)
    (stratum,) = summarise(score, np.full(n, 3.0), 1)
    # Each quantile lies between two scores in order: as many equations as there are places.
    place = (n - 1) * PLACES
    below = place.astype(int)
    equations = np.zeros((len(PLACES), n))
    rows = np.arange(len(PLACES))
    equations[rows, below] = 1 - (place - below)
    equations[rows, below + 1] = place - below
    solved = np.linalg.lstsq(equations, stratum.quantiles)[0]
    assert (np.abs(solved - np.sort(score)).max() < 1e-9) == all_known
