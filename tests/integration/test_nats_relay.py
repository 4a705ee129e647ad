"""The real relay brings what is recorded to a real NATS server, whatever that goes through."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.event import Fact
from fraisier.domain.ports import NewDeployment
from fraisier.domain.worker import NewWorker
from fraisier.engine.relay import Relay
from fraisier.nats import Event
from fraisier.store import SqlStore
from support.databases import NatsServer, migrated_database
from support.fakes import make_target
from support.target import until
from support.telling import bus, connected, disorder, stored

WRITERS, EACH, BATCHES = 4, 5, 20
STORY = [
    Fact("runner.task_started", "web-1", {"task": "a"}),
    *[Fact("log.line", "web-1", {"text": "x"})] * 7,
    Fact("runner.task_ok", "web-1", {"task": "a"}),
    Fact("health_check.passed", "web-1", {}),
]
ALL = WRITERS * EACH * BATCHES * len(STORY)
#: Longer than an answer of JetStream is waited for.
STALLED_SECONDS = 7


class Member:
    """A worker's place, valid until the test is over."""

    def __init__(self, store: SqlStore, name: str) -> None:
        self.id = store.join(NewWorker(name, "serve", {}, 4), 600)

    def valid(self) -> bool:
        return True


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    """Return records on PostgreSQL, where ids appear out of the order of their commits."""
    opened = SqlStore.open(migrated_database("postgresql", request, tmp_path))
    yield opened
    opened._engine.dispose()


@pytest.fixture
def server() -> Iterator[NatsServer]:
    """Return a NATS server of this test's own."""
    found = NatsServer()
    yield found
    found.close()


class Writers:
    """Deployments at once, each with its story; `go` lets so many of ten parts be written."""

    def __init__(self, store: SqlStore, me: Member) -> None:
        self._store, self._me = store, me
        self._parts = [threading.Event() for _ in range(EACH)]
        self._pool = ThreadPoolExecutor(WRITERS)
        self._work = [self._pool.submit(self._write, number) for number in range(WRITERS)]
        self.made: list[Deployment] = []

    def go(self, part: int) -> None:
        """Let each writer write its next deployment."""
        self._parts[part].set()

    def finish(self) -> None:
        """Wait until all is written."""
        for each in self._work:
            each.result(120)
        self._pool.shutdown()

    def _write(self, number: int) -> None:
        for part in range(EACH):
            assert self._parts[part].wait(120)
            target = make_target(fraise=f"api_{number}_{part}")
            new = NewDeployment("deploy", target, "0" * 40, None, "rolling", "cli:ada")
            held = self._store.claim(self._store.request(new).id, self._me.id)
            assert held is not None
            self.made.append(held)
            for _ in range(BATCHES):
                self._store.record(held, STORY)
            self._store.finish(held, Status.SUCCESS, "")


def test_thousands_of_recorded_events_outlive_what_the_server_goes_through(
    store: SqlStore, server: NatsServer
) -> None:
    """I12, I17: two workers relay; one leaves while the server is down; the store is lost."""
    one, two = Member(store, "one"), Member(store, "two")
    writers = Writers(store, one)
    with connected(server.url) as first, connected(server.url) as second, ExitStack() as leaving:
        leaving.enter_context(Relay(store, [first], one))
        until(lambda: store.relay_lag() == {"nats": 0.0})
        with Relay(store, [second], two):
            writers.go(0)
            until(lambda: stored(server.url) > ALL // EACH // 2, 60)
            writers.go(1)
            server.kill()
            leaving.close()
            server.start()
            writers.go(2)
            server.pause()
            threading.Event().wait(STALLED_SECONDS)
            server.resume()
            until(lambda: store.untold("nats", 1) == [], 60)
            while store.settle_told():
                pass
            writers.go(3)
            server.wipe()
            writers.go(4)
            writers.finish()
            wanted = {event.id for made in writers.made for event in store.events(made.id)}
            assert len(wanted) > ALL
            until(lambda: stored(server.url) >= len(wanted), 90)
            until(lambda: store.untold("nats", 1) == [], 60)
        assert wanted <= {event.event_id for event in on(server)}
    assert disorder(first_ones(on(server))) == []
    assert store.relay_lag() == {"nats": 0.0}


def on(server: NatsServer) -> list[Event]:
    """Return what the streams hold."""
    return list(bus(server.url).replay())


def first_ones(events: list[Event]) -> list[Event]:
    """Return events without their repeats."""
    return list({each.event_id: each for each in events}.values())
