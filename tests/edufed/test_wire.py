from __future__ import annotations

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edufed.wire import SUM, WEIGHT, WireError, pack, prefixed, size, unpack, unprefixed

META = st.dictionaries(
    st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
)
ARRAYS = st.dictionaries(
    st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=5),
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint64]),
        hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
    ),
    max_size=3,
)
NOTHING = pack({})["content"]["arrays"]


@given(META, ARRAYS)
def test_what_is_packed_is_unpacked(meta: dict, arrays: dict) -> None:
    content = pack(meta, arrays)
    got_meta, got = unpack(content)
    assert got_meta == meta
    assert got.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(got[name], array)
    assert size(content) >= sum(array.nbytes for array in arrays.values())


def test_prefixes_keep_weights_and_sums_apart() -> None:
    both = prefixed(WEIGHT, {"a": np.ones(1)}) | prefixed(SUM, {"a": np.zeros(1)})
    assert unprefixed(WEIGHT, both)["a"] == 1
    assert unprefixed(SUM, both)["a"] == 0


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"content": ConfigRecord({"meta": "{}"})}),
        RecordDict({"content": ConfigRecord({"meta": "[]", "arrays": NOTHING})}),
        RecordDict({"content": ConfigRecord({"meta": "{", "arrays": NOTHING})}),
        RecordDict({"content": ConfigRecord({"meta": "{}", "arrays": b"x" * 40})}),
        RecordDict({"content": ConfigRecord({"meta": 1, "arrays": NOTHING})}),
    ],
)
def test_a_strange_message_is_refused(content: RecordDict) -> None:
    with pytest.raises(WireError):
        unpack(content)
