"""Free ports for servers that are stopped and started again."""

import contextlib
import random
import socket
from typing import Final

__all__ = ["free_port"]

# Below what systems give to outgoing connections: one of those could take the port while its server
# is down, or, when it is tried again and again, even connect to itself.
_PORTS: Final = range(15_000, 32_000)
_TRIES: Final = 100


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now.

    Raises:
        RuntimeError: If none is found.
    """
    for port in random.sample(_PORTS, _TRIES):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port of 127.0.0.1 is free")
