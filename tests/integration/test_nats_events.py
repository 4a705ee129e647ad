"""Events on a real NATS server: what is published, who hears what, and who is let in."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg
from nats.js.api import RetentionPolicy, StreamConfig
from nats.js.errors import NotFoundError

from fraisier.domain.errors import SinkUnavailable, UsageError
from fraisier.nats import (
    Event,
    EventFilter,
    EventSubscriberRegistry,
    JetStreamSink,
    Limits,
    get_event_bus,
    retrying,
)
from support.databases import NatsServer
from support.target import until
from support.telling import (
    Listener,
    Listening,
    bus,
    connected,
    disorder,
    listening,
    notice,
    stories,
)

SECRET = "hunter2-right"
STREAMS = ("AUDIT", "DEPLOYMENT", "HEALTH_CHECK", "LOG", "METRICS", "RUNNER")


@pytest.fixture
def server() -> Iterator[NatsServer]:
    """Return a NATS server of this test's own."""
    found = NatsServer()
    yield found
    found.close()


@pytest.fixture
def sink(server: NatsServer) -> Iterator[JetStreamSink]:
    """Return a sink that is ready."""
    with connected(server.url) as found:
        found.look({})
        yield found


def stream(server: NatsServer, name: str) -> Any:
    """Return what the server says of a stream."""
    return on(server, lambda client: client.jetstream().stream_info(name))


def on(server: NatsServer, work: Any) -> Any:
    """Have something done with a client of its own."""

    async def run() -> Any:
        client = await nats.connect(server.url)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


def test_a_plain_subscriber_sees_a_whole_deployment_live(
    server: NatsServer, sink: JetStreamSink
) -> None:
    heard: list[Msg] = []

    async def work(client: Any) -> None:
        async def hear(message: Msg) -> None:
            heard.append(message)

        await client.subscribe("fraisier.>", cb=hear)
        await client.flush()
        await asyncio.to_thread(sink.publish, stories(1, 16))
        async with asyncio.timeout(60):
            while len(heard) < 16:
                await asyncio.sleep(0.02)

    on(server, work)
    payloads = [json.loads(message.data) for message in heard]
    assert sorted(payload["sequence"] for payload in payloads) == [*range(1, 17)]
    first = next(each for each in heard if json.loads(each.data)["sequence"] == 1)
    assert first.subject == "fraisier.runner.task_started.us-east-1"
    headers = dict(first.headers or {})
    time_of = headers.pop("ce-time")
    assert time_of == json.loads(first.data)["timestamp"]
    assert headers == {
        "Nats-Msg-Id": "evt_dep_0_1",
        "Nats-Expected-Stream": "FRAISIER_RUNNER",
        "ce-specversion": "1.0",
        "ce-id": "evt_dep_0_1",
        "ce-source": "/fraisier/ins_test",
        "ce-type": "runner.task_started",
        "ce-subject": "my_api/production",
        "ce-datacontenttype": "application/json",
        "ce-partitionkey": "dep_0",
    }


def test_each_stream_is_made_with_its_subject_and_its_limits(
    server: NatsServer, sink: JetStreamSink
) -> None:
    for name in STREAMS:
        config = stream(server, f"FRAISIER_{name}").config
        assert config.subjects == [f"fraisier.{name.lower()}.>"]
        assert (config.max_age, config.max_bytes) == (30 * 86_400, 256 * 2**20)
        assert config.duplicate_window == 120


def test_a_setting_changes_a_stream_and_its_absence_does_not(server: NatsServer) -> None:
    limits = Limits(max_age=3600, max_bytes=2**24, discard="new")
    with connected(server.url, limits) as one:
        one.look({})
    with connected(server.url) as plain:
        plain.look({})
    config = stream(server, "FRAISIER_LOG").config
    assert (config.max_age, config.max_bytes, config.discard) == (3600, 2**24, "new")
    with connected(server.url, Limits(max_age=60, max_bytes=0)) as other:
        other.look({})
    config = stream(server, "FRAISIER_LOG").config
    assert (config.max_age, config.max_bytes, config.discard) == (60, -1, "new")


def test_what_an_operator_added_to_a_stream_stays(server: NatsServer) -> None:
    mine = StreamConfig(name="FRAISIER_LOG", subjects=["other.log"], max_msg_size=20_000)
    on(server, lambda client: client.jetstream().add_stream(mine))
    with connected(server.url) as sink:
        sink.look({})
        assert sink.publish([notice(1, kind="log.line", data={"text": "x" * 30_000})]) == 1
    config = stream(server, "FRAISIER_LOG").config
    assert config.subjects == ["other.log", "fraisier.log.>"]
    assert config.max_msg_size == 20_000
    (event,) = bus(server.url).replay()
    assert event.data["truncated"] is True
    assert event.data["service"] == "my_api"
    assert event.data["text"] == "x" * 4096


def test_a_stream_that_forgets_what_was_read_is_refused_with_what_to_do(
    server: NatsServer,
) -> None:
    wrong = StreamConfig(
        name="FRAISIER_LOG", subjects=["fraisier.log.>"], retention=RetentionPolicy.WORK_QUEUE
    )
    on(server, lambda client: client.jetstream().add_stream(wrong))
    with connected(server.url) as sink:
        with pytest.raises(SinkUnavailable, match="FRAISIER_LOG cannot take events") as caught:
            sink.look({})
        assert "remove or rename" in caught.value.hint
        assert "FRAISIER_LOG" in sink.trouble


def test_a_stream_of_others_in_the_way_is_named(server: NatsServer) -> None:
    wide = StreamConfig(name="EVERYTHING", subjects=["fraisier.>"])
    on(server, lambda client: client.jetstream().add_stream(wide))
    with connected(server.url) as sink, pytest.raises(SinkUnavailable, match="overlap") as caught:
        sink.look({})
    assert "account of its own" in caught.value.hint


def test_a_server_without_jetstream_says_so() -> None:
    class Plain(NatsServer):
        """One without a store."""

        def _command(self, folder: Path, port: int) -> list[str]:
            return [word for word in super()._command(folder, port) if word != "--jetstream"][:-2]

    plain = Plain()
    try:
        with connected(plain.url) as sink, pytest.raises(SinkUnavailable) as caught:
            sink.look({})
        assert "JetStream" in caught.value.message
        assert "--jetstream" in caught.value.hint
    finally:
        plain.close()


def test_too_little_storage_is_said_with_the_setting(tmp_path: Path) -> None:
    config = tmp_path / "small.conf"
    config.write_text("jetstream: {max_file_store: 100MB}\n")
    small = NatsServer("--config", str(config))
    try:
        with connected(small.url) as sink, pytest.raises(SinkUnavailable) as caught:
            sink.look({})
        assert "FRAISIER_NATS_MAX_BYTES" in caught.value.hint, caught.value
    finally:
        small.close()


def test_an_event_larger_than_the_server_takes_is_cut_and_holds_nothing_up(
    server: NatsServer, sink: JetStreamSink
) -> None:
    many = {f"key{n}": n for n in range(200_000)}
    notices = [
        notice(1, kind="log.line", data={"text": "é" * 3_000_000, "step": "build"}),
        notice(2, kind="log.line", data=many),
        notice(3, kind="log.line"),
    ]
    assert sink.publish(notices) == 3
    first, second, third = bus(server.url).replay()
    assert (first.data["step"], first.data["text"]) == ("build", "é" * 4096)
    assert first.data["truncated"] is second.data["truncated"] is True
    assert "key1" not in second.data
    assert third.data["number"] == 3


def test_nothing_is_published_before_the_streams_of_this_session_were_looked_at(
    server: NatsServer, sink: JetStreamSink
) -> None:
    assert sink.publish([notice(1)]) == 1
    server.wipe()
    until(lambda: "anew" in refusal(sink), 60)
    assert sink.trouble == "the connection to NATS has begun anew"
    with pytest.raises(Exception, match="not found"):
        stream(server, "FRAISIER_LOG")


def refusal(sink: JetStreamSink) -> str:
    """Return why a sink does not take an event."""
    try:
        sink.publish([notice(1)])
    except SinkUnavailable as error:
        return error.message
    return ""


# --- who hears what ------------------------------------------------------------------------


def test_the_example_of_the_documentation_works(
    server: NatsServer,
    sink: JetStreamSink,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As DOCUMENTATION_PLAN has it; only `listen` is added, as every program needs it."""
    monkeypatch.setenv("FRAISIER_NATS_URL", server.url)

    from fraisier.nats import EventFilter, EventSubscriberRegistry, get_event_bus

    registry = EventSubscriberRegistry()

    def handle_deployment_started(event):  # type: ignore[no-untyped-def]
        print(f"Deployment started: {event.data['service']}")

    registry.register(handle_deployment_started, EventFilter(event_type="deployment.started"))

    assert get_event_bus().url == server.url
    said: list[str] = []
    with Listening(registry) as listening_:
        until(lambda: listening(server.url)["deployment"], 60)
        sink.publish([started(), notice(2)])
        until(lambda: said.append(capsys.readouterr().out) or said[-1], 60)
    assert listening_.count == 1
    assert "".join(said) == "Deployment started: my_api\n"


def started(of: str = "dep_1", **more: Any) -> Any:
    """Return that a deployment began."""
    return notice(1, of, "deployment.started", **more)


def test_a_listener_hears_what_it_asked_for_and_within_a_moment(
    server: NatsServer, sink: JetStreamSink
) -> None:
    wanted = EventFilter(event_type=["deployment.*", "log.line"], environment="prod*")
    with Listener(server.url, wanted) as listener:
        until(lambda: all(listening(server.url)[family] for family in wanted.families()), 60)
        began = time.monotonic()
        sink.publish([started(), notice(2, environment="staging"), notice(3)])
        until(lambda: len(listener.events) == 2, 60)
        assert time.monotonic() - began < 5, "it was not told, it looked"
    assert {event.event_type for event in listener.events} == {"deployment.started", "log.line"}


def test_a_durable_listener_goes_on_where_it_was(server: NatsServer, sink: JetStreamSink) -> None:
    how = {"durable": "notes", "since": datetime.now(UTC) - timedelta(hours=1)}
    story = stories(2, 40)
    sink.publish(story[:30])
    with Listener(server.url, **how) as first:
        until(lambda: len(first.events) == 30)
    sink.publish(story[30:])
    with Listener(server.url, **how) as second:
        until(lambda: len(second.events) == 50, 60)
        sink.publish([notice(41, "dep_0")])
        until(lambda: len(second.events) > 50, 60)
    assert len(second.events) == 51, "nothing came before it that was handled already"
    assert not {e.event_id for e in first.events} & {e.event_id for e in second.events}


def test_a_durable_listener_that_died_gets_again_what_it_had_not_settled_in_order(
    server: NatsServer, sink: JetStreamSink
) -> None:
    class Died(BaseException):
        """The end of the process, as far as a test can show it."""

    heard: list[int] = []

    def handle(event: Event) -> None:
        if event.sequence == 5:
            raise Died
        heard.append(event.sequence)

    registry = EventSubscriberRegistry(bus(server.url))
    registry.register(handle, EventFilter(event_type="log.line"))
    begin = "2020-01-01T00:00:00Z"
    sink.publish([notice(number, kind="log.line") for number in range(1, 31)])
    with pytest.raises(Died):
        registry.listen(durable="d", since=begin)
    assert heard == [1, 2, 3, 4]
    sink.publish([notice(number, kind="log.line") for number in range(31, 41)])
    with Listener(server.url, EventFilter("log.line"), durable="d") as next_one:
        until(lambda: len(next_one.events) >= 36)
    numbers = [event.sequence for event in next_one.events]
    assert numbers[-36:] == [*range(5, 41)]
    assert disorder(next_one.events) == []


def test_a_failing_handler_is_tried_again_and_at_last_a_dead_letter_says_why(
    server: NatsServer, sink: JetStreamSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "PAUSES", (0.1, 0.2))
    tried: list[float] = []
    healed: list[int] = []
    well: list[int] = []

    def fails(event: Event) -> None:
        if event.sequence == 1:
            tried.append(time.monotonic())
            raise RuntimeError("no such\r\nroom")
        healed.append(event.sequence)
        if healed.count(event.sequence) == 1:
            raise ValueError("once")

    registry = EventSubscriberRegistry(bus(server.url))
    registry.register(fails, EventFilter("deployment.*"))
    registry.register(lambda event: well.append(event.sequence))
    with Listening(registry, durable="chat", max_deliver=4):
        until(lambda: listening(server.url)["deployment"], 60)
        sink.publish([started(), started(sequence=2, event_id="e2")])
        until(lambda: len(healed) == 2 and dead_letters(server) == 1, 60)
    pauses = [late - early for early, late in pairwise(tried)]
    assert len(tried) == 4
    assert all(taken >= least for taken, least in zip(pauses, (0.1, 0.2, 0.2), strict=True))
    assert healed == [2, 2]
    assert well == [1, 2], "the handler that was well had an event twice"

    async def dead(client: Any) -> Any:
        jetstream = client.jetstream()
        left = (await jetstream.consumer_info("FRAISIER_DEPLOYMENT", "chat")).num_ack_pending
        return left, await jetstream.get_msg("FRAISIER_DEAD_LETTER", 1)

    left, letter = on(server, dead)
    assert left == 0
    assert letter.subject == "fraisier.dead_letter.chat"
    assert letter.headers["Fraisier-Reason"] == "RuntimeError: no such room"
    assert letter.headers["Fraisier-Stream"] == "FRAISIER_DEPLOYMENT"
    assert letter.headers["Fraisier-Tries"] == "4"
    assert json.loads(letter.data)["event_id"] == "evt_dep_1_1"


def test_a_message_that_is_no_event_becomes_a_dead_letter_and_stops_nobody(
    server: NatsServer, sink: JetStreamSink
) -> None:
    with Listener(server.url, durable="all") as listener:
        until(lambda: all(listening(server.url).values()))
        for body in (b"\xff", b"[" * 100_000, b"null", b'{"event_id": 1}'):
            on(server, lambda client, body=body: client.jetstream().publish("fraisier.log.x", body))
        sink.publish([notice(3)])
        until(lambda: len(listener.events) == 1)
    assert dead_letters(server) == 4


def dead_letters(server: NatsServer) -> int:
    """Return how many dead letters there are."""
    try:
        return int(stream(server, "FRAISIER_DEAD_LETTER").state.messages)
    except NotFoundError:
        return 0


def test_a_coroutine_may_be_a_handler(server: NatsServer, sink: JetStreamSink) -> None:
    heard: list[str] = []

    async def handle(event: Event) -> None:
        await asyncio.sleep(0)
        heard.append(event.event_id)

    registry = EventSubscriberRegistry(bus(server.url))
    registry.register(handle)
    sink.publish([started()])
    with Listening(registry, since="2020-01-01T00:00:00Z"):
        until(lambda: heard, 60)
    assert heard == ["evt_dep_1_1"]


def test_a_replay_begins_at_a_moment_or_a_sequence(server: NatsServer, sink: JetStreamSink) -> None:
    now = datetime.now(UTC)
    for number in range(1, 11):
        at = now - timedelta(minutes=10 - number)
        sink.publish([notice(number, kind="log.line", at=int(at.timestamp() * 1e6))])
    sink.publish([started()])
    found = bus(server.url)
    since = [event.sequence for event in found.replay(since=now - timedelta(minutes=3, seconds=5))]
    assert sorted(since) == [1, 7, 8, 9, 10]
    lines = EventFilter(event_type="log.line")
    assert [event.stream_sequence for event in found.replay(lines, sequence=8)] == [8, 9, 10]
    assert len(list(found.replay(EventFilter(event_type="audit.*")))) == 0
    with pytest.raises(UsageError, match="sequences of its own"):
        next(found.replay(sequence=1))


def test_a_replay_before_anything_was_published_is_empty(server: NatsServer) -> None:
    assert list(bus(server.url).replay()) == []


def test_a_listener_may_come_before_the_streams(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fraisier.nats")
    with Listener(server.url) as listener:
        until(lambda: "events arrive" in caplog.text)
        with connected(server.url) as sink:
            sink.look({})
            sink.publish([notice(1)])
            until(lambda: len(listener.events) == 1)


def test_what_was_told_again_after_a_loss_is_no_news(server: NatsServer) -> None:
    """A listener without a past is spared the old stories, not the new ones."""
    old = notice(1, at=int((time.time() - 3600) * 1e6))
    with connected(server.url) as sink:
        sink.look({})
        with Listener(server.url) as listener:
            until(lambda: all(listening(server.url).values()))
            sink.publish([old])
            until(lambda: len(listener.events) == 1)
            server.wipe()
            until(lambda: "anew" in refusal(sink), 60)
            sink.look({})
            sink.publish([old, notice(1, "dep_old", at=old.at), notice(2)])
            until(lambda: len(listener.events) == 2, 60)  # they come in this order
    assert [event.event_id for event in listener.events] == ["evt_dep_1_1", "evt_dep_1_2"]


def test_where_nats_is_off_a_listener_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRAISIER_NATS_URL", raising=False)
    registry = EventSubscriberRegistry()
    registry.register(print)
    with pytest.raises(UsageError, match="NATS is off") as caught:
        registry.listen(seconds=1)
    assert "FRAISIER_NATS_URL" in caught.value.hint
    assert get_event_bus().url is None
