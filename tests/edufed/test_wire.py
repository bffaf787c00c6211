from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edufed.arrays import prefixed, unprefixed
from edufed.wire import SUM, WEIGHT, WireError, pack, size, unpack

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
FORMS = {"squeezed": "{}"}
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


@given(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint64, np.bool_]),
    st.lists(st.integers(0, 4095), max_size=50),
)
def test_mostly_zeros_travel_small_and_arrive_whole(kind: type, places: list[int]) -> None:
    array = np.zeros((16, 256, 2), dtype=kind)
    array.reshape(-1)[places] = 1
    content = pack({}, {"a": array, "dense": np.ones(9)})
    assert size(content) < array.nbytes // 4
    got = unpack(content)[1]
    assert (got["a"].dtype, got["a"].shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(got["a"], array)
    got["a"][0] = 1  # to be written to
    np.testing.assert_array_equal(got["dense"], np.ones(9))


def test_what_would_not_shrink_travels_as_it_is() -> None:
    weights = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    assert weights.nbytes <= size(pack({}, {"a": weights})) < weights.nbytes + 200


def squeezed(content: bytes, form: object) -> RecordDict:
    """Return a message whose one array says of itself what it is when decompressed."""
    arrays = pack({}, {"a": np.frombuffer(content, np.uint8)})["content"]["arrays"]
    record = {"meta": "{}", "arrays": arrays, "squeezed": json.dumps({"a": form})}
    return RecordDict({"content": ConfigRecord(record)})


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (zlib.compress(bytes(80)), ["<f8", [9]]),
        (zlib.compress(bytes(80)), ["<f8", [11]]),
        (zlib.compress(bytes(80)), ["|O", [10]]),
        (zlib.compress(bytes(80)), ["<f8", [-2, -5]]),
        (zlib.compress(bytes(80)), ["<f8", [0]]),
        (zlib.compress(bytes(80)), ["<f8", [2**28]]),
        (zlib.compress(bytes(80)), ["<f8"]),
        (zlib.compress(bytes(80)), 7),
        (zlib.compress(bytes(80))[:-9], ["<f8", [10]]),
        (b"no such thing", ["<f8", [10]]),
    ],
)
def test_a_compressed_array_that_is_not_what_it_says_is_refused(
    content: bytes, form: object
) -> None:
    with pytest.raises(WireError):
        unpack(squeezed(content, form))
    unpack(squeezed(zlib.compress(bytes(80)), ["<f8", [10]]))


def test_prefixes_keep_weights_and_sums_apart() -> None:
    both = prefixed(WEIGHT, {"a": np.ones(1)}) | prefixed(SUM, {"a": np.zeros(1)})
    assert unprefixed(WEIGHT, both)["a"] == 1
    assert unprefixed(SUM, both)["a"] == 0


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"content": ConfigRecord({"meta": "{}"})}),
        RecordDict({"content": ConfigRecord({"meta": "{}", "arrays": NOTHING, "squeezed": 1})}),
        RecordDict({"content": ConfigRecord({"meta": "[]", "arrays": NOTHING, **FORMS})}),
        RecordDict({"content": ConfigRecord({"meta": "{", "arrays": NOTHING, **FORMS})}),
        RecordDict({"content": ConfigRecord({"meta": "{}", "arrays": b"x" * 40, **FORMS})}),
        RecordDict({"content": ConfigRecord({"meta": 1, "arrays": NOTHING, **FORMS})}),
    ],
)
def test_a_strange_message_is_refused(content: RecordDict) -> None:
    with pytest.raises(WireError):
        unpack(content)
