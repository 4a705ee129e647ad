"""Old records go when the configuration says so, and never what somebody still needs."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.event import Fact
from fraisier.domain.ids import now
from fraisier.domain.ports import Filter, NewDeployment
from fraisier.domain.retention import Pruned, Retention
from fraisier.domain.worker import NewWorker
from fraisier.store import SqlStore, retention
from fraisier.store.database import open_database
from fraisier.store.retention import prune
from support.fakes import make_target

DAY = 24 * 3_600 * 1_000_000


@pytest.fixture
def store(database_url: str) -> SqlStore:
    """Return a new store."""
    return SqlStore(open_database(database_url))


class History:
    """Deployments made one after another."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.worker = store.join(NewWorker("w", "serve", {}, 1), 300)

    def ask(self, environment: str = "production", key: str | None = None) -> Deployment:
        target = make_target(environment=environment)
        new = NewDeployment("deploy", target, "v1", None, "rolling", "t", idempotency_key=key)
        return self.store.request(new)

    def add(self, status: Status, lines: int = 3, **more: str) -> str:
        claimed = self.store.claim(self.ask(**more).id, self.worker)
        assert claimed is not None
        self.store.record(claimed, [Fact("log.line", None, {"text": "x"})] * lines)
        self.store.finish(claimed, status, "")
        return claimed.id

    def left(self) -> set[str]:
        return {d.id for d in self.store.deployments(Filter(limit=9999))}


@pytest.fixture
def history(store: SqlStore) -> History:
    """Return a way to make deployments."""
    return History(store)


def test_only_the_newest_deployments_of_each_target_are_kept_and_what_is_needed(
    store: SqlStore, history: History
) -> None:
    successes = [history.add(Status.SUCCESS) for _ in range(12)]
    failures = [history.add(Status.FAILED) for _ in range(4)]
    keyed = history.add(Status.FAILED, key="k")
    elsewhere = history.add(Status.FAILED, environment="staging")
    running = store.claim(history.ask(environment="held").id, history.worker)
    assert running is not None
    waiting = [history.ask(environment="held").id for _ in range(3)]
    store.finish(running, Status.INTERRUPTED, "")
    newest = history.ask().id
    said = prune(store._engine, Retention(deployments=2), now())
    gone = {*successes[:2], *failures}
    assert said.deployments == len(gone)
    kept = {*successes[2:], keyed, newest, elsewhere, running.id, *waiting}
    assert history.left() == kept
    assert store.held("api", "held") == running.id
    later = prune(store._engine, Retention(deployments=2), now() + 2 * DAY)
    assert later == Pruned(), "the key's is among the newest two"
    more = history.add(Status.FAILED, environment="staging")
    assert prune(store._engine, Retention(deployments=1), now() + 2 * DAY).deployments == 2
    assert history.left() == (kept | {more}) - {keyed, elsewhere}


def test_a_repeated_request_finds_its_deployment_for_a_day(
    store: SqlStore, history: History
) -> None:
    # I9
    keyed = history.add(Status.FAILED, key="k")
    history.add(Status.FAILED)
    limit = Retention(deployments=1)
    assert prune(store._engine, limit, now() + DAY - 60_000_000).deployments == 0
    assert store.repeated("t", "k", "") is not None
    assert prune(store._engine, limit, now() + DAY + 60_000_000).deployments == 1
    assert keyed not in history.left()


def test_events_and_lines_of_logs_go_at_their_own_times(store: SqlStore, history: History) -> None:
    ended = history.add(Status.FAILED)
    running = store.claim(history.ask("staging").id, history.worker)
    assert running is not None
    store.record(running, [Fact("log.line", None, {"text": "x"})])
    limits = Retention(events_days=90, logs_days=30)
    assert prune(store._engine, limits, now() + 29 * DAY) == Pruned()
    assert prune(store._engine, limits, now() + 31 * DAY) == Pruned(0, 0, 3)
    types = [event.type for event in store.events(ended)]
    assert types == [
        "deployment.queued", "deployment.started", "deployment.failed", "metrics.deployment",
        "deployment.completed",
    ]  # fmt: skip
    assert prune(store._engine, limits, now() + 91 * DAY) == Pruned(0, 4, 0)
    (last,) = store.events(ended)
    assert (last.type, last.sequence) == ("deployment.completed", 8), "it tells how many there were"
    assert len(store.events(running.id)) == 3, "what has not ended keeps all"
    assert prune(store._engine, limits, now() + 91 * DAY) == Pruned()


def test_what_tests_came_to_stays_as_long_as_their_deployment(
    store: SqlStore, history: History
) -> None:
    claimed = store.claim(history.ask("staging").id, history.worker)
    assert claimed is not None
    store.record(claimed, [Fact("deployment.tested", "web-1", {"passed": True, "tests": 1})])
    store.finish(claimed, Status.SUCCESS, "")
    prune(store._engine, Retention(events_days=1), now() + 9 * DAY)
    types = [event.type for event in store.events(claimed.id)]
    assert types == ["deployment.tested", "deployment.completed"]


def test_a_dry_run_counts_the_same_and_removes_nothing(
    store: SqlStore, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "REMOVED", 4)
    monkeypatch.setattr(retention, "LOOKED_AT", 2)
    for _ in range(5):
        history.add(Status.FAILED, lines=10)
    limits = Retention(deployments=3, events_days=1, logs_days=1)
    later = now() + 2 * DAY
    would = prune(store._engine, limits, later, dry_run=True)
    assert would == Pruned(2, 12, 30)
    assert len(history.left()) == 5
    assert prune(store._engine, limits, later) == would
    with store._transaction(reading=True) as connection:
        assert connection.scalar(text("SELECT count(*) FROM events")) == 3
        query = text("SELECT actor, action FROM audit WHERE action = 'db.prune'")
        assert [tuple(row) for row in connection.execute(query)] == [("retention", "db.prune")]
    assert prune(store._engine, limits, later) == Pruned()


def test_nothing_goes_where_nothing_is_said(store: SqlStore, history: History) -> None:
    history.add(Status.FAILED)
    assert prune(store._engine, Retention(), now() + 9999 * DAY) == Pruned()
    assert len(history.left()) == 1
