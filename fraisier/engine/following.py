"""Following logs as they grow: one thread reads for all who look on, and tells each of them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from fraisier.domain.errors import StoreError, TooManyStreams, Unavailable
from fraisier.domain.event import Event, Head
from fraisier.domain.ports import Store
from fraisier.engine.pieces import CHUNK_BYTES, Pieces

log = logging.getLogger("fraisier.streams")

LEAST_PAUSE = 0.01
AGAIN = "end another one, or try again in a moment"


class Cut(StrEnum):
    """Why a stream ends before its deployment does."""

    SLOW = "slow"
    STOPPING = "stopping"
    UNAUTHORIZED = "unauthorized"
    UNAVAILABLE = "unavailable"


class Wire(Protocol):
    """The way to one viewer. Nothing here blocks or raises."""

    @property
    def pending(self) -> int:
        """Return how many bytes were written and have not left this process."""

    @property
    def unread(self) -> int:
        """Return how many bytes were written and are not known to have reached the viewer."""

    @property
    def gone(self) -> bool:
        """True once nobody is there any more."""

    def write(self, data: bytes) -> None:
        """Send bytes as soon as they can leave."""

    def close(self) -> None:
        """End it when all has left."""


class Words(Protocol):
    """How what is told is written."""

    def event(self, event: Event) -> bytes:
        """Return an event."""

    def beat(self) -> bytes:
        """Return what says nothing but that the stream lives."""

    def end(self, deployment_id: str) -> bytes:
        """Return the last word after the last event."""

    def cut(self, why: Cut) -> bytes:
        """Return the last word where more would follow."""


@dataclass(frozen=True)
class Limits:
    """How many may look on, in this process and with one token; the rest is in seconds.

    A viewer to whom nothing could be sent for `patience` is cut, and one who takes nothing of what
    was sent, however little it is, for six times as long. Where the records cannot be read for
    `outage`, all are.
    """

    streams: int = 400
    of_token: int = 250
    tick: float = 0.1
    heartbeat: float = 15.0
    authorise: float = 0.5
    patience: float = 10.0
    outage: float = 2.0

    @property
    def idle(self) -> float:
        """Return for how many seconds a viewer may take nothing of what was sent."""
        return 6 * self.patience


@dataclass(eq=False)
class Viewer:
    """One who looks on: at which log, with which token, and what was seen of it."""

    deployment_id: str
    seen: int
    only_lines: bool
    token_id: str
    told_at: float = field(default_factory=time.monotonic)
    taken_at: float = field(default_factory=time.monotonic)
    _written: int = 0
    _taken: int = 0

    def wrote(self, size: int) -> None:
        """Count what was sent."""
        self.told_at, self._written = time.monotonic(), self._written + size

    def idle(self, unread: int) -> float:
        """Return for how many seconds nothing was taken of what waits, 0 where nothing waits."""
        taken = self._written - unread
        if unread == 0 or taken > self._taken:
            self.taken_at = time.monotonic()
        self._taken = taken
        return time.monotonic() - self.taken_at


class Following:
    """Tells viewers what is new in the logs they follow.

    `valid` says which tokens are valid still; `drain` ends all streams, for good. The thread lives
    while somebody looks on. A log has no gaps and is read on from what each viewer has seen, so it
    does not matter in which order the transactions of different logs become visible.
    """

    def __init__(
        self,
        store: Store,
        valid: Callable[[Collection[str]], set[str]],
        drain: threading.Event,
        words: Words,
        limits: Limits | None = None,
    ) -> None:
        self._pieces = Pieces(store, words.event)
        self._valid = valid
        self._drain = drain
        self._words = words
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._admitted: set[Viewer] = set()
        self._wires: dict[Viewer, Wire] = {}
        self._thread: threading.Thread | None = None
        self._authorised = self._read = 0.0

    @property
    def count(self) -> int:
        """Return how many look on."""
        return len(self._admitted)

    def admit(self, viewer: Viewer) -> None:
        """Let a viewer in, who must `begin` or `leave`; raise TooManyStreams or Unavailable."""
        with self._lock:
            if self._drain.is_set():
                raise Unavailable("the server is stopping", "try again in a moment")
            if len(self._admitted) >= self._limits.streams:
                raise Unavailable("the server has too many streams at once", AGAIN)
            if Counter(each.token_id for each in self._admitted)[viewer.token_id] >= (
                self._limits.of_token
            ):
                raise TooManyStreams("this token has too many streams at once", AGAIN)
            self._admitted.add(viewer)

    def begin(self, viewer: Viewer, wire: Wire) -> None:
        """Tell a viewer on this wire from now on, until the end."""
        with self._lock:
            self._wires[viewer] = wire
            if self._thread is None:
                self._read = time.monotonic()
                self._thread = threading.Thread(target=self._run, name="streams", daemon=True)
                self._thread.start()

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer; once is enough."""
        with self._lock:
            self._admitted.discard(viewer)
            self._wires.pop(viewer, None)

    def join(self, seconds: float) -> None:
        """Wait until all streams have been told that the server stops; `drain` is set."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _run(self) -> None:
        while self._anybody():
            due = time.monotonic() + self._limits.tick
            try:
                self._turn()
            except StoreError as error:
                self._outage(error)
            except Exception:
                log.exception("the streams end by a defect")
                self._cut_all(Cut.UNAVAILABLE)
            self._pause(due - time.monotonic())

    def _pause(self, seconds: float) -> None:
        """Let others have a turn in any case."""
        if self._drain.wait(max(LEAST_PAUSE, seconds)):
            time.sleep(LEAST_PAUSE)

    def _anybody(self) -> bool:
        with self._lock:
            if not self._wires:
                self._thread = None
            return self._thread is not None

    def _turn(self) -> None:
        if self._drain.is_set():
            self._cut_all(Cut.STOPPING)
            return
        self._authorise()
        viewers = self._looking_on()
        heads = self._pieces.new_turn({viewer.deployment_id for viewer, _ in viewers})
        for viewer, wire in viewers:
            self._tell(viewer, wire, heads.get(viewer.deployment_id))
        self._read = time.monotonic()

    def _tell(self, viewer: Viewer, wire: Wire, head: Head | None) -> None:
        silent, pending = time.monotonic() - viewer.told_at, wire.pending
        if wire.gone:
            self.leave(viewer)
        elif viewer.idle(wire.unread) > self._limits.idle:
            self._end(viewer, wire, self._words.cut(Cut.SLOW))
        elif pending > CHUNK_BYTES:
            if silent > self._limits.patience:
                self._end(viewer, wire, self._words.cut(Cut.SLOW))
        elif self._told_news(viewer, wire, head):
            self._end(viewer, wire, self._words.end(viewer.deployment_id))
        elif silent > self._limits.heartbeat:
            self._send(viewer, wire, self._words.beat())

    def _told_news(self, viewer: Viewer, wire: Wire, head: Head | None) -> bool:
        """Tell what is new, and return whether that is the end."""
        if head is None:
            return True
        seen = (viewer.deployment_id, viewer.seen, head, viewer.only_lines)
        news, viewer.seen = self._pieces.after(*seen)
        if news:
            self._send(viewer, wire, news)
        return head.ended and viewer.seen >= head.sequence

    def _authorise(self) -> None:
        if time.monotonic() - self._authorised < self._limits.authorise:
            return
        viewers = self._looking_on()
        valid = self._valid({viewer.token_id for viewer, _ in viewers})
        for viewer, wire in viewers:
            if viewer.token_id not in valid:
                self._end(viewer, wire, self._words.cut(Cut.UNAUTHORIZED))
        self._authorised = time.monotonic()

    def _outage(self, error: StoreError) -> None:
        """Wait a moment; who cannot be told nor asked for a right any more goes away."""
        if time.monotonic() - self._read > self._limits.outage:
            log.warning("the streams end: %s", error.message)
            self._cut_all(Cut.UNAVAILABLE)

    def _looking_on(self) -> list[tuple[Viewer, Wire]]:
        """Return who looks on; who was told longest ago comes first."""
        with self._lock:
            return sorted(self._wires.items(), key=lambda item: item[0].told_at)

    def _cut_all(self, why: Cut) -> None:
        for viewer, wire in self._looking_on():
            self._end(viewer, wire, self._words.cut(why))

    def _end(self, viewer: Viewer, wire: Wire, last_word: bytes) -> None:
        self.leave(viewer)
        wire.write(last_word)
        wire.close()

    def _send(self, viewer: Viewer, wire: Wire, data: bytes) -> None:
        viewer.wrote(len(data))
        wire.write(data)
