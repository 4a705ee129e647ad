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
from support.databases import NatsServer
from support.peer import Peer, peer
from support.target import until

#: As `connection.py` promises: a session that hears nothing is over, and the next is up.
NOTICED_SECONDS, BACK_SECONDS = 12, 12


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the file of what both processes say."""
    return tmp_path / "peer.log"


@pytest.fixture
def two(nats_server: NatsServer, tmp_path: Path, log: Path) -> Iterator[tuple[Peer, Peer]]:
    """Return two processes that are connected."""
    with peer(log, nats_server.url) as one, peer(tmp_path / "other.log", nats_server.url) as other:
        until(lambda: one.connected and other.connected)
        yield one, other
    for file in (log, tmp_path / "other.log"):
        assert "Traceback" not in file.read_text()
        assert "never retrieved" not in file.read_text()


def latency(one: Peer, other: Peer) -> float:
    """Return the seconds from a ring in one process to its being heard in the other."""
    began = one.ring()
    until(lambda: other.heard_since(began))
    return other.heard_since(began)[0] - began


def test_a_ring_is_heard_in_another_process_at_once(two: tuple[Peer, Peer]) -> None:
    time.sleep(0.2)
    taken = [latency(*two) for _ in range(10)] + [latency(*reversed(two)) for _ in range(10)]
    assert max(taken) < 0.2, taken


def test_a_storm_of_rings_is_a_few_messages_and_not_one_s_own(two: tuple[Peer, Peer]) -> None:
    one, other = two
    time.sleep(0.5)
    began = one.ring(5000)
    until(lambda: other.heard_since(began))
    time.sleep(1)
    assert 1 <= len(other.heard_since(began)) <= 25
    assert one.heard_since(began) == []


def test_a_server_that_dies_is_missed_by_nobody_and_found_again(
    two: tuple[Peer, Peer], nats_server: NatsServer, log: Path
) -> None:
    """I12: who rings is not held up, and rings go through again without anybody's help."""
    one, other = two
    threads = one.threads
    nats_server.kill()
    until(lambda: not one.connected and not other.connected, NOTICED_SECONDS)
    began = time.monotonic()
    one.ring(100)
    assert one.connected is False
    assert time.monotonic() - began < 2, "who rings has waited for NATS"
    nats_server.start()
    until(lambda: one.connected and other.connected, BACK_SECONDS)
    until(lambda: latency(one, other) < 0.2)
    assert one.threads == threads
    assert log.read_text().count("the queue is polled") <= 2, "each change is said once"


def test_a_server_that_stalls_is_noticed(two: tuple[Peer, Peer], nats_server: NatsServer) -> None:
    one, other = two
    nats_server.pause()
    try:
        until(lambda: not one.connected and not other.connected, NOTICED_SECONDS)
    finally:
        nats_server.resume()
    until(lambda: one.connected and other.connected, BACK_SECONDS)
    until(lambda: latency(one, other) < 0.2)


def test_a_wiped_store_is_made_again(two: tuple[Peer, Peer], nats_server: NatsServer) -> None:
    one, other = two
    nats_server.wipe()
    until(lambda: one.connected and other.connected, BACK_SECONDS)
    until(lambda: latency(one, other) < 0.2)


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
        until(lambda: latency(one, other) < 0.2)


def test_what_was_rung_while_nobody_was_connected_is_made_up_for(nats_server: NatsServer) -> None:
    """A session begins with a ring: the queue is looked at, whatever was missed before."""
    nats_server.kill()
    bell = Bell()
    wakeups = Wakeups(bell)
    connection = Connection([nats_server.url], "late", [wakeups])
    wakeups.listen_on(connection)
    connection.start()
    try:
        time.sleep(0.5)
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
