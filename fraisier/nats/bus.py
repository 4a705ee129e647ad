"""The event bus: where events are on NATS, and how to get at them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from fraisier.domain.errors import UsageError
from fraisier.nats.connection import Connection
from fraisier.nats.consumers import Start
from fraisier.nats.delivering import Delivering
from fraisier.nats.events import Event, NotAnEvent
from fraisier.nats.filters import EventFilter
from fraisier.nats.settings import NatsSettings
from fraisier.nats.streams import Limits
from fraisier.nats.subjects import is_token

WORDS = ("NATS is there: events arrive", "NATS is not there, so events are waited for")
#: How long an iteration waits for a message before it looks whether it is over, in seconds.
STEP_SECONDS = 0.2

Moment = datetime | str


class EventBus:
    """Reads events from NATS. Nothing is connected before something is asked for."""

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = settings

    @property
    def url(self) -> str | None:
        """Return the URLs of the servers as they were set, secrets and all; None: NATS is off."""
        return self._settings.url

    @property
    def limits(self) -> Limits:
        """Return what a stream that is made here keeps."""
        return self._settings.limits

    def replay(
        self,
        wanted: EventFilter | None = None,
        since: Moment | None = None,
        sequence: int | None = None,
    ) -> Iterator[Event]:
        """Yield the events that the streams hold now, and end.

        `since`: what happened from then on (RFC 3339, or a datetime with its zone). `sequence`: a
        stream's own number to begin at; the filter's types have to be of one family then. Within a
        stream in its order, which is each deployment's. Raises UsageError; waits for NATS as long
        as it is away.
        """
        wanted = wanted or EventFilter()
        start = starting(wanted.families(), since, sequence, first=1)
        with self.delivering(wanted.families(), start, None, finite=True) as incoming:
            while not incoming.ended:
                delivery = incoming.next(STEP_SECONDS)
                if delivery is None:
                    continue
                incoming.settle(delivery)
                try:
                    event = Event.read(delivery.body, delivery.stream, delivery.sequence)
                except NotAnEvent:
                    continue  # somebody else's message
                if wanted.matches(event) and (start.since is None or event.moment >= start.since):
                    yield event

    @contextmanager
    def delivering(
        self, families: Iterable[str], start: Start, durable: str | None, finite: bool = False
    ) -> Iterator[Delivering]:
        """Connect and bring the messages of some streams until the block ends."""
        if not self._settings.servers:
            raise UsageError(
                "NATS is off", "set FRAISIER_NATS_URL, as nats://nats.example.com:4222"
            )
        if durable is not None and not is_token(durable):
            raise UsageError(
                f'"{durable}" cannot be the name of a listener',
                "use letters, digits, - and _, at most 64 characters",
            )
        incoming = Delivering(families, start, durable, finite)
        name = f"fraisier listener {socket.gethostname()}:{os.getpid()}"
        servers, security = self._settings.servers, self._settings.security
        connection = Connection(servers, name, [incoming], security, WORDS)
        connection.start()
        try:
            yield incoming
        finally:
            incoming.flush()
            connection.close()


def get_event_bus(url: str | None = None) -> EventBus:
    """Return the bus that the environment names; `url` wins over `FRAISIER_NATS_URL`.

    Raises ConfigurationError with every bad setting.
    """
    return EventBus(NatsSettings.from_environ(url=url))


def starting(
    families: Iterable[str], since: Moment | None, sequence: int | None, first: int | None = None
) -> Start:
    """Return where to begin, or raise UsageError; `first` where nothing is asked for."""
    if since is not None and sequence is not None:
        raise UsageError("a moment and a sequence cannot both be where to begin", "give one")
    if sequence is not None:
        if not isinstance(sequence, int) or sequence < 1:
            raise UsageError(f"a stream has no sequence {sequence!r}", "they count from 1")
        if len(set(families)) != 1:
            raise UsageError(
                "each stream has sequences of its own, and the filters want more than one stream",
                'name types of one family, as "deployment.*", or give since=',
            )
    if since is None:
        return Start(sequence=first if sequence is None else sequence)
    return Start(since=_moment(since))


def _moment(given: Moment) -> datetime:
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else given
        if isinstance(found, datetime) and found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        f"{given!r} is no moment to begin at",
        "write it as 2026-01-31T12:00:00Z, or give a datetime with its time zone",
    )
