from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clients.kept import Kept

Array = np.ndarray


def made(size: int, said: list[int], key: int) -> Callable[[], Array]:
    def make() -> Array:
        said.append(key)
        return np.full(size, key, dtype=np.uint8)

    return make


def test_what_fits_is_made_once() -> None:
    kept, said = Kept(100), list[int]()
    for _ in range(3):
        for key in range(10):
            assert kept.get(key, made(10, said, key))[0] == key
    assert said == list(range(10))
    assert kept.nbytes == 100


def test_what_was_not_asked_for_longest_goes_first() -> None:
    kept, said = Kept(30), list[int]()
    for key in (1, 2, 3, 1, 4, 1, 3, 2):
        kept.get(key, made(10, said, key))
    assert said == [1, 2, 3, 4, 2]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=60),
    st.integers(0, 100),
)
def test_never_more_than_the_bound(asked: list[tuple[int, int]], most: int) -> None:
    kept = Kept(most)
    sizes: dict[int, int] = {}
    for key, size in asked:
        size = sizes.setdefault(key, size)
        value = kept.get(key, made(size, [], key))
        assert (len(value), set(value.tolist())) == (size, {key} if size else set())
        assert kept.nbytes <= most
