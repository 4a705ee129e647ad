"""Logs are followed live: what is sent, from where on, to how many, and until when."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fraisier.domain.deployment import Status
from fraisier.domain.errors import TooManyStreams, Unavailable
from fraisier.domain.event import Fact
from fraisier.domain.token import Scope
from fraisier.engine.following import Cut, Following, Limits, Viewer
from support.fakes import begin

LIVE = {"Accept": "text/event-stream"}
LINE = Fact("log.line", "web-1", {"text": "built\nas ☃ said", "step": "build"})


def messages(text: str) -> list[dict[str, str]]:
    """Return the messages of a stream, each by its fields; comments are left out."""
    blocks = [block.splitlines() for block in text.split("\n\n") if block]
    fields = [[line for line in block if not line.startswith(":")] for block in blocks]
    return [dict(line.split(": ", 1) for line in block) for block in fields if block]


@pytest.fixture
def ended(server) -> str:
    """Return a deployment that has ended and said something."""
    asked = server.deploy()["id"]
    held = begin(server.store, asked)
    server.store.record(held, [LINE, Fact("runner.task_ok", "web-1", {"task": "x"}), LINE])
    server.store.finish(held, Status.SUCCESS, "as the test says")
    return asked


def live(server, path: str, **headers: str) -> Any:
    return server.get(path, headers={**LIVE, **headers})


def ids(text: str) -> list[int]:
    return [int(each["id"]) for each in messages(text) if "id" in each]


def test_a_stream_holds_what_a_page_holds_and_says_that_it_has_ended(server, ended: str) -> None:
    page = server.get(f"/deployments/{ended}/events").get_json()["events"]
    answer = live(server, f"/deployments/{ended}/events")
    assert answer.status_code == 200
    assert answer.content_type == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    first, *told, last = messages(answer.text)
    assert first == {"retry": "2000"}
    assert [json.loads(each["data"]) for each in told] == page
    assert [(int(each["id"]), each["event"]) for each in told] == [
        (each["sequence"], each["type"]) for each in page
    ]
    assert told[-1]["event"] == "deployment.completed"
    assert (last["event"], json.loads(last["data"])) == ("end", {"deployment_id": ended})
    assert "id" not in last


def test_a_stream_of_logs_holds_the_lines_only(server, ended: str) -> None:
    page = server.get(f"/deployments/{ended}/logs").get_json()["logs"]
    told = messages(live(server, f"/deployments/{ended}/logs").text)
    assert len(page) == 2
    assert [json.loads(each["data"]) for each in told if "id" in each] == page
    assert told[-1]["event"] == "end"


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html", ""])
def test_who_asks_for_no_stream_gets_a_page(server, ended: str, accept: str) -> None:
    answer = server.get(f"/deployments/{ended}/events", headers={"Accept": accept})
    assert answer.get_json()["total"] == 7


def test_every_place_in_a_log_is_resumed_with_exactly_what_is_missing_i11(
    server, ended: str
) -> None:
    for seen in range(8):
        told = live(server, f"/deployments/{ended}/events", **{"Last-Event-ID": str(seen)})
        assert ids(told.text) == [*range(seen + 1, 8)]
        assert messages(told.text)[-1]["event"] == "end"
        assert ids(live(server, f"/deployments/{ended}/events?after={seen}").text) == [
            *range(seen + 1, 8)
        ]


def test_the_header_counts_where_a_parameter_is_given_too(server, ended: str) -> None:
    told = live(server, f"/deployments/{ended}/events?after=1", **{"Last-Event-ID": "5"})
    assert ids(told.text) == [6, 7]


@pytest.mark.parametrize(
    "given", ["-1", "text", "", "8", "99999999999999999999", "1.5", "0x1", "\u0661", "1;2", "é"]
)
def test_an_id_that_no_event_has_is_refused_with_what_to_do(server, ended: str, given: str) -> None:
    answer = live(server, f"/deployments/{ended}/events", **{"Last-Event-ID": given})
    said = answer.get_json()
    assert (answer.status_code, said["code"]) == (422, "invalid_arguments")
    assert "Last-Event-ID" in said["detail"]
    assert said["hint"]
    page = server.get(f"/deployments/{ended}/events", headers={"Last-Event-ID": given})
    assert page.status_code == 200, "pages do not look at it"


def test_a_parameter_beyond_the_log_is_refused_for_a_stream(server, ended: str) -> None:
    assert live(server, f"/deployments/{ended}/events?after=8").status_code == 422
    assert live(server, f"/deployments/{ended}/events?after=-1").status_code == 422


def test_a_stream_needs_a_deployment_and_a_token(server, ended: str) -> None:
    assert live(server, "/deployments/dep_none/events").status_code == 404
    answer = server.ask("GET", f"/api/v1/deployments/{ended}/events", scope=None, headers=LIVE)
    assert answer.status_code == 401
    head = server.ask("HEAD", f"/api/v1/deployments/{ended}/events", headers=LIVE)
    assert (head.status_code, head.data) == (200, b"")
    assert server.services.following.count == 0


class Ear:
    """A wire that keeps what it is told. `takes` False: nothing leaves."""

    def __init__(self, takes: bool = True) -> None:
        self.gone = False
        self.told = b""
        self.closed = threading.Event()
        self.heard = threading.Event()
        self._takes = takes

    @property
    def pending(self) -> int:
        return 0 if self._takes else len(self.told)

    @property
    def unread(self) -> int:
        return self.pending

    def write(self, data: bytes) -> None:
        self.told += data
        self.heard.set()

    def close(self) -> None:
        self.closed.set()

    @property
    def reason(self) -> str:
        """Wait for the end and return why it came."""
        assert self.closed.wait(20)
        last = messages(self.told.decode())[-1]
        assert last["event"] == "cut"
        return str(json.loads(last["data"])["reason"])


def following(server, **limits: Any) -> Following:
    """Return the server's, with other limits."""
    object.__setattr__(server.services, "limits", Limits(**{"tick": 0.01, **limits}))
    vars(server.services).pop("following", None)
    return server.services.following


def look_on(following: Following, viewer: Viewer, ear: Ear) -> Ear:
    following.admit(viewer)
    following.begin(viewer, ear)
    return ear


@pytest.fixture
def running(server) -> Iterator[Any]:
    """Return a deployment that goes on."""
    yield begin(server.store, server.deploy()["id"])
    server.stop.drain.set()
    server.services.following.join(20)


def reader(server, running: Any, seen: int = 0) -> Viewer:
    return Viewer(running.id, seen, False, server.ids[Scope.READ])


def test_what_is_recorded_later_is_told_once_to_everyone(server, running: Any) -> None:
    tell = following(server)
    ears = [look_on(tell, reader(server, running, seen), Ear()) for seen in (0, 0, 2)]
    for _ in range(5):
        server.store.record(running, [LINE] * 3)
    server.store.finish(running, Status.SUCCESS, "")
    for ear, first in zip(ears, (1, 1, 3), strict=True):
        assert ear.closed.wait(20)
        assert ids(ear.told.decode()) == [*range(first, 20)]
        assert messages(ear.told.decode())[-1]["event"] == "end"
    assert tell.count == 0


def test_a_log_longer_than_a_page_is_told_whole(server, running: Any) -> None:
    server.store.record(running, [LINE] * 1234)
    server.store.finish(running, Status.SUCCESS, "")
    ear = look_on(following(server), reader(server, running), Ear())
    assert ear.closed.wait(20)
    assert ids(ear.told.decode()) == [*range(1, 1239)]


def test_an_event_is_read_and_encoded_once_for_many_viewers(
    server, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell, asked = following(server), []
    plain = type(server.store).events
    monkeypatch.setattr(
        type(server.store),
        "events",
        lambda self, *more: asked.append(more) or plain(self, *more),
    )
    ears = [look_on(tell, reader(server, running, 2), Ear()) for _ in range(50)]
    server.store.record(running, [LINE])
    for ear in ears:
        assert ear.heard.wait(20)
    assert asked == [(running.id, 2, 500)]


def test_a_revoked_token_ends_its_streams_within_a_second_and_no_other_s3(
    server, running: Any
) -> None:
    tell = following(server)
    mine = look_on(tell, reader(server, running), Ear())
    other = Viewer(running.id, 0, False, server.ids[Scope.ADMIN])
    theirs = look_on(tell, other, Ear())
    server.tokens.revoke(server.ids[Scope.READ], "cli:me")
    assert mine.reason == Cut.UNAUTHORIZED
    assert not theirs.closed.is_set()
    assert Limits().authorise + Limits().tick < 1, "and that is how often it is asked for"


def test_an_expired_token_ends_its_streams_s3(server, running: Any) -> None:
    soon, _ = server.tokens.create("soon", Scope.READ, 0.3 / 86_400, "cli:me")
    ear = look_on(following(server), Viewer(running.id, 0, False, soon.id), Ear())
    assert ear.reason == Cut.UNAUTHORIZED


def test_a_viewer_that_takes_nothing_is_cut_and_costs_no_more_than_a_bound_i16(
    server, running: Any
) -> None:
    tell = following(server, patience=0.2)
    slow = look_on(tell, reader(server, running), Ear(takes=False))
    big = Fact("log.line", "web-1", {"text": "x" * 10_000, "step": "build"})
    server.store.record(running, [big] * 200)
    assert slow.reason == Cut.SLOW
    assert len(slow.told) < 6 << 20
    whole = look_on(tell, reader(server, running, max(ids(slow.told.decode()))), Ear())
    server.store.finish(running, Status.SUCCESS, "")
    assert whole.closed.wait(20)
    assert ids(slow.told.decode()) + ids(whole.told.decode()) == [*range(1, 205)]


def test_a_viewer_of_a_quiet_stream_that_takes_no_heartbeats_is_cut_i16(
    server, running: Any
) -> None:
    tell = following(server, patience=0.05, heartbeat=0.02)
    assert look_on(tell, reader(server, running, 2), Ear(takes=False)).reason == Cut.SLOW
    taking = look_on(tell, reader(server, running, 2), Ear())
    assert not taking.closed.wait(0.5)
    assert len(taking.told) > 10_000, "buffers that nobody empties are full after some minutes"


def test_a_viewer_that_takes_a_little_at_a_time_is_not_idle() -> None:
    viewer = Viewer("dep_1", 0, False, "tok_1", taken_at=time.monotonic() - 60)
    assert viewer.idle(0) < 1, "nothing waits"
    viewer.wrote(1000)
    viewer.taken_at -= 60
    assert viewer.idle(1010) >= 60, "1000 bytes and their frame wait"
    assert viewer.idle(1009) < 1, "one was taken"
    viewer.taken_at -= 60
    viewer.wrote(1000)
    assert viewer.idle(2019) >= 60, "more was sent, nothing was taken"


def test_a_viewer_that_has_gone_is_forgotten(server, running: Any) -> None:
    tell, ear = following(server), Ear()
    look_on(tell, reader(server, running), ear)
    assert ear.heard.wait(20)
    ear.gone = True
    tell.join(20)
    assert tell.count == 0, "and its thread has ended"


def test_a_stream_with_nothing_to_say_says_that_it_lives(server, running: Any) -> None:
    ear = look_on(following(server, heartbeat=0.05), reader(server, running, 2), Ear())
    assert ear.heard.wait(20)
    assert ear.told.startswith(b": ")


def test_a_server_that_drains_ends_streams_and_lets_nobody_in(server, running: Any) -> None:
    tell = following(server)
    ear = look_on(tell, reader(server, running), Ear())
    server.stop.drain.set()
    assert ear.reason == Cut.STOPPING
    answer = live(server, f"/deployments/{running.id}/events")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]


def test_a_database_that_is_gone_ends_streams_rather_than_trust_old_rights(
    server, running: Any
) -> None:
    tell = following(server, outage=0.05)
    ear = look_on(tell, reader(server, running), Ear())
    assert ear.heard.wait(20)
    server.store._engine.dispose()
    (server.folder / "records.db").write_text("no database any more")
    for left in ("records.db-wal", "records.db-shm"):
        (server.folder / left).unlink(missing_ok=True)
    assert ear.reason == Cut.UNAVAILABLE


def test_streams_are_capped_for_a_token_and_for_the_server_i16(server, running: Any) -> None:
    tell = following(server, streams=3, of_token=2)
    mine = [reader(server, running) for _ in range(2)]
    for viewer in mine:
        tell.admit(viewer)
    other = Viewer(running.id, 0, False, server.ids[Scope.ADMIN])
    with pytest.raises(TooManyStreams, match="this token has too many streams"):
        tell.admit(reader(server, running))
    tell.admit(other)
    with pytest.raises(Unavailable, match="the server has too many streams"):
        tell.admit(Viewer(running.id, 0, False, server.ids[Scope.DEPLOY]))
    tell.leave(other)
    tell.leave(other)
    tell.admit(Viewer(running.id, 0, False, server.ids[Scope.DEPLOY]))


@pytest.mark.parametrize(
    ("limits", "status", "code"),
    [({"of_token": 0}, 429, "too_many_streams"), ({"streams": 0}, 503, "unavailable")],
)
def test_one_stream_too_many_is_told_when_to_come_again_i16(
    server, ended: str, limits: dict[str, int], status: int, code: str
) -> None:
    few = dataclasses.replace(server.services, limits=Limits(**limits))
    headers = {**LIVE, "Authorization": f"Bearer {server.secrets[Scope.READ]}"}
    client = server.serve(few)
    answer = client.get(f"/api/v1/deployments/{ended}/events", headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert answer.headers["Retry-After"] == "2"
    assert answer.content_type == "application/problem+json"
