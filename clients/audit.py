"""The site's audit log: what it answered, to whom, when and with what settings.

One JSON object a line, appended and never rewritten. Each line holds the SHA-256 of the line
before it and of itself, so a line that was altered, left out, added or moved breaks the chain from
there on. A second file holds the newest hash, which shows that lines are missing from the end.

A chain shows tampering by whoever cannot also rewrite the rest. Against an administrator of the
machine, keep the head (`edufed audit verify` prints it) somewhere else from time to time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edufed.private_files import write_private

#: Name of the log in a site's state folder.
FILE_NAME = "audit.jsonl"
#: What stands in the place of the hash before the first entry.
GENESIS = "0" * 64
_KEYS = {"number", "time", "event", "details", "before", "hash"}


class AuditError(Exception):
    """The audit log was tampered with or is damaged; one line says where."""


@dataclass(frozen=True)
class Entry:
    """One entry: its number from 1, UTC time in ISO 8601, what happened, and with what."""

    number: int
    time: str
    event: str
    details: dict[str, Any]
    before: str
    hash: str


class AuditLog:
    """An append-only, hash-chained log in one file.

    Parameters
    ----------
    file : Path
        ``audit.jsonl``; its head stands beside it in ``audit.head``.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.head_file = file.with_suffix(".head")

    def append(self, event: str, details: Mapping[str, Any]) -> Entry:
        """Add an entry and have it on disk on return.

        Parameters
        ----------
        event : str
            What happened, such as ``answered`` or ``refused``.
        details : mapping
            Anything JSON can say; never a learner's identifier or value.

        Raises
        ------
        AuditError
            The log does not end in its head: it was changed, so nothing is added to it.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked():
            last = self._last()
            content = {
                "number": last.number + 1 if last else 1,
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "event": event,
                "details": dict(details),
                "before": last.hash if last else GENESIS,
            }
            # What is hashed is what a reader will see: tuples are lists from here on.
            content = json.loads(_canonical(content))
            entry = Entry(**content, hash=_hash(content))
            handle = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, (_canonical({**content, "hash": entry.hash}) + "\n").encode())
                os.fsync(handle)
            finally:
                os.close(handle)
            write_private(self.head_file, f"{entry.number} {entry.hash}\n".encode())
        return entry

    def verify(self, head: str | None = None) -> list[Entry]:
        """Check the whole chain and return its entries.

        Parameters
        ----------
        head : str, optional
            Hash of an entry as noted elsewhere earlier: that entry must still be there.

        Raises
        ------
        AuditError
            One line: which entry is wrong.
        """
        with self._locked():
            entries = list(self._entries())
            before = GENESIS
            for number, entry in enumerate(entries, start=1):
                if entry.number != number or entry.before != before:
                    raise AuditError(f"{self.file}: entry {number} does not follow the one before")
                before = entry.hash
            self._check_head(entries[-1] if entries else None)
        if head is not None and head not in {entry.hash for entry in entries}:
            raise AuditError(f"{self.file}: the entry noted earlier is not there")
        return entries

    def _entries(self) -> Iterator[Entry]:
        try:
            lines = self.file.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        if lines.pop() != b"":
            raise AuditError(f"{self.file}: the last line is not complete")
        for number, line in enumerate(lines, start=1):
            yield self._parse(line, number)

    def _parse(self, line: bytes, number: int) -> Entry:
        try:
            content = json.loads(line)
            shown = content.pop("hash")
            whole = set(content) == _KEYS - {"hash"}
            # The very bytes are checked, so that nothing can be hidden in another spelling.
            same = _canonical({**content, "hash": shown}).encode() == line
            good = whole and same and _hash(content) == shown
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            good = False
        if not good:
            which = f"entry {number}" if number else "the last entry"
            raise AuditError(f"{self.file}: {which} was changed")
        return Entry(**content, hash=shown)

    def _last(self) -> Entry | None:
        """Return the last entry, reading only the end of the file, if the head agrees."""
        entry, torn, size = None, b"", 0
        if self.file.exists() and self.file.stat().st_size:
            with self.file.open("rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                block = 4096
                while True:
                    start = max(0, size - block)
                    stream.seek(start)
                    tail = stream.read(size - start)
                    if start == 0 or tail.count(b"\n") > 1:
                        break
                    block *= 4
            complete, _, torn = tail.rpartition(b"\n")
            if complete:
                entry = self._parse(complete.rpartition(b"\n")[2], 0)
        self._check_head(entry)
        if torn:  # an append that the machine's end interrupted; nobody was told that it was done
            os.truncate(self.file, size - len(torn))
        return entry

    def _check_head(self, last: Entry | None) -> None:
        try:
            number, _, noted = self.head_file.read_text().strip().partition(" ")
        except FileNotFoundError:
            number, noted = "0", GENESIS
        except UnicodeDecodeError:
            number, noted = "", ""
        found = (str(last.number), last.hash) if last else ("0", GENESIS)
        # A process killed between the two writes leaves a head that is one entry behind.
        behind = (str(last.number - 1), last.before) if last else None
        if (number, noted) not in (found, behind):
            name = self.head_file.name
            raise AuditError(f"{self.file}: does not end in the entry that {name} names")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self.file.parent.is_dir():
            yield
            return
        handle = os.open(self.file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(content).encode()).hexdigest()
