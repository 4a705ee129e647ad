"""A deployment's events as its server streams them, read by a thread beside the command."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import requests

from fraisier.cli.control import Json
from fraisier.cli.shapes import many
from fraisier.domain.errors import FraisierError
from fraisier.domain.plain_json import plain

#: A stream that does not come about, or is cut, is not asked for again before.
AGAIN_SECONDS = 5.0
#: How a server ends a stream: after the last event, and before it.
LAST_WORDS = ("end", "cut")


class ServerFeed:
    """Brings what a stream of the server tells; `lines` opens one after a sequence number.

    A server may have too many streams, and a proxy may hold one back: nothing depends on it. What
    it does not bring is asked for, and that also tells what is wrong.
    """

    def __init__(self, lines: Callable[[int], Iterable[bytes]]) -> None:
        self._lines = lines
        self._changed = threading.Condition()
        self._stream: object = None
        self._alive = False
        self._events: list[Json] = []
        self._due = 0.0

    def news(self, after: int, seconds: float) -> list[Json] | None:
        """Return what came after a sequence number, waited for so long; None where none is told."""
        with self._changed:
            if self._stream is None and not self._events and not self._open(after):
                return None
            self._changed.wait_for(lambda: self._events or self._stream is None, seconds)
            new = [event for event in self._events if event["sequence"] > after]
            self._events.clear()
            if new and new[0]["sequence"] == after + 1:
                return new
            return [] if self._alive and not new else None

    def close(self) -> None:
        """Take no more of it; the connection ends with the process, or at its next word."""
        with self._changed:
            self._stream, self._alive = None, False

    def _open(self, after: int) -> bool:
        if time.monotonic() < self._due:
            return False
        self._stream = object()
        work = threading.Thread(target=self._read, args=(self._stream, after), daemon=True)
        work.start()
        return True

    def _read(self, stream: object, after: int) -> None:
        again = AGAIN_SECONDS
        try:
            for kind, data in _messages(self._lines(after)):
                if kind == "end":
                    again = math.inf
                if kind in LAST_WORDS or not self._taken(stream, data):
                    return
        except (requests.RequestException, FraisierError, ValueError, RecursionError):
            pass  # whoever asks next is told by the answer
        finally:
            self._over(stream, again)

    def _taken(self, stream: object, data: str) -> bool:
        """Take an event, or a sign of life; return whether anybody listens still."""
        events = many("events", {"events": [plain(json.loads(data))]}) if data else []
        with self._changed:
            if self._stream is not stream:
                return False
            self._alive = True
            self._events.extend(events)
            self._changed.notify_all()
        return True

    def _over(self, stream: object, again: float) -> None:
        with self._changed:
            if self._stream is stream:
                self._stream, self._alive = None, False
                self._due = time.monotonic() + again
                self._changed.notify_all()


def _messages(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the type and the data of each message; of a sign of life both are empty.

    Server-sent events (WHATWG HTML, 9.2.6): fields of a message, one to a line, then an empty line.
    """
    kind, data = "", ""
    for line in lines:
        name, _, value = line.decode().partition(":")
        value = value.removeprefix(" ")
        if not line:
            yield kind, data
            kind, data = "", ""
        elif name == "event":
            kind = value
        elif name == "data":
            data = f"{data}\n{value}" if data else value
