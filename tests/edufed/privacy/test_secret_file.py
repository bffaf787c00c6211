from __future__ import annotations

import os
import stat

import pytest

from edufed.privacy.secret_file import read_secret, write_secret


def test_only_the_owner_can_read_it_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_secret(tmp_path / "key", b"one")
        write_secret(tmp_path / "key", b"two")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert read_secret(tmp_path / "key") == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_a_file_open_to_others_is_refused(tmp_path):
    write_secret(tmp_path / "key", b"one")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(PermissionError, match="chmod 600"):
        read_secret(tmp_path / "key")


def test_a_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "key").mkdir()
    with pytest.raises(IsADirectoryError):
        write_secret(tmp_path / "key", b"one")
    assert [p.name for p in tmp_path.iterdir()] == ["key"]
