"""Handlers of events: who wants which, and the loop that hands them over."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from nats.errors import Error

from fraisier.domain.errors import SinkUnavailable, UsageError
from fraisier.nats.bus import EventBus, Moment, get_event_bus, starting
from fraisier.nats.delivering import Delivering
from fraisier.nats.events import Event, NotAnEvent
from fraisier.nats.filters import EventFilter
from fraisier.nats.place import Delivery
from fraisier.nats.retrying import AGAIN_SECONDS, Later, Trying, pause_after, put_aside
from fraisier.nats.streams import said

Handler = Callable[[Event], Any]
#: How soon it is seen that the time is over, in seconds.
STEP_SECONDS = 0.2
MAX_DELIVER = 5
#: How many events that were handled are remembered, so that a repeat is not handled again.
REMEMBERED = 100_000
#: A listener without a past ignores events of a lost stream that are older than itself by this.
OLD_NEWS = timedelta(minutes=5)
PUT_ASIDE_SECONDS = 15.0
NAMELESS = "nameless"

log = logging.getLogger("fraisier.nats")


class EventSubscriberRegistry:
    """Functions that want to hear of events. `bus` None: the one that the environment names."""

    def __init__(self, bus: EventBus | None = None) -> None:
        self._bus = bus
        self._handlers: list[tuple[Handler, EventFilter]] = []

    def register(self, handler: Handler, wanted: EventFilter | None = None) -> None:
        """Have `handler(event)` called for each wanted event once `listen` runs; None: for all.

        A coroutine function is run to its end with `asyncio.run`.
        """
        if not callable(handler):
            raise UsageError(f"{handler!r} is no handler", "give a function of one event")
        if wanted is not None and not isinstance(wanted, EventFilter):
            raise UsageError(f"{wanted!r} is no filter", 'give EventFilter(event_type="…")')
        self._handlers.append((handler, wanted or EventFilter()))

    def listen(
        self,
        seconds: float | None = None,
        stop: threading.Event | None = None,
        *,
        durable: str | None = None,
        since: Moment | None = None,
        sequence: int | None = None,
        max_deliver: int = MAX_DELIVER,
    ) -> int:
        """Hand events over, in this thread, until the time is over or `stop` is set.

        Return how many were handled. Each comes at least once, each deployment's in order within
        a stream; what was handled here is not handled again. A handler that raises gets the event
        again after a growing pause, `max_deliver` times in all; then it goes to the stream
        FRAISIER_DEAD_LETTER with the reason.

        `durable` is a name whose place the server keeps: events of the time in which nobody listens
        are handed over later. `since` (what happened from then on) and `sequence` (of one stream)
        say where a new name, or none, begins; otherwise with what comes from now on. Raises
        UsageError and ConfigurationError; where NATS is away it is waited for.
        """
        if not self._handlers:
            raise UsageError("nobody wants events", "register a handler first")
        if not isinstance(max_deliver, int) or max_deliver < 1:
            raise UsageError("max_deliver has to be at least 1", "leave it out for 5")
        bus = self._bus or get_event_bus()
        families = frozenset().union(*(wanted.families() for _, wanted in self._handlers))
        start = starting(families, since, sequence)
        after = start.since
        if after is None and sequence is None and durable is None:
            after = datetime.now(UTC) - OLD_NEWS
        with bus.delivering(families, start, durable) as incoming:
            listener = _Listener(self._handlers, incoming, bus, durable, max_deliver)
            listener.since, listener.news_since = start.since, after
            return listener.run(seconds, stop or threading.Event())


class _Listener:
    """One run of `listen`."""

    def __init__(
        self,
        handlers: Sequence[tuple[Handler, EventFilter]],
        incoming: Delivering,
        bus: EventBus,
        durable: str | None,
        max_deliver: int,
    ) -> None:
        self._handlers = tuple(handlers)
        self._incoming = incoming
        self._bus = bus
        self._name = durable or NAMELESS
        self._max_deliver = max_deliver
        self._later = Later()
        self._handled: OrderedDict[str, None] = OrderedDict()
        self._count = 0
        self.since: datetime | None = None
        self.news_since: datetime | None = None

    def run(self, seconds: float | None, stop: threading.Event) -> int:
        """Hand events over until it is over; return how many."""
        until = float("inf") if seconds is None else time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            trying = self._later.due()
            if trying is None:
                delivery = self._incoming.next(self._later.wait(min(left, STEP_SECONDS)))
                if delivery is None:
                    continue
                trying = Trying(delivery)
            self._deal(trying)
        return self._count

    def _deal(self, trying: Trying) -> None:
        if trying.dead:
            self._put_aside(trying)
            return
        delivery = trying.delivery
        try:
            event = Event.read(delivery.body, delivery.stream, delivery.sequence)
        except NotAnEvent as error:
            trying.reason = f"it is no event: {error}"
            self._put_aside(trying)
            return
        if event.event_id not in self._handled and not self._is_old(event, delivery):
            wanted = [n for n, (_, one) in enumerate(self._handlers) if one.matches(event)]
            had = [self._handle(n, event, trying) for n in wanted]
            if not all(had):
                self._try_later(trying)
                return
            self._count += bool(wanted)
            self._remember(event.event_id)
        self._incoming.settle(delivery)

    def _is_old(self, event: Event, delivery: Delivery) -> bool:
        """Return whether an event happened before what was asked for."""
        after = self.news_since if delivery.made_anew else self.since
        return after is not None and event.moment < after

    def _handle(self, number: int, event: Event, trying: Trying) -> bool:
        """Call a handler that has not had the event; return whether it has now."""
        if number in trying.done:
            return True
        handler = self._handlers[number][0]
        try:
            if inspect.iscoroutinefunction(handler):
                asyncio.run(handler(event))
            else:
                handler(event)
        except Exception as error:
            trying.reason = f"{type(error).__name__}: {error}"
            log.warning("a handler of %s failed", event.event_id, exc_info=True)
            return False
        trying.done.add(number)
        return True

    def _try_later(self, trying: Trying) -> None:
        trying.failures += 1
        if trying.failures >= self._max_deliver:
            self._put_aside(trying)
        else:
            self._later.add(trying, pause_after(trying.failures))

    def _put_aside(self, trying: Trying) -> None:
        """Make a message a dead letter, if need be later; its handlers are left alone."""
        trying.dead = True
        try:
            work = put_aside(self._incoming.client, trying, self._name, self._bus.limits)
            self._incoming.ask(work, PUT_ASIDE_SECONDS)
        except (Error, OSError, SinkUnavailable) as error:
            why = error.message if isinstance(error, SinkUnavailable) else said(error)
            log.warning("a dead letter could not be stored: %s", why)
            self._later.add(trying, AGAIN_SECONDS)
            return
        log.warning("put aside as a dead letter: %s", trying.reason)
        self._incoming.settle(trying.delivery)

    def _remember(self, event_id: str) -> None:
        self._handled[event_id] = None
        if len(self._handled) > REMEMBERED:
            self._handled.popitem(last=False)
