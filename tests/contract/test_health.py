"""What every database must hold of health and of figures: one suite for all three."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text

from fraisier.domain.deployment import SERVED_ON, UNTOUCHED, Deployment, Status
from fraisier.domain.health import Health, Monitoring, Seen
from fraisier.domain.ids import now
from fraisier.domain.ports import NewDeployment
from fraisier.domain.retention import Retention
from fraisier.store import SqlStore
from fraisier.store.database import open_database
from fraisier.store.retention import prune
from support.fakes import begin, joined, make_target


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    """Return a store on one database of each kind in turn."""
    opened = SqlStore(open_database(database_url))
    yield opened
    opened._engine.dispose()


def end(store: SqlStore, status: Status, reason: str = "", environment: str = "production") -> str:
    """Record a deployment that ends so; return its id."""
    target = make_target(environment=environment)
    asked = store.request(NewDeployment("deploy", target, "v1", None, "rolling", "t"))
    store.finish(begin(store, asked.id), status, reason)
    return asked.id


def test_what_ended_is_found_by_its_end_the_last_first_and_no_more_than_asked(store) -> None:
    before = now()
    end(store, Status.SUCCESS)
    end(store, Status.FAILED, f"web-1: no space; {UNTOUCHED}")
    end(store, Status.ROLLED_BACK, f"web-1: bad; the earlier release {SERVED_ON} on web-1")
    end(store, Status.ROLLED_BACK, "web-1: bad; the earlier release serves again on web-1")
    end(store, Status.SUCCESS, environment="staging")
    store.request(NewDeployment("deploy", make_target(), "v1", None, "rolling", "t"))
    found = store.ended(before, 100, "api", "production")
    assert [(one.status, one.touched) for one in found] == [
        ("rolled_back", True), ("rolled_back", False), ("failed", False), ("success", True),
    ]  # fmt: skip
    assert all(one.seconds is not None and one.completed_at >= before for one in found)
    assert [one.environment for one in store.ended(before, 2)] == ["staging", "production"]
    assert store.ended(now() + 1, 100) == []


WATCHED = make_target("web-1", "web-2", monitoring=Monitoring(30, failure_threshold=2))
GOOD, BAD, GONE = Health.HEALTHY, Health.UNHEALTHY, Health.UNKNOWN


def watched(store: SqlStore) -> Deployment:
    """Let the target be known, with a deployment that has ended."""
    asked = store.request(NewDeployment("deploy", WATCHED, "v1", None, "rolling", "t"))
    begun = begin(store, asked.id)
    store.finish(begun, Status.SUCCESS, "")
    return begun


def due(store: SqlStore) -> None:
    """Let the next look be due."""
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE target_checks SET until = 0"))


def look(store: SqlStore, first: Health, second: Health = GOOD) -> list[tuple[str, str]] | None:
    """Look at both hosts; return what was told of which host."""
    claimed = store.claim_check(WATCHED, 60)
    assert claimed is not None
    seen = [Seen("web-1", first, "" if first is GOOD else "why"), Seen("web-2", second, "why")]
    told = store.record_check(claimed, WATCHED, seen)
    due(store)
    return None if told is None else [(v.after.host, v.event_type) for v in told]


def telling(store: SqlStore) -> str:
    """Return the id of a process that tells `sink`, which knows all until now."""
    me = joined(store, "serve").id
    store.hold_relay("sink", me)
    while notices := store.untold("sink", 100):
        store.told("sink", me, {n.stream_id: n.sequence for n in notices})
    return me


def states(store: SqlStore) -> dict[str, str]:
    """Return the state of each host."""
    return {one.host: one.health.value for one in store.health()["api", "production"]}


def test_a_target_is_looked_at_by_one_at_a_time_and_when_it_is_due(store: SqlStore) -> None:
    assert store.claim_check(WATCHED, 60) is None, "nothing was ever deployed there"
    watched(store)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: store.claim_check(WATCHED, 60), range(8)))
    (claimed,) = [claim for claim in claims if claim is not None]
    assert store.record_check(claimed, WATCHED, [Seen("web-1", GOOD)]) == []
    assert store.claim_check(WATCHED, 60) is None, "the next look is due in 30 seconds"
    due(store)
    assert store.claim_check(WATCHED, 60) is not None


def test_a_shorter_interval_ends_the_pause_of_the_longer_one(store: SqlStore) -> None:
    """The configuration may change in the pause; a look that is under way is left alone."""
    often = replace(WATCHED, monitoring=replace(WATCHED.monitoring, interval=1))
    watched(store)
    claimed = store.claim_check(WATCHED, 60)
    assert claimed is not None
    assert store.claim_check(often, 60) is None, "somebody looks"
    assert store.record_check(claimed, WATCHED, [Seen("web-1", GOOD)]) == []
    assert store.claim_check(WATCHED, 60) is None
    assert store.claim_check(often, 60) is not None


def test_nobody_looks_while_a_deployment_is_under_way(store: SqlStore) -> None:
    watched(store)
    asked = store.request(NewDeployment("deploy", WATCHED, "v2", None, "rolling", "t"))
    begun = begin(store, asked.id)
    assert store.claim_check(WATCHED, 60) is None
    store.finish(begun, Status.SUCCESS, "")
    assert store.claim_check(WATCHED, 60) is not None


@pytest.mark.parametrize("ended", [True, False])
def test_what_was_seen_while_a_deployment_began_does_not_count(
    store: SqlStore, ended: bool
) -> None:
    watched(store)
    claimed = store.claim_check(WATCHED, 60)
    assert claimed is not None
    asked = store.request(NewDeployment("deploy", WATCHED, "v2", None, "rolling", "t"))
    begun = begin(store, asked.id)
    if ended:
        store.finish(begun, Status.SUCCESS, "")
    assert store.record_check(claimed, WATCHED, [Seen("web-1", BAD, "it restarts")]) is None
    assert store.health() == {}


def test_a_look_counts_once_and_not_after_another_one_began(store: SqlStore) -> None:
    watched(store)
    slow = store.claim_check(WATCHED, 60)
    assert slow is not None
    due(store)
    other = store.claim_check(WATCHED, 60)
    assert other is not None
    assert store.record_check(slow, WATCHED, [Seen("web-1", BAD)]) is None
    assert store.record_check(other, WATCHED, [Seen("web-1", GOOD)]) == []
    assert store.record_check(other, WATCHED, [Seen("web-1", BAD)]) is None
    assert states(store) == {"web-1": "healthy"}


def test_a_clock_that_was_set_back_lets_a_target_not_wait_for_ever(store: SqlStore) -> None:
    watched(store)
    assert look(store, GOOD) == []
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE target_checks SET until = 9000000000000000000"))
    assert store.claim_check(WATCHED, 60) is not None


def test_only_changes_are_told_each_as_a_stream_of_its_own(store: SqlStore) -> None:
    watched(store)
    me = telling(store)
    assert [look(store, health) for health in (GOOD, BAD, BAD, GONE, GOOD, GOOD)] == [
        [], [], [("web-1", "health_check.failed")], [], [("web-1", "health_check.passed")], [],
    ]  # fmt: skip
    told = sorted(store.untold("sink", 100), key=lambda notice: notice.at)
    failed, passed = (notice for notice in told if notice.event_type != "metrics.service")
    assert (failed.event_type, failed.host, failed.sequence) == ("health_check.failed", "web-1", 1)
    assert (failed.fraise, failed.environment, failed.deployment_id) == ("api", "production", None)
    assert failed.data == {
        "type": "systemd", "passed": False, "health": "unhealthy", "before": "healthy",
        "reason": "why", "failures": 2,
    }  # fmt: skip
    assert (passed.event_type, passed.data["before"]) == ("health_check.passed", "unknown")
    assert store.relay_lag()["sink"] > 0
    store.told("sink", me, {n.stream_id: n.sequence for n in told})
    assert store.untold("sink", 100) == []
    assert store.relay_lag()["sink"] == 0
    store.tell_again("sink", me, failed.at)
    again = {notice.event_id for notice in store.untold("sink", 100)}
    assert {failed.event_id, passed.event_id} <= again


def test_how_many_hosts_are_well_is_told_when_that_has_changed(store: SqlStore) -> None:
    watched(store)
    telling(store)
    looks = ((GOOD, GOOD), (GOOD, GOOD), (GOOD, BAD), (GOOD, BAD), (GOOD, BAD), (GOOD, GOOD))
    for found in looks:  # the second bad look in a row is believed
        look(store, *found)
    told = sorted(
        (n for n in store.untold("sink", 100) if n.event_type == "metrics.service"),
        key=lambda notice: notice.at,
    )
    well = {"hosts": 2, "healthy": 2, "unhealthy": 0, "unknown": 0}
    assert [n.data for n in told] == [well, {**well, "healthy": 1, "unhealthy": 1}, well]
    first = told[0]
    assert (first.fraise, first.environment, first.region) == ("api", "production", "default")
    assert (first.host, first.deployment_id, first.sequence) == (None, None, 1)


def test_events_of_health_go_when_other_events_do_and_everybody_was_told(store: SqlStore) -> None:
    watched(store)
    assert [look(store, BAD), look(store, BAD)] == [[], [("web-1", "health_check.failed")]]
    later, keep = now() + 40 * 86_400 * 1_000_000, Retention(events_days=30)
    me = joined(store, "serve").id
    store.hold_relay("sink", me)
    prune(store._engine, keep, later)
    (told,) = [n for n in store.untold("sink", 100) if n.event_type == "health_check.failed"]
    store.told("sink", me, {told.stream_id: 1})
    prune(store._engine, keep, later)
    store.tell_again("sink", me, 0)
    assert "health_check.failed" not in {n.event_type for n in store.untold("sink", 100)}


def test_the_state_of_each_host_is_kept_and_hosts_that_are_gone_are_not(store: SqlStore) -> None:
    watched(store)
    look(store, GOOD, BAD)
    look(store, GOOD, GONE)
    assert states(store) == {"web-1": "healthy", "web-2": "unknown"}
    found = {one.host: one for one in store.health("api", "production")["api", "production"]}
    assert (found["web-1"].passed, found["web-1"].failed) == (2, 0)
    assert (found["web-2"].passed, found["web-2"].failed, found["web-2"].failures) == (0, 2, 2)
    claimed = store.claim_check(WATCHED, 60)
    assert claimed is not None
    store.record_check(claimed, WATCHED, [Seen("web-2", GOOD)])
    assert states(store) == {"web-2": "healthy"}
    assert store.health("other") == {}
