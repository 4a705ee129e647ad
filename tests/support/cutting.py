"""A TCP proxy that breaks a connection around a COMMIT, before or after the server has done it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 1 << 16
COMMIT = re.compile(rb"COMMIT(?!TED)")


class Cutter:
    """Forwards to a port of this machine. `arm` breaks the connection of the next COMMIT."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._armed: str | None = None
        self._skip = 0
        self._lock = threading.Lock()
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, when: str, skip: int = 0) -> None:
        """Break the next COMMIT: `before` the server hears of it, or `after` it has done it.

        So many are let through first, such as those of transactions that only read.
        """
        self._armed, self._skip = when, skip

    def close(self) -> None:
        """Accept no more."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                threading.Thread(target=self._requests, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        answers = threading.Thread(target=_forward, args=(server, client), daemon=True)
        answers.start()
        with suppress(OSError):
            while data := client.recv(CHUNK):
                cut = self._take() if COMMIT.search(data) else None
                if cut == "after":
                    _silence(client)
                if cut != "before":
                    server.sendall(data)
                if cut is not None:
                    break
        _silence(client)
        server.shutdown(socket.SHUT_WR) if server.fileno() >= 0 else None
        answers.join(5)  # the server has done what it was told, and answered into the void
        client.close()
        server.close()

    def _take(self) -> str | None:
        with self._lock:
            if self._armed and self._skip:
                self._skip -= 1
                return None
            armed, self._armed = self._armed, None
            self.cuts += armed is not None
            return armed


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            with suppress(OSError):
                sink.sendall(data)


def _silence(client: socket.socket) -> None:
    """Let a client see its connection end, with nothing more arriving."""
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting(port: int) -> Iterator[Cutter]:
    """Run a proxy until the block ends."""
    cutter = Cutter(port)
    try:
        yield cutter
    finally:
        cutter.close()
