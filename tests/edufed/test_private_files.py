from __future__ import annotations

import os
import stat

import pytest

from edufed.private_files import IdentityError, read_private, write_private


def test_only_the_owner_can_read_it_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_private(tmp_path / "key", b"one")
        write_private(tmp_path / "key", b"two")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert read_private(tmp_path / "key") == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_a_file_open_to_others_is_refused(tmp_path):
    write_private(tmp_path / "key", b"one")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(IdentityError, match="chmod 600"):
        read_private(tmp_path / "key")


def test_a_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "key").mkdir()
    with pytest.raises(IsADirectoryError):
        write_private(tmp_path / "key", b"one")
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(IdentityError, match="key: No such file"):
        read_private(tmp_path / "key")


def test_it_is_synced_before_it_has_its_name_and_its_folder_after(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace

    def synced(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def renamed(old, new):
        done.append("name")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    write_private(tmp_path / "key", b"one")
    assert done == ["file", "name", "folder"]
