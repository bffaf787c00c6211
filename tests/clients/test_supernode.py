from __future__ import annotations

import os
import subprocess
import sys

from clients import supernode


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run a SuperNode's main with something else in the place of Flower's."""
    lines = f"""
import logging, threading, time
import flwr.supernode.cli
from clients import supernode

log = logging.getLogger("flwr")

def replaced():
    threading.Thread(target=time.sleep, args=(900,)).start()
    {code}

flwr.supernode.cli.flower_supernode = replaced
supernode.main()
"""
    return subprocess.run(
        [sys.executable, "-c", lines],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_loop_that_has_ended_ends_the_process() -> None:
    assert run("pass").returncode == 1
    failed = run("raise ValueError('of no kind that is expected')")
    assert failed.returncode == 1
    assert "of no kind that is expected" in failed.stderr + failed.stdout


def test_a_lost_message_ends_the_process_and_is_named() -> None:
    ended = run("log.error('Failed to receive message %s: %s', 'abc', 'timeout'); time.sleep(900)")
    assert ended.returncode == 1
    assert "Failed to receive message abc: timeout" in ended.stderr + ended.stdout


def test_a_heartbeat_that_dies_ends_the_process_and_is_named() -> None:
    dies = """
    from flwr.supercore.heartbeat import HeartbeatSender
    def beat():
        raise RuntimeError("the server said 500")
    HeartbeatSender(beat).start()
    time.sleep(900)"""
    ended = run(dies)
    assert ended.returncode == 1
    assert "the server said 500" in ended.stderr + ended.stdout


def test_flower_says_so_in_these_words() -> None:
    import inspect

    from flwr.supernode import start_client_internal

    assert supernode._LOST in inspect.getsource(start_client_internal)
