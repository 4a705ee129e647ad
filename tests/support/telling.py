"""Events on NATS for tests: a small relay that keeps all in memory, and a listener in a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import nats

from fraisier.domain.errors import SinkUnavailable
from fraisier.domain.notice import Notice
from fraisier.nats import (
    Connection,
    Event,
    EventBus,
    EventFilter,
    EventSubscriberRegistry,
    JetStreamSink,
    Limits,
    NatsSettings,
    Security,
)
from fraisier.nats.subjects import FAMILIES, stream_of

STORY = (
    "deployment.step", "runner.task_started", "runner.task_ok", "log.line", "log.line",
    "health_check.passed", "deployment.host_completed", "metrics.deployment",
)  # fmt: skip
INSTALLATION = "ins_test"


def notice(number: int, of: str = "dep_1", kind: str = "", **more: Any) -> Notice:
    """Return the event with this number of a deployment."""
    plain: dict[str, Any] = {
        "event_id": f"evt_{of}_{number}",
        "event_type": kind or STORY[number % len(STORY)],
        "stream_id": of,
        "sequence": number,
        "at": time.time_ns() // 1000,
        "host": None,
        "data": {"number": number},
        "deployment_id": of,
        "fraise": "my_api",
        "environment": "production",
        "region": "us-east-1",
    }
    return Notice(**{**plain, **more})


def stories(deployments: int, events: int) -> list[Notice]:
    """Return so many deployments with so many events each, their order mixed."""
    return [
        notice(number, f"dep_{which}")
        for number in range(1, events + 1)
        for which in range(deployments)
    ]


class MemoryRelay:
    """Tells a sink as the engine's relay does: in order, and again after a loss."""

    def __init__(self, sink: JetStreamSink, notices: list[Notice], batch: int = 500) -> None:
        self.notices = notices
        self.state: Mapping[str, Any] = {}
        self.told = 0
        self.again = 0
        self.refusals: list[str] = []
        self._sink = sink
        self._batch = batch
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> MemoryRelay:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        looked = -10.0
        while not self._stop.is_set():
            try:
                if time.monotonic() - looked > 0.5:
                    self.state, since = self._sink.look(self.state)
                    looked = time.monotonic()
                    if since is not None:
                        self.again += 1
                        self.told = 0
                wanted = self.notices[self.told : self.told + self._batch]
                if wanted:
                    self.told += self._sink.publish(wanted)
                else:
                    self._stop.wait(0.05)
            except SinkUnavailable as error:
                self.refusals.append(error.message)
                looked = -10.0
                self._stop.wait(0.1)


@contextmanager
def connected(
    url: str, limits: Limits | None = None, security: Security | None = None, wait: float = 60
) -> Iterator[JetStreamSink]:
    """Return a sink on a connection, which is there if `wait` is not 0."""
    sink = JetStreamSink(INSTALLATION, limits or Limits())
    connection = Connection([url], "a sink of the tests", [sink], security)
    connection.start()
    try:
        until = time.monotonic() + wait
        while wait and not connection.connected:
            assert time.monotonic() < until, connection.trouble
            time.sleep(0.02)
        yield sink
    finally:
        connection.close()


class Listener:
    """A registry that listens in a thread and keeps what it hears."""

    def __init__(self, url: str, wanted: EventFilter | None = None, **how: Any) -> None:
        self.events: list[Event] = []
        self._registry = EventSubscriberRegistry(bus(url))
        self._registry.register(self.events.append, wanted)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(how,), daemon=True)

    def __enter__(self) -> Listener:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _listen(self, how: dict[str, Any]) -> None:
        self._registry.listen(stop=self._stop, **how)


def listening(url: str) -> dict[str, int]:
    """Return how many listen to the stream of each family; the streams have to be there.

    Who listens without a past begins at what a stream ends with when it finds it: what is published
    earlier, it rightly never hears.
    """

    async def look() -> dict[str, int]:
        client = await nats.connect(url)
        try:
            info = client.jetstream().stream_info
            states = {family: (await info(stream_of(family))).state for family in FAMILIES}
        finally:
            await client.close()
        return {family: state.consumer_count for family, state in states.items()}

    return asyncio.run(look())


def stored(url: str) -> int:
    """Return how many events the streams hold, without reading them."""

    async def look() -> int:
        client = await nats.connect(url)
        try:
            streams = await client.jetstream().streams_info()
        finally:
            await client.close()
        families = {stream_of(family) for family in FAMILIES}
        return sum(each.state.messages for each in streams if each.config.name in families)

    return asyncio.run(look())


class Listening:
    """A registry that listens in a thread until the block ends; `count` is what it handled then."""

    def __init__(self, registry: EventSubscriberRegistry, **how: Any) -> None:
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._result = self._pool.submit(registry.listen, stop=self._stop, **how)

    @property
    def count(self) -> int:
        """Return how many events were handled; raise what ended it."""
        return self._result.result(60)

    def __enter__(self) -> Listening:
        """Return itself; it listens already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._pool.shutdown()


def bus(url: str) -> EventBus:
    """Return the bus of a server."""
    return EventBus(NatsSettings(url))


def disorder(events: list[Event]) -> list[Event]:
    """Return the events that came after a later one of their deployment and stream."""
    last: dict[tuple[str | None, str], int] = {}
    found = []
    for event in events:
        key = (event.deployment_id, stream_of(event.event_type.partition(".")[0]))
        if event.sequence <= last.get(key, 0):
            found.append(event)
        last[key] = max(event.sequence, last.get(key, 0))
    return found
