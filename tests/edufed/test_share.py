from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edufed.share import Share, combined_from_vector, from_arrays, layout, to_arrays, to_vector

FLOATS = st.floats(-1e6, 1e6, width=32)


@st.composite
def shares(draw: st.DrawFn) -> list[Share]:
    """Several sites' shares of the same names, shapes and kinds."""
    shape = draw(hnp.array_shapes(max_dims=3, max_side=4))
    bins = draw(hnp.array_shapes(max_dims=2, max_side=5))
    return [
        Share(
            {"w": draw(hnp.arrays(np.float32, shape, elements=FLOATS)), "b": np.float32([number])},
            float(draw(st.integers(0, 10_000))),
            {
                "counts": draw(hnp.arrays(np.int64, bins, elements=st.integers(0, 10**6))),
                "loss": draw(hnp.arrays(np.float64, 2, elements=FLOATS)),
            },
        )
        for number in range(draw(st.integers(1, 5)))
    ]


@given(shares())
def test_a_share_comes_back_as_it_was_sent(all_shares: list[Share]) -> None:
    for share in all_shares:
        got = from_arrays(to_arrays(share))
        assert got.weight == share.weight
        for ours, theirs in ((share.means, got.means), (share.sums, got.sums)):
            assert ours.keys() == theirs.keys()
            for name, array in ours.items():
                np.testing.assert_array_equal(theirs[name], array)
        assert got.fault(share) is None


@given(shares())
def test_summed_vectors_are_weighted_means_and_plain_sums(all_shares: list[Share]) -> None:
    like = all_shares[0]
    vectors = [to_vector(share) for share in all_shares]
    assert {vector.shape for vector in vectors} == {(layout(like).size,)}
    total = combined_from_vector(np.sum(vectors, axis=0), like)
    weights = np.array([share.weight for share in all_shares])
    assert total.weight == weights.sum()
    np.testing.assert_array_equal(
        total.sums["counts"], np.sum([share.sums["counts"] for share in all_shares], axis=0)
    )
    assert total.sums["counts"].dtype == np.int64
    np.testing.assert_allclose(
        total.sums["loss"],
        np.sum([share.sums["loss"] for share in all_shares], axis=0),
        rtol=1e-9,
        atol=1e-6,
    )
    if weights.sum():
        for name, array in like.means.items():
            mean = np.average([share.means[name] for share in all_shares], axis=0, weights=weights)
            np.testing.assert_allclose(total.means[name], mean, rtol=1e-5, atol=1e-2)
            assert total.means[name].dtype == array.dtype


@given(shares())
def test_the_order_of_arrays_makes_no_difference(all_shares: list[Share]) -> None:
    share = all_shares[0]
    turned = Share(
        dict(reversed(share.means.items())), share.weight, dict(reversed(share.sums.items()))
    )
    assert layout(turned) == layout(share)
    np.testing.assert_array_equal(to_vector(turned), to_vector(share))


LIKE = Share({"w": np.zeros((2, 3), np.float32)}, 1.0, {"n": np.zeros(4, np.int64)})


@pytest.mark.parametrize(
    ("share", "fault"),
    [
        (Share({}, 1.0, LIKE.sums), "other arrays than were asked for"),
        (Share(LIKE.means, 1.0, {**LIKE.sums, "m": np.zeros(1)}), "other arrays than"),
        (Share({"w": np.zeros((3, 2))}, 1.0, LIKE.sums), r"w has shape \(3, 2\), not \(2, 3\)"),
        (Share({"w": np.full((2, 3), np.nan)}, 1.0, LIKE.sums), "w holds NaN or infinity"),
        (Share(LIKE.means, 1.0, {"n": np.full(4, np.inf)}), "n holds NaN or infinity"),
        (Share(LIKE.means, -1.0, LIKE.sums), "its weight is negative"),
        (Share(LIKE.means, float("nan"), LIKE.sums), "its weight is negative, NaN or infinite"),
    ],
)
def test_what_cannot_be_combined_is_named(share: Share, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        assert share.fault(LIKE) is None, share.fault(LIKE)


def test_a_share_without_a_weight_counts_for_nothing() -> None:
    assert from_arrays({}).weight == 0
    total = combined_from_vector(np.zeros(layout(LIKE).size), LIKE)
    np.testing.assert_array_equal(total.means["w"], 0)
