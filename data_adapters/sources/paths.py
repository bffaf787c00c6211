"""Files by name or pattern, and what tells that one has changed."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from edufed.records import DataError


def find_files(folder: Path, pattern: str) -> list[Path]:
    """Files in `folder` that a name, or a pattern such as `events-*.csv`, means; in order."""
    named = folder / pattern
    if named.is_file():
        return [named]
    found = sorted(Path(p) for p in glob.glob(str(named)) if Path(p).is_file())
    if not found:
        raise DataError(
            f"{named.name}: no such file in {named.parent.name or 'that folder'};"
            " correct its name, or adapter.source.path"
        )
    return found


def stamps(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Name, size and time of change (ns) of each file."""
    return [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files]
