"""Every recorded event reaches every sink, in order, whatever commits when and whoever dies."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import delete

from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import LeaseLost, SinkUnavailable
from fraisier.domain.event import Fact
from fraisier.domain.ids import now
from fraisier.domain.notice import Notice
from fraisier.domain.ports import NewDeployment
from fraisier.domain.retention import Retention
from fraisier.domain.worker import NewWorker
from fraisier.engine.relay import Relay
from fraisier.store import SqlStore
from fraisier.store.retention import prune
from fraisier.store.tables import relay_progress
from support.fakes import make_target
from support.target import until

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    opened = SqlStore.open(database_url)
    yield opened
    opened._engine.dispose()


class Me:
    """A worker's place, always valid."""

    def __init__(self, store: SqlStore, name: str = "me") -> None:
        self.id = store.join(NewWorker(name, "serve", {}, 4), 300)

    def valid(self) -> bool:
        return True


class Listener:
    """A sink that keeps what it is given; `trouble(notices)` may say how many it takes."""

    def __init__(self, name: str, trouble: Callable[[int], int] = lambda count: count) -> None:
        self.name = name
        self.heard: list[Notice] = []
        self._trouble = trouble
        self.lost: int | None = None

    def look(self, state: Mapping[str, Any]) -> tuple[Mapping[str, Any], int | None]:
        lost, self.lost = self.lost, None
        return {"looks": state.get("looks", 0) + 1}, lost

    def publish(self, notices: Sequence[Notice]) -> int:
        count = self._trouble(len(notices))
        self.heard += notices[:count]
        if not count:
            raise SinkUnavailable("it takes nothing")
        return count

    def sequences(self) -> dict[str, list[int]]:
        found = defaultdict(list)
        for notice in self.heard:
            if notice.deployment_id == notice.stream_id:
                found[notice.stream_id].append(notice.sequence)
        return found


def asked(store: SqlStore, fraise: str = "my_api") -> Deployment:
    target = make_target(fraise=fraise)
    return store.request(NewDeployment("deploy", target, SHA, None, "rolling", "cli:ada"))


def told_to_the_end(store: SqlStore, by: Me, found: Deployment, lines: int) -> None:
    held = store.claim(found.id, by.id)
    assert held is not None
    for number in range(lines):
        store.record(held, [Fact("log.line", "web-1", {"text": str(number)})] * 3)
    store.finish(held, Status.SUCCESS, "")


def all_told(store: SqlStore, *sinks: Listener) -> bool:
    return all(not store.untold(sink.name, 1) for sink in sinks)


def test_writers_that_commit_out_of_order_hide_nothing(store: SqlStore) -> None:
    me, sink = Me(store), Listener("all")
    names = [f"api_{number}" for number in range(8)]
    with Relay(store, [sink], me), ThreadPoolExecutor(8) as writers:
        wanted = [asked(store, name) for name in names]
        for work in [writers.submit(told_to_the_end, store, me, each, 15) for each in wanted]:
            work.result()
        until(lambda: all_told(store, sink), 60)
    for deployment in wanted:
        count = store.count_events(deployment.id)
        assert count >= 48
        assert sink.sequences()[deployment.id] == [*range(1, count + 1)], "in order, none twice"


def test_a_notice_says_all_of_its_deployment(store: SqlStore) -> None:
    me, sink = Me(store), Listener("one")
    found = asked(store)
    store.cancel(found.id, "cli:ada")
    with Relay(store, [sink], me):
        until(lambda: len(sink.heard) >= 6)
    first = next(notice for notice in sink.heard if notice.stream_id == found.id)
    told = first.payload("ins_1")
    assert told["event_type"] == "deployment.queued"
    assert (told["service"], told["fraise"], told["environment"]) == ("my_api",) * 2 + (
        "production",
    )
    assert told["data"]["service"] == "my_api"
    assert (told["deployment_id"], told["trace_id"]) == (found.id, found.trace_id)
    assert (told["version"], told["strategy"], told["sequence"]) == (SHA, "rolling", 1)
    assert told["timestamp"].endswith("Z")
    types = [notice.event_type for notice in sink.heard]
    assert types.count("deployment.completed") == 1
    assert types.count("audit.deploy") == types.count("audit.cancel") == 1
    note = next(notice for notice in sink.heard if notice.event_type == "audit.cancel")
    assert (note.data["actor"], note.deployment_id) == ("cli:ada", found.id)
    assert (note.data["result"], note.region) == ("done", first.region)
    alike = ("fraise", "environment", "provider", "version", "strategy", "kind", "trace_id")
    for each in sink.heard:
        assert [getattr(each, name) for name in alike] == [getattr(first, name) for name in alike]
    end = next(notice for notice in sink.heard if notice.event_type == "deployment.cancelled")
    assert end.data["duration_seconds"] is None
    assert end.data["queue_seconds"] >= 0


def test_a_sink_that_is_away_delays_only_itself_and_loses_nothing(store: SqlStore) -> None:
    me, away = Me(store), threading.Event()
    deaf = Listener("deaf", lambda count: count if away.is_set() else 0)
    fine = Listener("fine")
    found = asked(store)
    with Relay(store, [deaf, fine], me):
        told_to_the_end(store, me, found, 5)
        until(lambda: all_told(store, fine))
        assert deaf.heard == []
        assert store.relay_lag()["deaf"] > 0
        assert store.relay_lag()["fine"] == 0
        away.set()
        until(lambda: all_told(store, deaf))
    assert deaf.sequences() == fine.sequences()


def test_what_a_sink_takes_in_part_goes_on_where_it_ended(store: SqlStore) -> None:
    me = Me(store)
    sink = Listener("slow", lambda count: min(count, 7))
    found = asked(store)
    told_to_the_end(store, me, found, 10)
    with Relay(store, [sink], me):
        until(lambda: all_told(store, sink), 60)
    assert sink.sequences()[found.id] == [*range(1, store.count_events(found.id) + 1)]


def test_one_worker_serves_a_sink_until_it_leaves(store: SqlStore) -> None:
    one, two = Me(store, "one"), Me(store, "two")
    assert store.hold_relay("nats", one.id) == {}
    assert store.hold_relay("nats", two.id) is None
    with pytest.raises(LeaseLost):
        store.told("nats", two.id, {"dep_1": 1})
    store.remember("nats", one.id, {"created": 5})
    store.leave(one.id)  # it died
    assert store.hold_relay("nats", two.id) == {"created": 5}
    with pytest.raises(LeaseLost):
        store.told("nats", one.id, {"dep_1": 1})
    with pytest.raises(LeaseLost):
        store.hold_relay("nats", one.id)


def test_two_workers_tell_each_event_once_while_both_live(store: SqlStore) -> None:
    sinks = [Listener("nats"), Listener("nats")]
    found = asked(store)
    workers = [Me(store, "one"), Me(store, "two")]
    with Relay(store, sinks[:1], workers[0]), Relay(store, sinks[1:], workers[1]):
        told_to_the_end(store, workers[0], found, 10)
        until(lambda: all_told(store, sinks[0]), 60)
    heard = [*sinks[0].heard, *sinks[1].heard]
    assert Counter(notice.event_id for notice in heard).most_common(1)[0][1] == 1
    assert len(heard) == store.count_events(found.id) + 1, "the log, and the note of the request"


def test_what_was_lost_is_told_again_to_who_lost_it_alone(store: SqlStore) -> None:
    me = Me(store)
    wiped, other = Listener("wiped"), Listener("other")
    before = asked(store, "before")
    with Relay(store, [wiped, other], me):
        told_to_the_end(store, me, before, 2)
        until(lambda: all_told(store, wiped, other))
    while store.settle_told():
        pass
    began = now()
    after = asked(store, "after")
    told_to_the_end(store, me, after, 2)
    store.unlock("none", "production", "r", "cli:ada")
    with Relay(store, [wiped, other], me):
        until(lambda: all_told(store, wiped, other))
    while store.settle_told():
        pass
    wiped.heard.clear()
    other.heard.clear()
    wiped.lost = began
    with Relay(store, [wiped, other], me):
        until(lambda: len(wiped.heard) > 8)
        until(lambda: all_told(store, wiped, other))
    assert set(wiped.sequences()) == {after.id}, "what was over before is not told again"
    assert wiped.sequences()[after.id] == [*range(1, store.count_events(after.id) + 1)]
    assert other.heard == []


def test_what_is_about_to_be_told_again_is_not_forgotten(store: SqlStore) -> None:
    """I12: a sink may say that it lost everything in the moment in which all are tidied up."""
    me, sink = Me(store), Listener("wiped")
    found = asked(store)
    told_to_the_end(store, me, found, 1)
    store.hold_relay("wiped", me.id)
    for notice in store.untold("wiped", 100):
        store.told("wiped", me.id, {notice.stream_id: notice.sequence})
    with ThreadPoolExecutor(1) as pool:
        with store._transaction() as telling:  # what `tell_again` does, stopped half-way
            store._require_relay(telling, "wiped", me.id)
            settled = pool.submit(store.settle_told)
            with suppress(TimeoutError):
                settled.result(1)
            telling.execute(delete(relay_progress).where(relay_progress.c.sink == "wiped"))
        assert settled.result(30) == 0
    with Relay(store, [sink], me):
        until(lambda: all_told(store, sink))
    assert sink.sequences()[found.id] == [*range(1, store.count_events(found.id) + 1)]


def test_what_everybody_was_told_of_is_forgotten_and_nothing_else(store: SqlStore) -> None:
    me = Me(store)
    sink, waiting = Listener("sink"), Listener("waiting")
    ended, open_one = asked(store, "ended"), asked(store, "open")
    told_to_the_end(store, me, ended, 1)
    store.hold_relay("waiting", me.id)
    with Relay(store, [sink], me):
        until(lambda: all_told(store, sink))
    assert store.settle_told() == 0, "one of the sinks was told nothing yet"
    with Relay(store, [waiting], me):
        until(lambda: all_told(store, waiting))
    with suppress(AssertionError):
        until(lambda: store.settle_told() == 0)
    late = Listener("late")
    with Relay(store, [late], me):
        until(lambda: late.sequences() != {})
        until(lambda: all_told(store, late))
    assert set(late.sequences()) == {open_one.id}, "a new sink hears what goes on, from the start"


def test_a_sink_with_a_defect_is_tried_again(
    store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    me, broken = Me(store), [True]

    def trouble(count: int) -> int:
        if broken:
            broken.clear()
            raise ValueError("a defect")
        return count

    sink = Listener("broken", trouble)
    found = asked(store)
    with Relay(store, [sink], me):
        until(lambda: sink.sequences() != {})
    assert sink.sequences()[found.id] == [1]
    assert "broken broke off" in caplog.text


def test_what_a_sink_still_has_to_hear_is_not_tidied_away(store: SqlStore) -> None:
    me = Me(store)
    found = asked(store)
    told_to_the_end(store, me, found, 2)
    store.hold_relay("away", me.id)
    count = store.count_events(found.id)
    everything = Retention(deployments=None, events_days=1, logs_days=1)
    long_after = now() + 3 * 86_400 * 1_000_000
    assert prune(store._engine, everything, long_after).events == 0
    assert store.count_events(found.id) == count
    with Relay(store, [Listener("away")], me):
        until(lambda: store.untold("away", 1) == [])
    until(lambda: store.settle_told() == 0)
    assert prune(store._engine, everything, long_after).events > 0
