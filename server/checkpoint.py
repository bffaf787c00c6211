"""What the coordinator needs to go on with a job that was cut off, written after every round.

One file, whole or not at all (temporary name, fsync, rename), readable by its owner alone; it
begins with the SHA-256 of what follows, so that a damaged one is found and named.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edufed.arrays import Arrays
from edufed.private_files import write_private
from server.federation import JobError

_HEADER = 65  # 64 hexadecimal digits and a line feed
_META, _JOB = "meta", "job"


@dataclass(frozen=True)
class Checkpoint:
    """One job's files in its folder at the coordinator.

    Parameters
    ----------
    folder : pathlib.Path
        For checkpoints alone; gone once the job has ended.
    job : str
        The job's id. What another job left in the folder is not gone on from.
    """

    folder: Path
    job: str

    def save(self, name: str, meta: dict[str, Any], arrays: Arrays) -> None:
        """Write a JSON object and named arrays under `name`, replacing what was there."""
        buffer = io.BytesIO()
        text = np.array(json.dumps({**meta, _JOB: self.job}, allow_nan=False))
        np.savez(buffer, allow_pickle=False, **{_META: text}, **arrays)
        payload = buffer.getvalue()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256(payload).hexdigest().encode()
        write_private(self._file(name), digest + b"\n" + payload)

    def load(self, name: str) -> tuple[dict[str, Any], Arrays] | None:
        """Return what was saved under `name`, or None.

        Raises
        ------
        JobError
            The file is damaged.
        """
        file = self._file(name)
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        payload = content[_HEADER:]
        if content[:_HEADER].strip() != hashlib.sha256(payload).hexdigest().encode():
            raise JobError(f"checkpoint {file} is damaged; start the job anew")
        with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files if key != _META}
            meta = json.loads(str(stored[_META]))
        return (meta, arrays) if meta.pop(_JOB) == self.job else None

    def forget(self) -> None:
        """Delete the checkpoint of a job that has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npz"
