"""What must outlive the process, in the site's own state folder.

Every file is written whole or not at all (temporary name, then rename), is readable by its
owner alone (0600), and begins with the SHA-256 of what follows, so that a damaged file is
found and named instead of used.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.private_files import write_private

_HEADER = 65  # 64 hexadecimal digits and a line feed


class StoreError(Exception):
    """A file of the site's state folder is damaged or cannot be read or written."""


class Store:
    """Named sets of arrays in one folder.

    Parameters
    ----------
    folder : pathlib.Path
        Made with mode 0700 where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            _make(folder)
        except OSError as error:
            raise StoreError(f"state folder {folder}: {error.strerror}") from None

    def save(self, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write arrays under `name` (letters, digits, ``-``, ``_``, ``/``), replacing the old.

        Raises
        ------
        StoreError
            The folder cannot be written to, for instance because the disk is full.
        """
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **dict(arrays))
        payload = buffer.getvalue()
        self._write(
            self._file(name), hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload
        )

    def load(self, name: str) -> dict[str, npt.NDArray[Any]] | None:
        """Return the arrays under `name`, or None where there are none.

        Raises
        ------
        StoreError
            The file is damaged; the message names it and says what to do.
        """
        file = self._file(name)
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"state file {file}: {error.strerror}") from None
        digest, payload = content[:_HEADER].strip(), content[_HEADER:]
        if digest != hashlib.sha256(payload).hexdigest().encode():
            raise StoreError(f"state file {file} is damaged; delete it and run again")
        with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _write(self, file: Path, content: bytes) -> None:
        try:
            _make(file.parent)
            write_private(file, content)
        except OSError as error:
            raise StoreError(f"state file {file}: {error.strerror}") from None


def _make(folder: Path) -> None:
    """Make a folder and what it lies in, all for the owner alone: mkdir's mode is the last's."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
