from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edufed.privacy.shamir import combine, split


@settings(max_examples=25)
@given(count=st.integers(3, 12), data=st.data(), secret=st.binary(min_size=32, max_size=32))
def test_any_threshold_of_the_shares_rebuilds_the_secret(count, data, secret):
    threshold = data.draw(st.integers(2, count))
    shares = split(secret, threshold, count)
    held = data.draw(st.permutations(range(count)))[:threshold]
    assert combine({at: shares[at] for at in held}, threshold) == secret


def test_fewer_shares_say_nothing():
    secret = os.urandom(32)
    shares = split(secret, 3, 4)
    with pytest.raises(ValueError, match="2 shares of 3 needed"):
        combine({0: shares[0], 1: shares[1]}, 3)
    assert combine({0: shares[0], 1: shares[1]}, 2) != secret


def test_only_whole_keys_are_shared():
    with pytest.raises(ValueError, match="32 bytes"):
        split(b"short", 2, 3)
