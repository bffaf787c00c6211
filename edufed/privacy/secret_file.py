"""Files that only their owner may read, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_secret(path: Path, content: bytes) -> None:
    """Write `content` to `path` with mode 0600; on return it survives a power cut."""
    path = Path(path)
    # mkstemp makes the file with mode 0600 before anything is in it.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(path.parent)


def read_secret(path: Path) -> bytes:
    """Read what `write_secret` wrote.

    Raises
    ------
    PermissionError
        Others than the owner may read or write the file.
    """
    if Path(path).stat().st_mode & 0o077:
        raise PermissionError(f"{path} is open to others: run chmod 600 on it")
    return Path(path).read_bytes()


def sync_folder(folder: Path) -> None:
    """Make new and renamed entries of `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
