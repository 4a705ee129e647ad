"""Events over a NATS server that dies, stalls and loses its store: none is missing, all in order.

RELIABILITY's fault matrix, rows "NATS down", "NATS slow/partitioned" and "NATS loses data", for
what is told: I12 (consumers dedupe by event id) and I17 (no event is dropped silently).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fraisier.domain.errors import SinkUnavailable
from fraisier.domain.notice import Notice
from fraisier.nats import Event, Limits
from fraisier.nats.sink import JetStreamSink
from support.databases import NatsServer
from support.target import until
from support.telling import (
    Listener,
    MemoryRelay,
    bus,
    connected,
    disorder,
    listening,
    notice,
    stories,
)

DEPLOYMENTS, EVENTS = 20, 500
ALL = DEPLOYMENTS * EVENTS
#: How long a stalled server is left so: longer than a batch waits, shorter than a session lives.
STALLED_SECONDS = 7


@pytest.fixture
def server() -> Iterator[NatsServer]:
    """Return a NATS server of this test's own."""
    found = NatsServer()
    yield found
    found.close()


@dataclass
class Fault:
    """What is done to the server, and for how long."""

    name: str

    def strike(self, server: NatsServer) -> None:
        """Do it, and leave the server well."""
        if self.name == "killed":
            server.kill()
            time.sleep(0.5)
            server.start()
        elif self.name == "paused":
            server.pause()
            time.sleep(STALLED_SECONDS)
            server.resume()
        else:
            server.wipe()


def test_ten_thousand_events_outlive_a_server_that_is_killed_paused_and_wiped(
    server: NatsServer,
) -> None:
    notices = stories(DEPLOYMENTS, EVENTS)
    wanted = {each.event_id for each in notices}
    with (
        connected(server.url) as sink,
        Listener(server.url, durable="witness") as durable,
        Listener(server.url) as nameless,
    ):
        sink.look({})
        until(lambda: min(listening(server.url).values()) == 2)
        with MemoryRelay(sink, [], batch=100) as relay:
            for part, name in enumerate(("killed", "paused", "wiped", "killed")):
                relay.notices += notices[part * 2500 : (part + 1) * 2500]
                reached = relay.told + 300
                until(lambda reached=reached: relay.told >= min(reached, ALL), 30)
                Fault(name).strike(server)
            until(lambda: relay.told == ALL and len(durable.events) >= ALL, 60)
            until(lambda: len(nameless.events) >= ALL, 30)
            assert relay.again >= 1, "nobody noticed that the store was lost"
            assert relay.refusals
        for heard in (durable.events, nameless.events):
            assert {event.event_id for event in heard} == wanted
            assert len(heard) == ALL, "a repeat was handled"
            assert disorder(heard) == []
    stored = list(bus(server.url).replay())
    assert disorder(first_ones(stored)) == []
    assert {event.event_id for event in stored} == wanted


def first_ones(events: list[Event]) -> list[Event]:
    """Return events without their repeats."""
    seen: set[str] = set()
    return [each for each in events if not (each.event_id in seen or seen.add(each.event_id))]


def test_a_gap_makes_the_later_ones_wait(server: NatsServer) -> None:
    """A stream that refuses for a while holds nothing out of order afterwards."""
    limits = Limits(max_bytes=2**20, discard="new")
    notices = [
        notice(number, kind="log.line", data={"text": "x" * (60_000 if number % 10 == 9 else 10)})
        for number in range(1, 501)
    ]
    with connected(server.url, limits) as sink:
        state, _ = sink.look({})
        taken = until_full(sink, notices)
        assert taken % 10 == 8, "a long one is the first that finds no room; short ones would"
        with pytest.raises(SinkUnavailable, match=r"FRAISIER_LOG did not take .*maximum bytes"):
            sink.publish(notices[taken:])
        assert "maximum bytes" in sink.trouble
    with connected(server.url, Limits(max_bytes=2**23, discard="new")) as sink:
        sink.look(state)
        told = taken
        while told < len(notices):
            told += sink.publish(notices[told : told + 500])
        assert sink.trouble == ""
    stored = [event.sequence for event in bus(server.url).replay()]
    assert stored == [*range(1, 501)]


def until_full(sink: JetStreamSink, notices: list[Notice]) -> int:
    """Publish until the stream is full; return how many it took."""
    told = 0
    while told < len(notices):
        count = sink.publish(notices[told : told + 500])
        told += count
        if count < 500:
            break
    return told


def test_another_publisher_in_the_same_stream_costs_no_event_and_no_order(
    server: NatsServer,
) -> None:
    mine = [notice(number, "dep_mine") for number in range(1, 1501)]
    theirs = [notice(number, "dep_theirs") for number in range(1, 1501)]
    with connected(server.url) as one, connected(server.url) as other:
        with MemoryRelay(one, mine, 200) as first, MemoryRelay(other, theirs, 200) as second:
            until(lambda: first.told == second.told == 1500, 40)
        assert first.refusals == second.refusals == []
    stored = list(bus(server.url).replay())
    assert len(stored) == 3000
    assert disorder(stored) == []


def test_a_stream_that_lost_its_last_messages_is_told_again(server: NatsServer) -> None:
    with connected(server.url) as sink:
        state, _ = sink.look({})
        sink.publish([notice(number) for number in range(1, 100)])
        state, since = sink.look(state)
        assert since is None
    last = state["streams"]["FRAISIER_LOG"]
    for wrong in ({**last, "sequence": last["sequence"] + 5}, {**last, "event_id": "evt_other"}):
        remembered = {**state, "streams": {**state["streams"], "FRAISIER_LOG": wrong}}
        with connected(server.url) as sink:
            new, since = sink.look(remembered)
            assert since is not None
            assert time.time() * 1e6 - since == pytest.approx(30 * 86_400e6, abs=60e6)
            assert sink.look(remembered)[1] is not None, "nobody has taken note of it yet"
            assert sink.look(new)[1] is None


def test_a_stream_that_was_removed_by_hand_is_made_and_filled_again(server: NatsServer) -> None:
    notices = stories(2, 50)
    with connected(server.url) as sink, MemoryRelay(sink, notices) as relay:
        until(lambda: relay.told == len(notices))
        remove(server, "FRAISIER_RUNNER")
        until(lambda: relay.again == 1 and relay.told == len(notices))
    assert len({event.event_id for event in bus(server.url).replay()}) == len(notices)


def remove(server: NatsServer, stream: str) -> None:
    """Remove a stream as an operator would."""
    import asyncio

    import nats

    async def work() -> None:
        client = await nats.connect(server.url)
        await client.jetstream().delete_stream(stream)
        await client.close()

    asyncio.run(work())
