"""The coordinator's gate on a port that is taken: one line, and no traceback."""

from __future__ import annotations

import socket

import pytest

from edufed.gate import _listen


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as caught:
            _listen("127.0.0.1", port)
    assert str(caught.value) == (
        f"127.0.0.1:{port}: Address already in use; name another address or port"
    )
