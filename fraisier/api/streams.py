"""Logs that are followed live, as server-sent events."""

from __future__ import annotations

import json
import queue
import re
import sys
from collections.abc import Iterator
from typing import Any, Protocol

from flask import Response, request

from fraisier.domain.errors import UsageError
from fraisier.domain.event import Event
from fraisier.domain.ports import Store
from fraisier.engine.following import Cut, Following, Viewer, Wire
from fraisier.engine.views import event_json

EVENT_STREAM = "text/event-stream"
RETRY_MILLISECONDS = 2000
#: What a server that can keep a connection after its request puts into the environment.
KEEP = "fraisier.keep"
#: Kernels keep 64 KiB and more for a client; a short comment every 15 s fills that in days.
BEAT = b": alive" + b" " * 2048 + b"\n\n"
HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}


class Keep(Protocol):
    """Takes the connection of a request; returns the wire to its client."""

    def __call__(self) -> Wire:
        """Keep the connection open after the answer that is being made."""


class ServerSentEvents:
    """How a stream is written."""

    def event(self, event: Event) -> bytes:
        """Return an event; its data is the item of a page."""
        return f"id: {event.sequence}\n".encode() + _message(event.type, event_json(event))

    def beat(self) -> bytes:
        """Return a comment, long enough to fill the buffers of who reads nothing in minutes."""
        return BEAT

    def end(self, deployment_id: str) -> bytes:
        """Return the message after which nothing follows, ever."""
        return _message("end", {"deployment_id": deployment_id})

    def cut(self, why: Cut) -> bytes:
        """Return the message after which a client comes again, with what it saw last."""
        return _message("cut", {"reason": why.value})


def wanted() -> bool:
    """True if this request asks for a stream rather than for a page."""
    kinds = ["application/json", EVENT_STREAM]
    return request.accept_mimetypes.best_match(kinds) == EVENT_STREAM


def seen(store: Store, deployment_id: str, after: int, last_event_id: str | None) -> int:
    """Return after which event a stream goes on: the header counts, then the parameter.

    Raises UsageError for what no event of this log ever had.
    """
    given = str(after) if last_event_id is None else last_event_id.strip()
    newest = store.heads([deployment_id])[deployment_id].sequence
    if not re.fullmatch(r"[0-9]{1,10}", given) or int(given) > newest:
        name = "after" if last_event_id is None else "Last-Event-ID"
        raise UsageError(
            f"{name} names no event of this deployment: its events have the ids 1 to {newest}",
            "give the id that you saw last, or none to begin with the first",
        )
    return int(given)


def stream(following: Following, viewer: Viewer) -> Response:
    """Return the answer that goes on; raise TooManyStreams or Unavailable."""
    if request.method == "HEAD":
        return Response(content_type=EVENT_STREAM, headers=HEADERS)
    following.admit(viewer)
    keep: Keep | None = request.environ.get(KEEP)
    opening = _Opening(following, viewer, keep)
    answer = Response(opening.parts(), content_type=EVENT_STREAM, headers=HEADERS)
    answer.call_on_close(opening.close)
    return answer


class _Opening:
    """Begins a stream once its head was sent: on the kept connection, else in this thread."""

    def __init__(self, following: Following, viewer: Viewer, keep: Keep | None) -> None:
        self._following = following
        self._viewer = viewer
        self._wire = keep() if keep is not None else None
        self._handed = False

    def parts(self) -> Iterator[bytes]:
        """Yield what is sent from here."""
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        if self._wire is not None:
            self._handed = True
            self._following.begin(self._viewer, self._wire)
            return
        wire = Slot()
        self._following.begin(self._viewer, wire)
        yield from wire

    def close(self) -> None:
        """Forget the viewer, if it is not told on the kept connection from now on."""
        if not self._handed:
            self._following.leave(self._viewer)


class Slot:
    """A wire to a thread that takes what is written: for servers that keep no connections."""

    gone = False

    def __init__(self) -> None:
        self._parts: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    @property
    def pending(self) -> int:
        """Return more than is ever waited for while the thread has not taken all."""
        return 0 if self._parts.empty() else sys.maxsize

    @property
    def unread(self) -> int:
        """Return the same: what the thread has taken has reached it."""
        return self.pending

    def write(self, data: bytes) -> None:
        """Hand bytes over."""
        self._parts.put(data)

    def close(self) -> None:
        """End it after what was handed over."""
        self._parts.put(None)

    def __iter__(self) -> Iterator[bytes]:
        while (part := self._parts.get()) is not None:
            yield part


def _message(kind: str, data: Any) -> bytes:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\ndata: {text}\n\n".encode(errors="replace")
