"""What every store must hold: one suite, for each database that stands behind the port."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from fraisier.domain.deployment import (
    CancelAsked,
    HostRecord,
    IllegalMove,
    Placement,
    Status,
)
from fraisier.domain.errors import (
    DeploymentNotFound,
    KeyReused,
    LeaseLost,
    Refused,
    StoreError,
)
from fraisier.domain.event import Fact, Head
from fraisier.domain.ids import now
from fraisier.domain.ports import DURATIONS, Filter
from fraisier.domain.worker import NewWorker
from fraisier.store import SqlStore, process, queue
from fraisier.store.database import open_database
from fraisier.store.tables import metadata
from support.clocks import clock_ahead
from support.fakes import make_target
from support.working import Working, ask, at_once, audited, begin


@pytest.fixture
def url(database_url: str) -> str:
    """Return where the database is: one of each kind in turn."""
    return database_url


@pytest.fixture
def store(url: str) -> Iterator[Working]:
    """Return a store of this process, which works there."""
    opened = Working(open_database(url))
    yield opened
    opened._engine.dispose()


def test_no_worker_s_clock_is_in_the_log_and_its_times_never_go_back(store: Working) -> None:
    asked = ask(store)
    with clock_ahead(600):
        begun = store.claim(asked.id, store.me)
        assert begun is not None
        store.record(begun, [Fact("log.line", None, {"text": "from the future"})])
    with clock_ahead(-600):
        store.record(begun, [Fact("log.line", None, {"text": "from the past"})])
        ended = store.finish(begun, Status.SUCCESS, "")
    times = [event.at for event in store.events(begun.id)]
    assert times == sorted(times)
    found = store.deployment(begun.id)
    assert found.started_at is not None
    assert found.completed_at is not None
    assert found.created_at <= found.started_at <= found.completed_at <= ended[-1].at
    if store._engine.dialect.name != "sqlite":
        assert abs(found.created_at - now()) < 300_000_000
        assert abs(times[-1] - now()) < 300_000_000


def test_what_could_not_be_ended_is_left_to_others_first_and_for_longer_each_time(
    store: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, moved = begin(store), [0]
    real = queue.lease_now
    monkeypatch.setattr(queue, "lease_now", lambda c: real(c) + moved[0] * 1_000_000)
    first, second = [store.join(NewWorker(n, "serve", {}, 4), 30) for n in ("first", "second")]
    store.leave(store.me)
    taken = store.take_over(first)
    assert taken is not None
    assert store.give_up(taken, first) == 1.0
    assert (store.abandoned(), store.take_over(second)) == (False, None)
    moved[0] += 1
    assert store.abandoned()
    assert store.take_over(first) is None, "others first"
    again = store.take_over(second)
    assert again is not None
    assert (again.fence, again.settle_failures) == (taken.fence + 1, 1)
    store.give_up(taken, first)  # late: it is the other one's now
    assert [each.id for each in store.held_by(second)] == [begun.id]
    assert store.give_up(again, second) == 2.0
    moved[0] += 4
    alone = store.take_over(second)
    assert alone is not None
    for failures in range(2, 20):
        pause = store.give_up(replace(alone, settle_failures=failures), second)
        assert pause == min(2.0**failures, 300.0)
    moved[0] -= 100_000  # the clock of leases has begun anew, with the machine
    assert store.take_over(second) is not None


def test_a_version_is_recorded_once_it_is_known(store: Working) -> None:
    asked = begin(store)
    content = "sha256:" + "a" * 64
    store.record(asked, [], version=content)
    store.record(asked, [])
    assert store.deployment(asked.id).version == content


def test_a_request_is_recorded_with_its_configuration_and_first_event(store: Working) -> None:
    asked = ask(store)
    assert store.deployment(asked.id) == asked
    assert asked.status is Status.PENDING
    assert asked.target == make_target()
    assert [event.type for event in store.events(asked.id)] == ["deployment.queued"]


def test_only_one_deployment_of_a_target_is_live_and_order_is_kept(store: Working) -> None:
    first, second, third = ask(store), ask(store), ask(store)
    assert not store.begin(third.id)
    assert store.begin(first.id)
    assert not store.begin(first.id), "only one caller starts it"
    assert not store.begin(second.id)
    blocker = store.blocker(second.id)
    assert blocker is not None
    assert blocker.id == first.id
    store.finish(store.deployment(first.id), Status.SUCCESS, "")
    assert not store.begin(third.id)
    assert store.begin(second.id)
    assert store.deployment(second.id).status is Status.IN_PROGRESS


def test_the_database_itself_refuses_a_second_live_deployment(store: Working) -> None:
    first, second = begin(store), ask(store)
    assert first.status is Status.IN_PROGRESS
    statement = text("UPDATE deployments SET status = 'in_progress' WHERE id = :id")
    with pytest.raises(StoreError), store._transaction() as connection:
        connection.execute(statement, {"id": second.id})


def test_claims_from_many_threads_start_a_deployment_once(store: Working) -> None:
    asked = ask(store)
    claims = at_once(8, lambda _: store.begin(asked.id))
    assert sorted(claims) == [False] * 7 + [True]
    types = [event.type for event in store.events(asked.id)]
    assert types == ["deployment.queued", "deployment.started"]


def test_sequences_stay_gapless_with_many_writers(store: Working) -> None:
    asked = begin(store)
    facts = [Fact("log.line", "web-1", {"text": "x"})] * 3

    def write() -> None:
        for _ in range(20):
            store.record(asked, facts)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [event.sequence for event in store.events(asked.id)]
    assert numbers == list(range(1, 2 + 4 * 20 * 3 + 1))
    assert [event.sequence for event in store.events(asked.id, after=240)] == [241, 242]


def test_an_ended_deployment_never_changes_again(store: Working) -> None:
    asked = begin(store)
    store.finish(asked, Status.FAILED, "because")
    with pytest.raises(IllegalMove):
        store.finish(asked, Status.SUCCESS, "")
    with pytest.raises(Refused):
        store.record(asked, [Fact("log.line")])
    assert store.deployment(asked.id).reason == "because"


def test_a_busy_target_rejects_or_supersedes_as_configured(store: Working) -> None:
    running, waiting = begin(store), ask(store)
    with pytest.raises(Refused, match=running.id):
        ask(store, target={"on_busy": "reject"})
    newer = ask(store, target={"on_busy": "supersede"})
    assert store.deployment(waiting.id).status is Status.SUPERSEDED
    assert store.deployment(running.id).status is Status.IN_PROGRESS
    assert store.deployment(newer.id).status is Status.PENDING


def test_the_same_key_gives_the_same_deployment_and_another_request_is_refused(
    store: Working,
) -> None:  # I9
    first = ask(store, idempotency_key="k", fingerprint="f")
    again = ask(store, idempotency_key="k", fingerprint="f", version="the branch has moved on")
    assert again == first
    assert store.repeated("t", "k", "f") == first
    with pytest.raises(KeyReused, match=first.id):
        ask(store, idempotency_key="k", fingerprint="g")
    assert store.repeated("t", "other", "f") is None
    other = ask(store, idempotency_key="k", fingerprint="f", triggered_by="somebody else")
    assert other.id != first.id, "a key is its asker's own"


def test_fifty_requests_with_one_key_at_once_are_one_deployment(store: Working) -> None:
    ids = at_once(50, lambda _: ask(store, idempotency_key="k", fingerprint="f").id)
    assert len(set(ids)) == 1
    assert store.count(Filter()) == 1


def test_fifty_claims_at_once_start_each_queued_deployment_once(store: Working) -> None:
    asked = [ask(store, target={"environment": f"e{n}"}).id for n in range(10)]
    claimed = [found.id for found in at_once(50, lambda _: store.next()) if found]
    assert sorted(claimed) == sorted(asked)


def test_only_a_queued_deployment_is_for_any_server(store: Working) -> None:
    own = ask(store, queued=False)
    assert store.next() is None
    queued = ask(store)
    assert store.next() is None, "it waits for the earlier one"
    store.cancel(own.id, "me")
    claimed = store.next()
    assert claimed is not None
    assert (claimed.id, claimed.status) == (queued.id, Status.IN_PROGRESS)


def test_what_waits_behind_a_held_target_waits_for_the_person_who_looks(store: Working) -> None:
    running, waiting = begin(store), ask(store)
    store.finish(running, Status.ROLLBACK_FAILED, "")
    assert store.next() is None
    assert not store.begin(waiting.id)
    blocker = store.blocker(waiting.id)
    assert blocker is not None
    assert blocker.id == running.id
    store.unlock("api", "production", "I looked", "me")
    assert store.begin(waiting.id)


def test_a_waiting_deployment_is_cancelled_at_once(store: Working) -> None:
    asked = ask(store)
    ended = store.cancel(asked.id, "tok_1")
    assert ended.status is Status.CANCELLED
    assert "tok_1" in ended.reason
    assert not store.begin(asked.id)
    types = [event.type for event in store.events(asked.id)]
    assert types == [
        "deployment.queued",
        "deployment.cancelled",
        "metrics.deployment",
        "deployment.completed",
    ]
    assert audited(store) == [("tok_1", "cancel", asked.id)]


def test_a_running_deployment_is_asked_to_stop_and_one_that_ended_is_not(store: Working) -> None:
    asked = begin(store)
    for by in ("tok_1", "tok_2"):
        wished = store.cancel(asked.id, by)
        assert wished.status is Status.IN_PROGRESS
        assert wished.cancel_requested_by == "tok_1", "the first who asked"
    assert wished.cancel_requested_at is not None
    assert audited(store) == [("tok_1", "cancel", asked.id)]
    store.finish(asked, Status.ROLLED_BACK, "")
    with pytest.raises(Refused, match="rolled_back"):
        store.cancel(asked.id, "tok_1")


def test_a_paused_deployment_goes_on_at_the_first_wish_of_each_pause(store: Working) -> None:
    asked = begin(store)
    with pytest.raises(Refused, match="is not paused"):
        store.go_on(asked.id, "tok_1")
    for n, by in enumerate(("tok_1", "tok_2"), 1):
        store.record(asked, [Fact("deployment.paused", None, {"weight": 10 * n})])
        held = store.deployment(asked.id)
        assert (held.paused, held.resume_requested_at, held.resume_requested_by) == (
            True, None, None,
        )  # fmt: skip
        assert store.go_on(asked.id, by).resume_requested_by == by
        assert store.go_on(asked.id, "late").resume_requested_by == by
        store.record(asked, [Fact("deployment.resumed", None, {})])
        assert not store.deployment(asked.id).paused
    assert audited(store) == [("tok_1", "resume", asked.id), ("tok_2", "resume", asked.id)]


def test_a_pause_ends_with_its_deployment(store: Working) -> None:
    asked = begin(store)
    store.record(asked, [Fact("deployment.paused", None, {"weight": 10})])
    store.cancel(asked.id, "tok_1")
    with pytest.raises(Refused, match="is being cancelled, by tok_1"):
        store.go_on(asked.id, "tok_2")
    store.finish(asked, Status.CANCELLED, "")
    assert store.deployment(asked.id).paused_at is None
    with pytest.raises(Refused, match="has ended already"):
        store.go_on(asked.id, "tok_2")


def test_a_claim_and_a_cancel_at_once_never_both_win(store: Working) -> None:
    for n in range(20):
        asked = ask(store, target={"environment": f"e{n}"})
        actions = [lambda i=asked.id: store.begin(i), lambda i=asked.id: store.cancel(i, "me")]
        started, cancelled = at_once(2, lambda k, actions=actions: actions[k]())
        assert started == (cancelled.status is Status.IN_PROGRESS)


def test_what_a_dead_worker_left_is_taken_over_once(store: Working) -> None:  # I3, I5
    running, waiting = begin(store), ask(store, queued=False)
    assert not store.abandoned()
    other = store.join(NewWorker("other", "serve", {}, 4), 30)
    assert store.take_over(other) is None, "nobody is dead"
    store.leave(store.me)
    assert store.abandoned()
    taken = [found for found in at_once(8, lambda _: store.take_over(other)) if found]
    assert [found.id for found in taken] == [running.id]
    assert (taken[0].worker_id, taken[0].status) == (other, Status.IN_PROGRESS)
    assert taken[0].fence > running.fence
    assert store.deployment(waiting.id).status is Status.CANCELLED, "its command is dead"
    assert [found.id for found in store.held_by(other)] == [running.id]
    assert not store.abandoned()


def test_who_was_taken_over_writes_nothing_more(store: Working) -> None:  # I5
    running = begin(store)
    other = store.join(NewWorker("other", "serve", {}, 4), 30)
    store.leave(store.me)
    taken = store.take_over(other)
    assert taken is not None
    before = store.events(running.id)
    for write in (
        lambda: store.record(running, [Fact("log.line")]),
        lambda: store.record(running, [], [HostRecord("web-1", "changed")]),
        lambda: store.finish(running, Status.SUCCESS, ""),
    ):
        with pytest.raises(LeaseLost, match=running.id):
            write()
    assert store.events(running.id) == before
    assert store.host_records(running.id) == []
    store.finish(taken, Status.INTERRUPTED, "its worker died")
    assert store.held("api", "production") == running.id


def test_a_lease_that_ran_out_is_lost_for_good(store: Working) -> None:  # I3, I15
    running = begin(store)
    short = store.join(NewWorker("short", "worker", {}, 1), 0.05)
    assert store.beat(store.me, 30)
    time.sleep(0.1)
    assert not store.beat(short, 30)
    assert [w.alive for w in store.workers()] == [True, False]
    with pytest.raises(LeaseLost):
        store.claim(ask(store, target={"environment": "staging"}).id, short)
    with pytest.raises(LeaseLost):
        store.claim_next(short, lambda _target: True)
    assert store.workers()[0].running == (running.id,)


def test_a_worker_whose_process_is_gone_is_dead_before_its_lease_is(store: Working) -> None:
    gone = subprocess.Popen(["true"])
    theirs = process.this_process() | {"pid": gone.pid, "start": "1"}
    gone.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "this_process", lambda: theirs)
        dead = store.join(NewWorker("dead", "command", {}, 1), 600)
        patch.setattr(process, "this_process", lambda: theirs | {"namespace": "pid:[1]"})
        elsewhere = store.join(NewWorker("in a container", "worker", {}, 1), 600)
    alive = {w.id: w.alive for w in store.workers()}
    assert alive == {store.me: True, elsewhere: True} or not alive.pop(dead)
    assert alive[elsewhere], "its pid says nothing here: only its lease does"
    store.join(NewWorker("next", "serve", {}, 1), 30)
    assert dead not in {w.id for w in store.workers()}, "it held nothing, so it is forgotten"


def test_the_order_is_that_of_acceptance_whatever_the_clocks_say(  # I10, I15
    store: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(10**16, -600 * 10**6)  # each request ten minutes before the last
    monkeypatch.setattr("fraisier.store.requests.utc_now", lambda _connection: next(clock))
    asked = [ask(store).id for _ in range(4)]
    done = []
    while (claimed := store.next()) is not None:
        store.finish(claimed, Status.SUCCESS, "")
        done.append(claimed.id)
    assert done == asked


def test_a_paused_queue_begins_nothing_and_says_why(store: Working) -> None:
    asked = ask(store)
    store.pause("cli:me", "the network is being moved")
    assert store.next() is None
    assert not store.begin(asked.id)
    waits = store.waiting(asked.id)
    assert waits is not None
    assert (waits.position, waits.blocked_by) == (1, None)
    assert "cli:me: the network is being moved" in waits.reason
    paused = store.paused()
    assert paused is not None
    assert paused.reason == "the network is being moved"
    assert store.resume("cli:me")
    assert not store.resume("cli:me")
    assert store.paused() is None
    assert store.begin(asked.id)
    assert [action for _, action, _ in audited(store)] == ["queue.pause", "queue.resume"]


def test_what_waits_says_for_what_and_at_which_place(store: Working) -> None:
    first, second, third = begin(store), ask(store), ask(store)
    assert store.waiting(first.id) is None
    waits = [store.waiting(each.id) for each in (second, third)]
    assert [w and (w.position, w.blocked_by) for w in waits] == [(1, first.id), (2, first.id)]
    store.finish(first, Status.ROLLBACK_FAILED, "")
    waiting = store.waiting(second.id)
    assert waiting is not None
    assert "unlock" in waiting.reason
    store.unlock("api", "production", "I looked", "me")
    waiting = store.waiting(second.id)
    assert waiting is not None
    assert waiting.reason == "it waits for a worker to be free"
    store.leave(store.me)
    assert "no worker is running" in (store.waiting(second.id) or waiting).reason
    store.join(NewWorker("far away", "worker", {"region": "us"}, 1), 30)
    assert "region default" in (store.waiting(second.id) or waiting).reason


def test_a_success_after_a_wish_to_cancel_is_none(store: Working) -> None:  # I8
    running = begin(store)
    store.cancel(running.id, "tok_1")
    with pytest.raises(CancelAsked):
        store.finish(running, Status.SUCCESS, "")
    store.finish(running, Status.CANCELLED, "")
    assert store.deployment(running.id).status is Status.CANCELLED


def test_hosts_and_placements_are_kept_as_last_said(store: Working) -> None:
    asked = begin(store)
    for release in ("r1", "r2"):
        record = HostRecord("web-1", "changed", release, None, {"code": "x"})
        placement = Placement("web-1", 7, release, "v1", True, 1)
        store.record(asked, [], [record], [placement])
    assert store.host_records(asked.id) == [record]
    assert store.placements("api", "production") == {"web-1": placement}


def test_deployments_are_listed_newest_first_and_filtered(store: Working) -> None:
    first, second = begin(store), ask(store)
    listed = [deployment.id for deployment in store.deployments(Filter())]
    assert listed == [second.id, first.id]
    assert [d.id for d in store.deployments(Filter(status="in_progress"))] == [first.id]
    assert store.deployments(Filter(environment="staging")) == []
    assert len(store.deployments(Filter(limit=1))) == 1


def test_a_list_can_be_paged_without_gaps_or_repeats(store: Working) -> None:
    asked = [ask(store, target={"environment": f"e{n % 2}"}).id for n in range(7)]
    pages = [store.deployments(Filter(limit=3, offset=start)) for start in (0, 3, 6, 9)]
    assert [[d.id for d in page] for page in pages] == [
        asked[:3:-1], asked[3:0:-1], asked[:1], [],
    ]  # fmt: skip
    assert store.count(Filter(limit=1, offset=5)) == 7
    assert store.count(Filter(environment="e0")) == 4
    assert store.count(Filter(status="success")) == 0


def test_events_can_be_paged_and_chosen_by_type(store: Working) -> None:
    asked = begin(store)
    store.record(asked, [Fact("log.line", None, {"text": str(n)}) for n in range(5)])
    first = store.events(asked.id, after=2, limit=2)
    assert [event.sequence for event in first] == [3, 4]
    assert [e.sequence for e in store.events(asked.id, after=4, kind="log.line")] == [5, 6, 7]
    assert store.count_events(asked.id) == 7
    assert store.count_events(asked.id, "log.line") == 5
    assert store.count_events(asked.id, "log.line", after=6) == 1


def test_what_has_ended_is_counted_by_its_labels(store: Working) -> None:
    for end in (Status.SUCCESS, Status.SUCCESS, Status.ROLLED_BACK):
        store.finish(begin(store), end, "")
    store.cancel(ask(store, target={"environment": "staging"}).id, "me")
    begin(store)
    found = {(f.environment, f.status): f for f in store.figures()}
    assert {labels: f.count for labels, f in found.items()} == {
        ("production", "success"): 2,
        ("production", "rolled_back"): 1,
        ("staging", "cancelled"): 1,
    }
    good = found["production", "success"]
    assert (good.fraise, good.provider, good.strategy) == ("api", "bare_metal", "rolling")
    assert (good.kind, good.begun, good.within) == ("deploy", 2, (2,) * len(DURATIONS))
    assert 0 < good.seconds < 2
    assert found["staging", "cancelled"].begun == 0, "it never began, so it took no time"


def test_an_unlock_is_audited(store: Working) -> None:
    asked = begin(store)
    store.finish(asked, Status.INTERRUPTED, "")
    assert store.unlock("api", "production", "I looked", "me") == asked.id
    assert store.unlock("api", "production", "again", "me") is None
    assert audited(store) == [("me", "unlock", asked.id)]


def test_an_unknown_deployment_is_not_found(store: Working) -> None:
    reads = (store.deployment, store.events, store.begin, store.host_records, store.count_events)
    for read in (*reads, lambda name: store.cancel(name, "me")):
        with pytest.raises(DeploymentNotFound):
            read("dep_nope")


def test_the_installation_keeps_its_id(store: Working, url: str) -> None:
    assert store.installation() == SqlStore.open(url).installation() != "None"


def test_the_migrations_make_exactly_the_tables(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_every_commit_is_on_the_disk_before_it_is_told(tmp_path: Path) -> None:  # I1
    with open_database(f"sqlite:///{tmp_path / 'records.db'}").connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_file_that_is_no_database_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "not.db"
    path.write_text("this is text, and long enough to be read as a header of a database file")
    with pytest.raises(StoreError, match="not a database"):
        SqlStore.open(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="folder"):
        SqlStore.open(f"sqlite:///{tmp_path / 'missing' / 'x.db'}")


def test_the_heads_of_many_logs_are_told_at_once(store: Working) -> None:
    waits, runs = ask(store), begin(store, target={"fraise": "other"})
    store.record(runs, [Fact("log.line")] * 3)
    heads = store.heads([waits.id, runs.id, "dep_none"])
    assert heads == {waits.id: Head(1, False), runs.id: Head(5, False)}
    assert {each.sequence for each in store.events(runs.id)[-1:]} == {5}
    store.finish(runs, Status.SUCCESS, "")
    after = store.heads([runs.id])[runs.id]
    assert (after.ended, after.sequence) == (True, store.events(runs.id)[-1].sequence)
    assert store.heads([]) == {}
