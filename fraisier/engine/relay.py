"""The relay: what was recorded goes on to each sink, in order, at least once, at its own pace."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

from fraisier.domain.errors import LeaseLost, SinkUnavailable, StoreError
from fraisier.domain.notice import Notice
from fraisier.domain.ports import EventSink, RelayStore
from fraisier.failpoints import failpoint

#: How many events are read and passed on in one turn.
BATCH = 500
#: How soon it is looked again where there was nothing to tell, in seconds.
LOOK_SECONDS = 0.1
#: The shortest and the longest pause after a sink did not take what it was given.
PAUSES = (0.2, 5.0)
#: How often it is looked whether a sink still has what it was given, and whether others died.
HOLD_SECONDS = 2.0
#: How often what everybody was told of is cleared away.
SETTLE_SECONDS = 5.0

log = logging.getLogger("fraisier.relay")


class Member(Protocol):
    """The worker in whose name sinks are served."""

    id: str

    def valid(self) -> bool:
        """Return whether it may still act."""


class Relay:
    """Serves sinks as long as the block runs, each in a thread of its own.

    At the end what is left is told for at most `grace` seconds; the rest stays recorded, and
    whoever serves the sink next tells it.
    """

    def __init__(
        self, store: RelayStore, sinks: Sequence[EventSink], member: Member, grace: float = 3.0
    ) -> None:
        self._store = store
        self._grace = grace
        self._stop = threading.Event()
        self._serving = [_Serving(store, sink, member, self._stop) for sink in sinks]
        self._threads = [
            threading.Thread(target=each.run, name=f"relay {each.name}", daemon=True)
            for each in self._serving
        ]
        self._threads.append(threading.Thread(target=self._settle, name="relay", daemon=True))

    def __enter__(self) -> Relay:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Tell what is left, within the grace, and let others serve the sinks."""
        until = time.monotonic() + self._grace
        for each in self._serving:
            each.until = until
        self._stop.set()
        for thread in self._threads:
            thread.join(max(0.1, until + 1.0 - time.monotonic()))

    def _settle(self) -> None:
        while True:
            over = self._stop.wait(SETTLE_SECONDS)
            try:
                while self._store.settle_told() > 0:
                    pass
            except StoreError as error:
                log.debug("what was told could not be cleared away: %s", error.message)
            if over:
                return


class _Serving:
    """One sink's turn after turn."""

    def __init__(
        self, store: RelayStore, sink: EventSink, member: Member, stop: threading.Event
    ) -> None:
        self.name = sink.name
        self.until = float("inf")
        self._store = store
        self._sink = sink
        self._member = member
        self._stop = stop
        self._worker_id = ""
        self._held_at = -HOLD_SECONDS
        self._after = ""
        self._trouble = ""

    def run(self) -> None:
        """Serve until stopped and done, or the grace is over."""
        pause = PAUSES[0]
        while True:
            stopping = self._stop.is_set()
            try:
                told = self._turn()
                pause = PAUSES[0]
                if self._trouble:
                    log.info("%s takes events again", self.name)
                    self._trouble = ""
            except (SinkUnavailable, StoreError, LeaseLost) as error:
                told, self._held_at = 0, -HOLD_SECONDS
                self._tell(error.message)
                pause = self._wait(pause)
            except Exception:
                told, self._held_at = 0, -HOLD_SECONDS
                log.exception("%s broke off; it is tried again", self.name)
                pause = self._wait(pause)
            if (stopping and not told) or time.monotonic() > self.until:
                break
            if not told:
                self._stop.wait(LOOK_SECONDS)
        self._leave()

    def _wait(self, pause: float) -> float:
        """Wait after a failure, and return how long to wait after the next one."""
        self._stop.wait(pause)
        return min(2 * pause, PAUSES[1])

    def _turn(self) -> int:
        """Tell one batch, and return how many events that were."""
        if not self._hold():
            return 0
        notices = self._store.untold(self.name, BATCH, self._after)
        if not notices:
            self._after = ""
            return 0
        failpoint("relay.before_publish")
        count = self._sink.publish(notices)
        failpoint("relay.after_publish")
        reached = _reached(notices[:count])
        if reached:
            self._store.told(self.name, self._worker_id, reached)
        self._after = notices[-1].stream_id
        if count < len(notices):
            raise SinkUnavailable(f"{self.name} took {count} of {len(notices)} events")
        return count

    def _hold(self) -> bool:
        """Return whether this worker serves the sink now, and the sink is ready."""
        if not self._member.valid():
            raise LeaseLost("this worker's lease was not renewed in time")
        same = self._worker_id == self._member.id
        if same and time.monotonic() - self._held_at < HOLD_SECONDS:
            return True
        mine = self._member.id
        state = self._store.hold_relay(self.name, mine)
        if state is None:
            self._stop.wait(HOLD_SECONDS)
            return False
        self._worker_id = mine
        self._look(state)
        self._held_at = time.monotonic()
        return True

    def _look(self, state: Mapping[str, Any]) -> None:
        """Let the sink get ready; what it has lost is told again before anything else."""
        new, since = self._sink.look(state)
        if since is not None:
            log.warning("%s lost what it was given: it is told again", self.name)
            self._store.tell_again(self.name, self._worker_id, since)
        if new != state:
            self._store.remember(self.name, self._worker_id, new)

    def _tell(self, trouble: str) -> None:
        """Log each kind of trouble once."""
        if trouble != self._trouble:
            log.warning("events wait for %s: %s", self.name, trouble)
        self._trouble = trouble

    def _leave(self) -> None:
        if not self._worker_id:
            return
        try:
            self._store.leave_relay(self.name, self._worker_id)
        except StoreError as error:
            log.debug("%s is left with the lease: %s", self.name, error.message)


def _reached(notices: Sequence[Notice]) -> dict[str, int]:
    """Return the last sequence of each stream."""
    return {notice.stream_id: notice.sequence for notice in notices}


#: What makes the relay of one worker.
NewRelay = Callable[[Member], Relay]
