from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from clients.store import KEPT_S, MOST_KEPT, Store, StoreError

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


def test_what_was_made_is_kept_and_made_again_from_anything_else(tmp_path: Path) -> None:
    store, made = Store(tmp_path), []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return ARRAYS

    for of in ("monday", "monday", "tuesday"):
        found = store.load_or_make("features", of, make)
        np.testing.assert_array_equal(found["ids"], ARRAYS["ids"])
    assert len(made) == 2


def test_what_nobody_asks_for_any_more_goes(tmp_path: Path) -> None:
    store, folder = Store(tmp_path), tmp_path / "features"

    def age(file: Path, seconds: float) -> None:
        os.utime(file, (time.time() - seconds, time.time() - seconds))

    store.load_or_make("features", "asked for again", lambda: ARRAYS)
    (first,) = folder.glob("*.npz")
    for number in range(MOST_KEPT + 3):
        before = set(folder.glob("*.npz"))
        store.load_or_make("features", str(number), lambda: ARRAYS)
        (new,) = set(folder.glob("*.npz")) - before
        age(new, KEPT_S / 2 - number)
        age(first, KEPT_S / 2)
        store.load_or_make("features", "asked for again", lambda: ARRAYS)
    kept = set(folder.glob("*.npz"))
    assert first in kept
    assert len(kept) == MOST_KEPT
    for file in kept:
        age(file, KEPT_S + 60)
    store.load_or_make("features", "new", lambda: ARRAYS)
    assert len(set(folder.glob("*.npz"))) == 1
