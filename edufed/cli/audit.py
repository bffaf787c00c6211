"""`edufed audit verify site=FILE`: check a site's audit log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edufed.cli.arguments import keywords
from edufed.deployment import load_site_node


def command(arguments: Sequence[str]) -> None:
    """Run `edufed audit verify site=FILE [head=FILE]`.

    `head` is a copy of ``audit.head`` that was kept elsewhere: the log must still hold that entry.

    Raises
    ------
    AuditError
        The log was tampered with or is damaged.
    SettingsError
        A file is missing, or a setting is wrong.
    """
    given = keywords(arguments, ["site"], ["head"])
    head = Path(given["head"]) if "head" in given else None
    print(verify(load_site_node(Path(given["site"])).state / "audit.jsonl", head))


def verify(log: Path, head: Path | None = None) -> str:
    """Check a log and say in one line what it holds.

    Raises
    ------
    AuditError
        The log was tampered with or is damaged.
    SettingsError
        The copy of the head cannot be read.
    """
    from clients.audit import AuditLog
    from edufed.config.errors import SettingsError

    try:
        noted = head.read_text() if head is not None else None
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{head}: cannot be read; give a copy of audit.head") from None
    entries = AuditLog(log).verify(noted)
    if not entries:
        return f"{log}: no entries"
    last = entries[-1]
    return f"{log}: {len(entries)} entries, whole; head: {last.number} {last.hash}"
