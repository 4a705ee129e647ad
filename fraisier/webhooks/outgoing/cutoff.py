"""The end of an attempt: after so many seconds its connection is cut, however it drips."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class Cutoff:
    """Cuts the connection of one attempt when its time is over, or when told to; use with `with`.

    `reason` is empty until then. It may be told from any thread.
    """

    def __init__(self, seconds: float) -> None:
        self.reason = ""
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self.cut, [f"no answer within {seconds:g} s"])
        self._timer.daemon = True

    def __enter__(self) -> Cutoff:
        """Begin to count."""
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Cut nothing any more."""
        self._timer.cancel()
        with self._lock:
            for each in self._watched:
                each.close()
            self._watched.clear()

    def left(self, most: float) -> float:
        """Return how many seconds are left, at most so many and never none."""
        return max(0.01, min(most, self._until - time.monotonic()))

    def watch(self, connection: socket.socket) -> None:
        """Cut this connection too, also where TLS takes it over later."""
        copy = connection.dup()
        with self._lock:
            self._watched.append(copy)
            if self.reason:
                _shut(copy)

    def cut(self, reason: str) -> None:
        """Cut now; whoever reads from the connection finds its end."""
        with self._lock:
            self.reason = self.reason or reason
            for each in self._watched:
                _shut(each)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it was not connected yet, or is not any more
        connection.shutdown(socket.SHUT_RDWR)
