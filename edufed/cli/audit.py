"""`edufed audit verify site=FILE`: check a site's audit log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edufed.cli.arguments import keywords
from edufed.config import SettingsError
from edufed.deployment import load_site_node


def command(arguments: Sequence[str]) -> None:
    """Run `edufed audit verify site=FILE [head=HASH]`.

    `head` is what an earlier verification printed: the log must still hold that entry.

    Raises
    ------
    AuditError
        The log was tampered with or is damaged.
    SettingsError
        The file is missing, or a setting is wrong.
    """
    from clients.audit import FILE_NAME

    given = keywords(arguments, ["site"], ["head"])
    head = given.get("head")
    if head is not None and not re.fullmatch("[0-9a-f]{64}", head):
        raise SettingsError("head: give the 64 digits that an earlier verification printed")
    print(verify(load_site_node(Path(given["site"])).state / FILE_NAME, head))


def verify(log: Path, head: str | None = None) -> str:
    """Check a log and say in one line what it holds.

    Raises
    ------
    AuditError
        The log was tampered with or is damaged.
    """
    from clients.audit import AuditLog

    entries = AuditLog(log).verify(head)
    if not entries:
        return f"{log}: no entries"
    return f"{log}: {len(entries)} entries, whole; head={entries[-1].hash}"
