"""Hand a site's list of learners to the platform's database, where its YAML names one."""

from __future__ import annotations

import pandas as pd

from edufed.acting.issue import Issue
from edufed.acting.table import write_lists
from edufed.config.site import SiteSettings


def deliver(settings: SiteSettings, issue: Issue, frame: pd.DataFrame) -> str | None:
    """Put a list into the table that `lists` in the site's YAML names.

    Returns
    -------
    str or None
        One line on what was done; None where the YAML names no database.

    Raises
    ------
    DataError
        The database does not take it; then none of it is there.
    SettingsError
        The database's address is not set, or no address.
    """
    if settings.lists is None:
        return None
    table = f"{settings.lists.table}_{issue.kind}"
    address = settings.lists.address(settings.folder)
    (new,) = write_lists(address, table, [(issue, frame)])
    return said(table, issue, len(frame), new)


def said(table: str, issue: Issue, rows: int, new: bool) -> str:
    """Say what became of a list in a table."""
    if new:
        return f"table {table}: {rows} rows of job {issue.job_id}, issued {issue.issued_on}"
    return (
        f"table {table}: the list of job {issue.job_id} issued {issue.issued_on} is there already;"
        " nothing was written"
    )
