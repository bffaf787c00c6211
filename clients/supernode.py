"""Flower's SuperNode, ended where it would run on and serve nobody.

flwr 1.41 has three such states. Its loop may end by an error, such as a TLS handshake that was cut
off, and the thread of its Runtime API then keeps the process alive. And a message that it could
not fetch to the last byte may have been answered nevertheless: from then on every answer waits for
the message after it. And a thread of it may die alone: without its signs of life, for one, the
SuperLink takes the site to be away while it waits for messages. `edufed client` starts again what
has ended.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import NoReturn

#: How Flower begins to say that it has given up a message.
_LOST = "Failed to receive message"

log = logging.getLogger("flwr")


class _EndWhenLost(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(_LOST):
            _end()


def _end_with_thread(how: threading.ExceptHookArgs) -> None:
    error = how.exc_value or how.exc_type()
    log.error("a thread of the SuperNode failed", exc_info=error)
    _end()


def main() -> None:
    """Run `flower-supernode` with the options on the command line."""
    from flwr.supernode.cli import flower_supernode

    threading.excepthook = _end_with_thread
    log.addHandler(_EndWhenLost())  # after Flower's own, which prints the line
    try:
        flower_supernode()
    except Exception:
        log.exception("the SuperNode failed")
    _end()


def _end() -> NoReturn:
    """End without waiting for other threads; whoever is to know is told at the next start."""
    logging.shutdown()
    os._exit(1)


if __name__ == "__main__":
    main()
