"""Child processes of a command that runs in the foreground: start, watch, restart, stop.

Children get a process group of their own, so that what they start in turn can be ended with
them, and on Linux the kernel ends them should this process be killed. What they print goes to
standard error, one line each, as text or as JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import Literal

#: Seconds that a child has between SIGTERM and SIGKILL.
GRACE_S = 10.0
_ORPHANS_S = 3.0  # for what a child started, to end by itself after it
_TICK_S = 0.2
_STEADY_S = 60.0  # a child that ran this long is started again at once
_MOST_WAIT_S = 30.0
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LEVEL = re.compile(r"\b(DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL)\b")
_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """One child process and how to start it.

    Attributes
    ----------
    name : str
        Shown before each line of its output.
    command : callable
        Returns the command line; called at every start, after whatever it needs was prepared.
    environment : mapping
        Added to this process's.
    on_exit : callable
        Told the exit status (negative: the signal) after each end that was not asked for.
    on_line : callable
        Told each line that the child prints.
    """

    name: str
    command: Callable[[], Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    on_exit: Callable[[int], None] = lambda _: None
    on_line: Callable[[str], None] = lambda _: None
    process: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None
    _started: float = 0.0
    _failures: int = 0
    _next_start: float = 0.0


class Log:
    """Lines on standard error: ``name | text``, or one JSON object each."""

    def __init__(self, style: Literal["text", "json"]) -> None:
        self._style = style
        self._lock = threading.Lock()

    def __call__(self, name: str, text: str, level: str | None = None) -> None:
        """Write one line; the level is read from the text where none is given."""
        text = _COLOUR.sub("", text).rstrip()
        if not text.strip():
            return
        if self._style == "json":
            found = _LEVEL.search(text)
            entry = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "level": (level or (found.group(1) if found else "INFO")).lower(),
                "process": name,
                "message": text,
            }
            line = json.dumps(entry, ensure_ascii=False)
        else:
            line = f"{name:>10} | {text}"
        with self._lock:
            print(line, file=sys.stderr, flush=True)


class Supervisor:
    """Runs children until it is told to stop.

    Parameters
    ----------
    log : Log
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self.stopping = threading.Event()
        self._children: list[Child] = []

    def start(self, child: Child) -> None:
        """Start a child and watch it from now on."""
        self._children.append(child)
        self._spawn(child)

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Restart children that end, until a stop is asked for; call `tick` in between."""
        while not self.stopping.wait(_TICK_S):
            for child in self._children:
                if child.process is None:
                    if time.monotonic() >= child._next_start:
                        self._spawn(child)
                elif child.process.poll() is not None:
                    self._ended(child)
            tick()

    def wait_for(self, ready: Callable[[], bool], child: Child, timeout_s: float) -> bool:
        """Wait until `ready`; False where the child ended, a stop came, or time ran out."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and not self.stopping.wait(_TICK_S):
            if child.process is None or child.process.poll() is not None:
                return False
            if ready():
                return True
        return False

    def stop_child(self, child: Child) -> None:
        """End one child: SIGTERM, then after a while SIGKILL to all of its group."""
        if child.process is None:
            return
        _signal_group(child.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(GRACE_S)
        self._finish(child)

    def stop(self) -> None:
        """End all children, the last started first."""
        self.stopping.set()
        for child in reversed(self._children):
            self.stop_child(child)

    @contextlib.contextmanager
    def until_signal(self) -> Iterator[None]:
        """Within, SIGTERM and SIGINT ask for a stop; on leaving, all children are ended."""

        def ask(number: int, _frame: FrameType | None) -> None:
            self.log("edufed", f"stopping ({signal.Signals(number).name})")
            self.stopping.set()

        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            self.stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _spawn(self, child: Child) -> None:
        child.process = subprocess.Popen(
            list(child.command()),
            env={**os.environ, "PYTHONUNBUFFERED": "1", **child.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        child._started = time.monotonic()
        child._reader = threading.Thread(
            target=self._forward, args=(child, child.process), daemon=True
        )
        child._reader.start()

    def _forward(self, child: Child, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log(child.name, line)
            child.on_line(line)

    def _ended(self, child: Child) -> None:
        assert child.process is not None
        status = child.process.returncode
        ran = time.monotonic() - child._started
        self._finish(child)
        if status == 0:
            wait = 0.0
        else:
            child._failures = 1 if ran > _STEADY_S else child._failures + 1
            wait = min(_MOST_WAIT_S, 0.5 * 2 ** (child._failures - 1))
            how = f"signal {-status}" if status < 0 else f"status {status}"
            text = f"{child.name} ended ({how}); starting it again in {wait:g} s"
            self.log("edufed", text, "error")
        child._next_start = time.monotonic() + wait
        child.on_exit(status)

    def _finish(self, child: Child) -> None:
        """End what is left of the child's process group, and read its last lines."""
        assert child.process is not None
        group = child.process.pid
        end = time.monotonic() + _ORPHANS_S
        # The number stays taken as long as the group has a member: it cannot be another's yet.
        while _signal_group(group, 0):
            if child.process.poll() is None or time.monotonic() > end:
                _signal_group(group, signal.SIGKILL)
                break
            time.sleep(_TICK_S / 4)
        child.process.wait()
        if child._reader is not None:
            child._reader.join(timeout=1.0)
        child.process = None


def _signal_group(group: int, number: int) -> bool:
    """Signal a process group; False where it has no member."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end_with_parent() -> None:
    """In the child, before its program starts: have the kernel end it with its parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
