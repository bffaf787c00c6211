"""The outcome of an alignment at one site."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edufed.private_files import read_private, write_private


@dataclass(frozen=True)
class Alignment:
    """Which of a site's own learners stand in the rows that all sites share.

    Attributes
    ----------
    rows : int64 array, shape (shared rows,)
        For each shared row, its position in what this site gave, or -1 where the site lacks the
        learner (in mode "each" only).
    duplicates, missing : int
        Given positions that were left out, because their identifier had stood before or was empty.
    """

    rows: npt.NDArray[np.int64]
    duplicates: int
    missing: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Whether this site has the learner of each shared row, shape (shared rows,)."""
        return self.rows >= 0

    def save(self, file: Path) -> None:
        """Write it for the owner alone, whole or not at all."""
        content = io.BytesIO()
        counts = np.array([self.duplicates, self.missing])
        np.savez(content, rows=self.rows, counts=counts)
        write_private(file, content.getvalue())

    @classmethod
    def read(cls, file: Path) -> Alignment:
        """Read what `save` wrote.

        Raises
        ------
        IdentityError
            The file is missing, or open to others than its owner.
        """
        with np.load(io.BytesIO(read_private(file))) as stored:
            duplicates, missing = stored["counts"].tolist()
            return cls(stored["rows"], duplicates, missing)
