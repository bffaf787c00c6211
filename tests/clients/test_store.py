from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from clients.store import Store, StoreError

ARRAYS = {"values": np.arange(6.0).reshape(2, 3), "ids": np.array(["å", "学生"])}


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    store.save("features/abc", ARRAYS)
    loaded = store.load("features/abc")
    assert loaded is not None
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array)
    assert store.load("features/none") is None


def test_files_and_folders_are_the_owners_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    store.save("jobs/1/sums", ARRAYS)
    for folder, _, files in os.walk(store.folder):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        for file in files:
            assert stat.S_IMODE(os.stat(Path(folder, file)).st_mode) == 0o600


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-7], lambda b: b[:90] + b"x" + b[91:], lambda _: b""]
)
def test_a_damaged_file_is_named(tmp_path: Path, damage) -> None:
    store = Store(tmp_path)
    store.save("sums", ARRAYS)
    file = tmp_path / "sums.npz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(StoreError, match=r"sums\.npz is damaged; delete it"):
        store.load("sums")


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    store = Store(tmp_path)
    store.save("sums", ARRAYS)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(StoreError, match="No space left"):
        store.save("sums", {"values": np.zeros(1)})
    assert [file.name for file in tmp_path.iterdir()] == ["sums.npz"]
    loaded = store.load("sums")
    assert loaded is not None
    assert loaded["values"].shape == (2, 3)
