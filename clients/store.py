"""What must outlive the process, in the site's own state folder.

Every file is written whole or not at all (temporary name, then rename), is readable by its
owner alone (0600), and begins with the SHA-256 of what follows, so that a damaged file is
found and named instead of used.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.private_files import write_private

_HEADER = 65  # 64 hexadecimal digits and a line feed
#: How many sets of one kind are kept beside each other, and for how long unused.
MOST_KEPT, KEPT_S = 16, 30 * 86_400.0


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

    def load_or_make(
        self, kind: str, depends_on: str, make: Callable[[], Mapping[str, npt.NDArray[Any]]]
    ) -> dict[str, npt.NDArray[Any]]:
        """Return what was worked out before from the same, or work it out and keep it.

        What has not been asked for in thirty days goes, and of one kind all but the sixteen
        that were asked for last: a site's records change, and its disk shall not fill with what
        was made of the records of every day.

        Parameters
        ----------
        kind : str
            A folder of its own.
        depends_on : str
            Everything that the arrays depend on.
        make : callable
            Returns the arrays.

        Raises
        ------
        StoreError
            The file is damaged, or the folder cannot be written to.
        """
        name = f"{kind}/{hashlib.sha256(depends_on.encode()).hexdigest()[:24]}"
        stored = self.load(name)
        if stored is not None:
            with suppress(OSError):  # another process of this site may just have removed it
                os.utime(self._file(name))
            return stored
        made = dict(make())
        self.save(name, made)
        self._thin(kind)
        return made

    def _thin(self, kind: str) -> None:
        used: list[tuple[float, Path]] = []
        for file in (self.folder / kind).glob("*.npz"):
            with suppress(FileNotFoundError):
                used.append((file.stat().st_mtime, file))
        used.sort(reverse=True)
        oldest = time.time() - KEPT_S
        for number, (when, file) in enumerate(used):
            if number >= MOST_KEPT or when < oldest:
                file.unlink(missing_ok=True)

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
