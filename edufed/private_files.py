"""Files that only their owner may read: keys, tokens, certificates, a site's state."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


class IdentityError(Exception):
    """A key, certificate or roster is missing, broken, unsafe or not the one expected."""


def private_folder(folder: Path) -> None:
    """Make `folder` and set its mode to 0700."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)


def write_private(file: Path, content: bytes) -> None:
    """Write a file of mode 0600 at once: a reader sees all of it or none.

    On return it survives a power cut.
    """
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:  # mkstemp's mode is 0600
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make new and renamed entries of `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_private(file: Path) -> bytes:
    """Read a private file.

    Raises
    ------
    IdentityError
        The file is missing, or its mode lets others read it.
    """
    content = read_file(file)
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        raise IdentityError(f"{file} can be read by others (mode {mode:04o}); chmod 600 {file}")
    return content


def read_file(file: Path) -> bytes:
    """Read a file; `IdentityError` in one line where that fails."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise IdentityError(f"{file}: {error.strerror}; see edufed keys --help") from None
