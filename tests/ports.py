"""Ports for servers that are started by name and not handed a socket."""

from __future__ import annotations

import random
import socket

#: Below what systems give to connections and to whoever asks for any port: between the choice and
#: the server's start, nobody is given the port by chance.
_RANGE = range(10_000, 30_000)
_chosen: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that are free, all different, and were not given out here before."""
    found: list[int] = []
    chance = random.SystemRandom()
    while len(found) < count:
        port = chance.choice(_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _chosen:
            _chosen.add(port)
            found.append(port)
    return found
