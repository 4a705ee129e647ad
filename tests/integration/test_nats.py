"""Wake-ups over a real NATS server: soon while it is there, harmless while it is not.

RELIABILITY's fault matrix, rows "NATS down", "NATS slow/partitioned" and "NATS loses data": what
NATS does delays a wake-up and nothing else (I12: deployments succeed with NATS off).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from nats.js.api import StorageType, StreamConfig

from fraisier.engine.bell import Bell
from fraisier.nats import Connection, Wakeups
from fraisier.nats.wakeups import GATHER_SECONDS
from support.databases import NatsServer
from support.peer import Peer, peer
from support.target import until

#: As `connection.py` promises: a session that hears nothing is over, and the next is up. Twice
#: that, for a machine that has much to do.
NOTICED_SECONDS, BACK_SECONDS = 24, 24
#: What is told is heard in milliseconds; a process that only polls looks every few seconds.
SOON_SECONDS = 0.5


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the files of what both processes say."""
    folder = tmp_path_factory.mktemp("peers")
    return folder / "one.log", folder / "other.log"


@pytest.fixture(scope="module")
def both(nats_server: NatsServer, logs: tuple[Path, Path]) -> Iterator[tuple[Peer, Peer]]:
    """Return two processes for all tests of this file."""
    with peer(logs[0], nats_server.url) as one, peer(logs[1], nats_server.url) as other:
        yield one, other
    for file in logs:
        assert "Traceback" not in file.read_text()
        assert "never retrieved" not in file.read_text()


@pytest.fixture
def two(both: tuple[Peer, Peer]) -> tuple[Peer, Peer]:
    """Return two processes that hear each other, and nothing of what was before."""
    one, other = both
    until(lambda: one.connected and other.connected, BACK_SECONDS)
    latency(one, other)
    latency(other, one)
    return one, other


def latency(one: Peer, other: Peer) -> float:
    """Return the seconds from a ring in one process to its being heard in the other."""
    began = one.ring()
    until(lambda: other.heard_since(began), 60)
    return other.heard_since(began)[0] - began


def test_a_ring_is_heard_in_another_process_at_once(two: tuple[Peer, Peer]) -> None:
    taken = [latency(*two) for _ in range(10)] + [latency(*reversed(two)) for _ in range(10)]
    assert sorted(taken)[10] < SOON_SECONDS, taken


def test_a_storm_of_rings_is_a_few_messages_and_not_one_s_own(two: tuple[Peer, Peer]) -> None:
    one, other = two
    began = one.ring(5000)
    assert one.connected, "it has rung them all now"
    latency(one, other)  # what is told later is heard later
    heard = other.heard_since(began)
    assert 1 <= len(heard) <= (time.monotonic() - began) / GATHER_SECONDS + 2
    assert len(heard) < 500
    assert one.heard_since(began) == []


def test_a_server_that_dies_is_missed_by_nobody_and_found_again(
    two: tuple[Peer, Peer], nats_server: NatsServer, logs: tuple[Path, Path]
) -> None:
    """I12: who rings is not held up, and rings go through again without anybody's help."""
    one, other = two
    threads = one.threads
    said = logs[0].read_text().count("the queue is polled")
    nats_server.kill()
    until(lambda: not one.connected and not other.connected, NOTICED_SECONDS)
    began = time.monotonic()
    one.ring(100)
    assert one.connected is False
    assert time.monotonic() - began < 5, "who rings has waited for NATS"
    nats_server.start()
    until(lambda: one.connected and other.connected, BACK_SECONDS)
    until(lambda: latency(one, other) < SOON_SECONDS)
    assert one.threads == threads
    said = logs[0].read_text().count("the queue is polled") - said
    assert said <= 2, "each change is said once"


def test_a_server_that_stalls_is_noticed(two: tuple[Peer, Peer], nats_server: NatsServer) -> None:
    one, other = two
    nats_server.pause()
    try:
        until(lambda: not one.connected and not other.connected, NOTICED_SECONDS)
    finally:
        nats_server.resume()
    until(lambda: one.connected and other.connected, BACK_SECONDS)
    until(lambda: latency(one, other) < SOON_SECONDS)


def test_a_wiped_store_is_made_again(two: tuple[Peer, Peer], nats_server: NatsServer) -> None:
    one, other = two
    nats_server.wipe()
    until(lambda: one.connected and other.connected, BACK_SECONDS)
    until(lambda: latency(one, other) < SOON_SECONDS)


def test_the_stream_of_an_earlier_version_is_changed(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """It had a subject below `fraisier.>`, where everything is an event now."""
    nats_server.wipe()

    async def make() -> None:
        client = await nats.connect(nats_server.url)
        await client.jetstream().add_stream(
            StreamConfig(
                name="FRAISIER_WAKEUP", subjects=["fraisier.wakeup"], storage=StorageType.MEMORY
            )
        )
        await client.close()

    asyncio.run(make())
    logs = tmp_path / "one.log", tmp_path / "other.log"
    with peer(logs[0], nats_server.url) as one, peer(logs[1], nats_server.url) as other:
        until(lambda: one.connected and other.connected, BACK_SECONDS)
        until(lambda: latency(one, other) < SOON_SECONDS)


def test_what_was_rung_while_nobody_was_connected_is_made_up_for(nats_server: NatsServer) -> None:
    """A session begins with a ring: the queue is looked at, whatever was missed before."""
    nats_server.kill()
    bell = Bell()
    wakeups = Wakeups(bell)
    connection = Connection([nats_server.url], "late", [wakeups])
    wakeups.listen_on(connection)
    connection.start()
    try:
        until(lambda: connection.trouble)
        assert not connection.connected
        while bell.wait(0):
            pass
        nats_server.start()
        assert bell.wait(BACK_SECONDS)
        until(lambda: connection.connected)
    finally:
        nats_server.start() if nats_server.process is None else None
        connection.close()
    assert "nats" not in {thread.name for thread in threading.enumerate()}


def test_a_password_that_is_wrong_is_told_without_it(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    guarded = NatsServer("--user", "fraisier", "--pass", "hunter2-right")
    try:
        url = guarded.url.replace("nats://", "nats://fraisier:hunter2-wrong@")
        connection = Connection([url], "wrong", [Wakeups(Bell())])
        connection.start()
        until(lambda: "not there" in caplog.text)
        connection.close()
    finally:
        guarded.close()
    assert "authorization" in caplog.text.lower()
    assert "hunter2" not in caplog.text
