"""One issue of a list: which job's model made it, where, what of, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

#: Columns that every exported list begins with.
COLUMNS = ("job_id", "site", "list", "issued_at", "issued_on", "row")


@dataclass(frozen=True)
class Issue:
    """A list is issued once a day: job, site, kind and day tell it from all others.

    Attributes
    ----------
    job_id : str
        Of the job that trained the model.
    site : str
    kind : str
        Task of the model, such as ``early_warning``.
    issued_at : datetime
        UTC.
    """

    job_id: str
    site: str
    kind: str
    issued_at: datetime

    @classmethod
    def now(cls, job_id: str, site: str, kind: str) -> Issue:
        """Issue a list at this moment."""
        return cls(job_id, site, kind, datetime.now(UTC).replace(microsecond=0))

    @property
    def issued_on(self) -> str:
        """ISO date (UTC)."""
        return self.issued_at.date().isoformat()

    def stamp(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Put `COLUMNS` before a list's own; `row` counts its rows from 1."""
        said = {
            "job_id": self.job_id,
            "site": self.site,
            "list": self.kind,
            "issued_at": self.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "issued_on": self.issued_on,
        }
        rows = pd.DataFrame(said, index=frame.index)
        rows["row"] = range(1, len(frame) + 1)
        return pd.concat([rows[list(COLUMNS)], frame], axis=1)
