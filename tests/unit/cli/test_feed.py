"""Events that a server streams to who follows a deployment, and what is made of a bad stream."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import requests

from fraisier.cli import control as controls
from fraisier.cli import feed as feeds
from fraisier.cli.client import RemoteControl
from fraisier.cli.control import follow
from fraisier.cli.feed import ServerFeed
from fraisier.cli.transport import Transport
from fraisier.domain.deployment import Status
from fraisier.domain.errors import FraisierError
from support import samples
from support.stub import Asked, Reply, serving

STREAM = {"Content-Type": "text/event-stream"}
TOKEN = "fra_a-token-that-nobody-may-see"


def said(*sequences: int) -> list[bytes]:
    """Return the lines of a stream that tells these events."""
    told = [json.dumps(samples.event(each, "log.line")).encode() for each in sequences]
    return [line for each in told for line in (b"id: 1", b"event: log.line", b"data: " + each, b"")]


END = [b"event: end", b'data: {"deployment_id": "dep_1"}', b""]
CUT = [b"event: cut", b'data: {"reason": "slow"}', b""]


def heard(feed: ServerFeed, after: int, last: int) -> list[int]:
    """Return the sequence numbers that a feed brings up to the last."""
    found: list[int] = []
    while last not in found:
        news = feed.news((found or [after])[-1], 20)
        assert news, (found, news)
        found += [event["sequence"] for event in news]
    return found


class Opened:
    """Streams that a test scripts: the first, the second, ...; after them, silence."""

    def __init__(self, *streams: Iterable[bytes]) -> None:
        self.streams = list(streams)
        self.after: list[int] = []

    def __call__(self, after: int) -> Iterable[bytes]:
        self.after.append(after)
        return self.streams.pop(0) if self.streams else iter(())


def test_what_is_recorded_is_brought_as_it_is_told_each_once() -> None:
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    opened = Opened(iter(lines.get, b"stop"))
    feed = ServerFeed(opened)
    for line in (b"retry: 2000", b"", b": alive", b"", *said(4, 5)):
        lines.put(line)
    assert heard(feed, 3, 5) == [4, 5]
    assert feed.news(5, 0.01) == []
    for line in said(5, 6):
        lines.put(line)
    assert heard(feed, 5, 6) == [6]
    assert opened.after == [3]
    lines.put(b"stop")


def test_after_the_end_it_is_asked_for_and_no_stream_is_opened_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeds, "AGAIN_SECONDS", 0.0)
    opened = Opened([*said(1), *END, *said(2)])
    feed = ServerFeed(opened)
    assert heard(feed, 0, 1) == [1]
    assert feed.news(1, 20) is None
    assert feed.news(1, 20) is None
    assert opened.after == [0]


def test_a_stream_that_was_cut_goes_on_after_what_was_seen_but_not_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = Opened([*said(1, 2), *CUT], said(3))
    feed = ServerFeed(opened)
    assert heard(feed, 0, 2) == [1, 2]
    assert feed.news(2, 20) is None
    assert feed.news(2, 20) is None
    assert opened.after == [0]
    now = feeds.time.monotonic() + feeds.AGAIN_SECONDS
    monkeypatch.setattr(feeds.time, "monotonic", lambda: now)
    assert heard(feed, 2, 3) == [3]
    assert opened.after == [0, 2]


def _breaks(*lines: bytes, by: Exception) -> Iterator[bytes]:
    yield from lines
    raise by


@pytest.mark.parametrize(
    "stream",
    [
        (),
        [b"<html>", b""],
        [b"data: {", b""],
        [b"data: {}", b""],
        [b'data: {"sequence": "1", "type": "", "at": "", "host": "", "data": {}}', b""],
        [b"data: \xff", b""],
        [b"data: " + b"[" * 100_000, b""],
        _breaks(by=requests.ConnectionError("gone")),
        _breaks(by=FraisierError("no")),
        _breaks(b": alive", b"", by=requests.ReadTimeout("silent")),
    ],
)
def test_what_a_stream_does_not_bring_is_asked_for(stream: Iterable[bytes]) -> None:
    feed = ServerFeed(Opened(stream))
    while (news := feed.news(0, 20)) == []:
        pass
    assert news is None


def test_what_was_told_right_before_the_end_is_brought() -> None:
    ended, before = threading.Event(), {*threading.enumerate()}

    def lines() -> Iterator[bytes]:
        yield from said(1)
        ended.wait(20)
        yield from (*said(2), *END)

    feed = ServerFeed(Opened(lines()))
    assert heard(feed, 0, 1) == [1]
    (reader,) = {*threading.enumerate()} - before
    ended.set()
    reader.join(20)
    assert heard(feed, 1, 2) == [2]
    assert feed.news(2, 20) is None


def test_what_breaks_off_in_the_middle_has_brought_what_it_told() -> None:
    feed = ServerFeed(Opened(_breaks(*said(1, 2), b"data: {", by=requests.ConnectionError("gone"))))
    assert heard(feed, 0, 2) == [1, 2]
    assert feed.news(2, 20) is None


def test_a_gap_is_asked_for() -> None:
    feed = ServerFeed(Opened(said(2)))
    while (news := feed.news(0, 20)) == []:
        pass
    assert news is None


def test_a_stream_that_says_nothing_is_not_waited_for() -> None:
    """A proxy may hold a stream back to its end."""
    silence = threading.Event()
    feed = ServerFeed(Opened(iter(lambda: silence.wait(20), True)))
    assert feed.news(0, 0.01) is None
    assert feed.news(0, 0.01) is None
    silence.set()


class Heard:
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.reasons: list[str] = []

    def tell(self, events: Any) -> None:
        self.told += [event["sequence"] for event in events]

    def waiting(self, reason: str) -> None:
        self.reasons.append(reason)

    def outage(self, error: FraisierError) -> None:
        raise error


def _server(stream: Reply, recorded: int, looks: list[Asked]) -> Any:
    """Script a server: a deployment with so many events, which ends at the second look."""

    def script(asked: Asked) -> Reply:
        if asked.headers["Accept"] == "text/event-stream":
            return stream
        if "/events" in asked.path:
            after = int(asked.path.partition("after=")[2].partition("&")[0])
            found = [samples.event(each, "log.line") for each in range(after + 1, recorded + 1)]
            return Reply(body={"events": found if looks[1:] else []})
        looks.append(asked)
        return Reply(body=samples.details(Status.SUCCESS if looks[1:] else Status.IN_PROGRESS))

    return script


def test_who_follows_hears_the_stream_and_looks_again_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(controls.time, "sleep", pytest.fail)
    lines = b"\n".join([*said(1, 2, 3), *END]).decode() + "\n"
    looks: list[Asked] = []
    with serving(_server(Reply(body=lines, headers=STREAM), 4, looks)) as stub:
        watch = Heard()
        control = RemoteControl(Transport(stub.url, TOKEN))
        assert follow(control, "dep_1", watch)["status"] == "success"
    assert watch.told == [1, 2, 3, 4]
    (asked,) = [each for each in stub.asked if each.headers["Accept"] == "text/event-stream"]
    assert asked.path == "/api/v1/deployments/dep_1/events?after=0"
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "stream",
    [
        Reply(503, {"detail": "too many streams"}, {"Content-Type": "application/problem+json"}),
        Reply(429, "", {"Retry-After": "1"}),
        Reply(302, "", {"Location": "http://127.0.0.1:9/elsewhere"}),
        Reply(200, "<html>a proxy's own page</html>", {"Content-Type": "text/html"}),
        Reply(drop=True),
    ],
)
def test_without_a_stream_it_is_looked_at_again_and_again(
    stream: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controls, "POLL_SECONDS", 0.01)
    looks: list[Asked] = []
    with serving(_server(stream, 2, looks)) as stub:
        watch = Heard()
        control = RemoteControl(Transport(stub.url, TOKEN))
        assert follow(control, "dep_1", watch)["status"] == "success"
    assert watch.told == [1, 2]


class Talking:
    """A control whose feed brings an event at each question; it never ends by itself."""

    def __init__(self, blocker: str | None = None) -> None:
        self.blocker = blocker
        self.looks = 0
        self.clock = 0.0

    def feed(self, _deployment_id: str) -> Talking:
        return self

    def news(self, after: int, seconds: float) -> list[dict[str, Any]]:
        self.clock += seconds
        return [samples.event(after + 1, "log.line")]

    def close(self) -> None:
        self.looks = -self.looks

    def deployment(self, _deployment_id: str) -> dict[str, Any]:
        self.looks += 1
        return {**samples.details(Status.IN_PROGRESS), "waiting_for": self.blocker}

    def events(self, _deployment_id: str, after: int) -> list[dict[str, Any]]:
        return []


@pytest.mark.parametrize(("blocker", "looks"), [(None, 7), ("a freeze", 61)])
def test_while_it_is_told_it_is_looked_at_seldom(
    blocker: str | None, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, watch = Talking(blocker), Heard()
    monkeypatch.setattr(controls.time, "monotonic", lambda: control.clock)
    monkeypatch.setattr(controls.time, "sleep", pytest.fail)
    follow(control, "dep_1", watch, lambda: control.clock >= 60)  # type: ignore[arg-type]
    assert control.looks == -looks  # and the feed was closed
    assert watch.told == list(range(1, 121))
