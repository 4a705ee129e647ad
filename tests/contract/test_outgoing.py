"""Deliveries in each database: what is recorded once, claimed by one, tried again or given up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from fraisier.domain.delivery import Attempt, Delivery, DeliveryFilter, DeliveryStatus, NewDelivery
from fraisier.domain.errors import NotFound, Refused
from fraisier.domain.ids import new_id, now
from fraisier.store import SqlStore
from fraisier.store.tables import outgoing_deliveries
from fraisier.webhooks.outgoing import Sender
from support.clocks import clock_ahead

SECOND = 1_000_000
HOOK = "hook"


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    opened = SqlStore.open(database_url)
    yield opened
    opened._engine.dispose()


def new(number: int = 1, stream: str = "dep_1") -> NewDelivery:
    """Return something to deliver."""
    return NewDelivery(f"evt_{stream}_{number}", "deployment.started", stream, '{"é": 1}')


def claimed(store: SqlStore, endpoint: str = HOOK, at: int | None = None) -> Delivery:
    """Claim what is due, which there has to be."""
    found = store.claim_delivery(endpoint, at or now() + SECOND, now() + 60 * SECOND)
    assert found is not None
    return found


def attempt(problem: str = "") -> Attempt:
    return Attempt(now(), 0.25, None if problem else 200, problem)


def statuses(store: SqlStore) -> list[str]:
    """Return how deliveries stand, the oldest first."""
    return [each.status.value for each in reversed(store.deliveries(DeliveryFilter()))]


def test_an_event_is_recorded_once_however_often_it_is_told(store: SqlStore) -> None:
    assert store.add_deliveries(HOOK, [new(1), new(2)]) == 2
    assert store.add_deliveries(HOOK, [new(2), new(3), new(3)]) == 1
    assert store.add_deliveries("other", [new(2)]) == 1
    assert store.count_deliveries(DeliveryFilter(HOOK)) == 3
    found = store.deliveries(DeliveryFilter(HOOK))
    assert [each.event_id for each in found] == [f"evt_dep_1_{n}" for n in (3, 2, 1)]
    assert found[0].body == '{"é": 1}'


def test_copies_that_are_told_at_once_are_recorded_once(store: SqlStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(store.add_deliveries, HOOK, [new(n) for n in range(5)]) for _ in "x" * 8
        ]
        assert sum(job.result() for job in jobs) == 5
    assert store.count_deliveries(DeliveryFilter()) == 5


def test_each_is_claimed_by_one_alone(store: SqlStore) -> None:
    """Eight at once, as from many processes: none is sent twice while a claim lasts."""
    store.add_deliveries(HOOK, [new(1, f"dep_{number}") for number in range(40)])
    until = now() + 600 * SECOND

    def take() -> list[str]:
        found = []
        while (one := store.claim_delivery(HOOK, now() + SECOND, until)) is not None:
            found.append(one.id)
        return found

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(take) for _ in range(8)]
        taken = Counter(one for job in jobs for one in job.result())
    assert len(taken) == 40
    assert set(taken.values()) == {1}


def test_a_claim_that_ended_is_another_ones(store: SqlStore) -> None:
    store.add_deliveries(HOOK, [new()])
    first = claimed(store)
    assert store.claim_delivery(HOOK, now() + SECOND, now() + 60 * SECOND) is None
    again = claimed(store, at=now() + 61 * SECOND)
    assert again.id == first.id
    store.attempted(again, attempt(), None)
    store.attempted(first, attempt("late"), None)
    assert statuses(store) == ["delivered"], "a failure that comes late changes nothing"


def test_the_first_attempts_of_a_stream_are_in_its_order(store: SqlStore) -> None:
    store.add_deliveries(HOOK, [new(1), new(2), new(1, "dep_2")])
    first = claimed(store)
    other = claimed(store)
    assert (first.event_id, other.event_id) == ("evt_dep_1_1", "evt_dep_2_1")
    assert store.claim_delivery(HOOK, now() + SECOND, now()) is None
    store.attempted(first, attempt("down"), now() + 3600 * SECOND)
    assert claimed(store).event_id == "evt_dep_1_2", "what failed once holds nobody up"


@pytest.mark.parametrize("ahead", [600, -600])
def test_one_wrong_clock_delays_nothing_of_others_and_changes_no_order(
    store: SqlStore, ahead: int
) -> None:
    # a worker records deliveries and dies; others go on
    with clock_ahead(ahead):
        store.add_deliveries(HOOK, [new(1), new(2)])
    store.add_deliveries(HOOK, [new(3), new(1, "dep_2")])
    at = store.now() + SECOND
    assert store.due_endpoints([HOOK], at) == [HOOK]
    told = []
    while (found := store.claim_delivery(HOOK, at, at + 60 * SECOND)) is not None:
        told.append(found.event_id)
        store.attempted(found, attempt(), None)
    assert sorted(told) == sorted([*(f"evt_dep_1_{n}" for n in (1, 2, 3)), "evt_dep_2_1"])
    assert [each for each in told if "dep_1" in each] == [f"evt_dep_1_{n}" for n in (1, 2, 3)]


def test_deliveries_are_due_by_the_clock_of_the_database(store: SqlStore) -> None:
    kind = store._engine.dialect.name
    with clock_ahead(600):
        sender = Sender(store, {})
        far = abs(sender._clock() - time.time_ns() // 1_000) / SECOND
    assert (far > 500) == (kind == "sqlite"), "SQLite has no clock but the machine's"


def test_what_0_1_0_made_due_ahead_of_time_is_due_with_the_next_one(store: SqlStore) -> None:
    store.add_deliveries(HOOK, [new(1), new(2)])
    ahead = now() + 600 * SECOND
    later = {"created_at": ahead, "next_at": ahead, "number": 0}
    with store._transaction() as connection:
        connection.execute(update(outgoing_deliveries).values(**later))
    assert store.due_endpoints([HOOK], store.now()) == []
    store.add_deliveries(HOOK, [new(1, "dep_2")])
    assert store.due_endpoints([HOOK], store.now() + SECOND) == [HOOK]
    assert claimed(store).stream_id == "dep_1"


def test_how_long_a_delivery_waits_for_its_first_attempt_is_seen(store: SqlStore) -> None:
    assert store.delivery_lag() == {}
    store.add_deliveries(HOOK, [new(1)])
    with store._transaction() as connection:
        ago = outgoing_deliveries.c.created_at - 90 * SECOND
        connection.execute(update(outgoing_deliveries).values(created_at=ago))
    assert 89 < store.delivery_lag()[HOOK] < 200
    store.attempted(claimed(store), attempt("down"), now() + SECOND)
    assert store.delivery_lag() == {}


def test_what_was_not_tried_is_given_back(store: SqlStore) -> None:
    store.add_deliveries(HOOK, [new()])
    found = claimed(store)
    store.release_delivery(found, now())
    assert claimed(store).id == found.id
    assert store.attempts_of([found.id]) == {found.id: []}


def test_every_attempt_is_in_the_log(store: SqlStore) -> None:
    store.add_deliveries(HOOK, [new()])
    found = claimed(store)
    state = store.attempted(found, attempt("it answered 500"), now() - SECOND)
    assert state.failing_since is not None
    assert (state.disabled_at, store.endpoint_states()[HOOK].pending) == (None, 1)
    state = store.attempted(claimed(store), attempt(), None)
    assert state.failing_since is None
    tried = store.attempts_of([found.id])[found.id]
    assert [(each.number, each.problem) for each in tried] == [(1, "it answered 500"), (2, "")]
    assert store.delivery(found.id).status is DeliveryStatus.DELIVERED


def test_the_last_failure_ends_a_delivery(store: SqlStore) -> None:
    store.add_deliveries(HOOK, [new()])
    store.attempted(claimed(store), attempt("no"), None)
    assert statuses(store) == ["failed"]
    assert store.due_endpoints([HOOK], now() + 10**15) == []


def test_a_disabled_endpoint_is_sent_nothing_until_a_test_gets_through(store: SqlStore) -> None:
    store.add_deliveries(HOOK, [new(1), new(2)])
    store.attempted(claimed(store), attempt("410"), None)
    store.disable_endpoint(HOOK, "it answered 410 Gone", now())
    store.add_deliveries(HOOK, [new(3)])
    assert statuses(store) == ["failed", "not_sent", "not_sent"]
    state = store.endpoint_states()[HOOK]
    assert (state.disabled_reason, state.disabled_at is not None) == ("it answered 410 Gone", True)
    newest = store.deliveries(DeliveryFilter(HOOK))[0]
    with pytest.raises(Refused, match="is disabled: it answered 410 Gone"):
        store.redeliver(newest.id, "cli:me", now())

    def tried(problem: str) -> None:
        trial = Delivery(new_id("whk"), HOOK, new_id("evt"), "ping", "x", "{}",
                         DeliveryStatus.PENDING, 0, now(), None, None)  # fmt: skip
        store.tried_out(trial, attempt(problem), "cli:me")

    tried("still gone")
    assert store.endpoint_states()[HOOK].disabled_at is not None
    tried("")
    assert store.endpoint_states()[HOOK].disabled_at is None
    again = store.redeliver(newest.id, "cli:me", now())
    assert again.status is DeliveryStatus.PENDING
    assert claimed(store).id == newest.id


def test_what_is_not_there_is_not_found(store: SqlStore) -> None:
    for ask in (lambda: store.delivery("whk_x"), lambda: store.redeliver("whk_x", "me", now())):
        with pytest.raises(NotFound, match="whk_x"):
            ask()


def test_old_deliveries_go_with_their_attempts(store: SqlStore) -> None:
    store.add_deliveries(HOOK, [new(n) for n in range(3)])
    store.attempted(claimed(store), attempt("x"), now() + SECOND)
    assert store.prune_deliveries(now() - 3600 * SECOND) == 0
    assert store.prune_deliveries(now() + 3600 * SECOND) == 3
    assert store.prune_deliveries(now() + 3600 * SECOND) == 0
    assert store.deliveries(DeliveryFilter()) == []
