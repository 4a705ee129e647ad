"""What every store must hold: one suite, for each database that stands behind the port."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from fraisier.domain.deployment import Deployment, HostRecord, IllegalMove, Placement, Status
from fraisier.domain.errors import DeploymentNotFound, Refused, StoreError
from fraisier.domain.event import Fact
from fraisier.domain.ports import Filter, NewDeployment
from fraisier.store import SqlStore
from fraisier.store.database import HEAD, open_database
from fraisier.store.migrate import configuration
from fraisier.store.tables import metadata
from support.fakes import make_target


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return where the database is."""
    return f"sqlite:///{tmp_path / 'records.db'}"


@pytest.fixture
def store(url: str) -> SqlStore:
    """Return a new store."""
    return SqlStore(open_database(url))


def ask(store: SqlStore, **more: Any) -> Deployment:
    """Record a request for the one target."""
    target = make_target(**more.pop("target", {}))
    values = {"kind": "deploy", "version": "v1", "requested_version": None, "strategy": "rolling"}
    return store.request(NewDeployment(target=target, triggered_by="t", **{**values, **more}))


def begin(store: SqlStore) -> Deployment:
    """Record a request and start it."""
    asked = ask(store)
    assert store.claim(asked.id)
    return store.deployment(asked.id)


def test_a_request_is_recorded_with_its_configuration_and_first_event(store: SqlStore) -> None:
    asked = ask(store)
    assert store.deployment(asked.id) == asked
    assert asked.status is Status.PENDING
    assert asked.target == make_target()
    assert [event.type for event in store.events(asked.id)] == ["deployment.queued"]


def test_only_one_deployment_of_a_target_is_live_and_order_is_kept(store: SqlStore) -> None:
    first, second, third = ask(store), ask(store), ask(store)
    assert not store.claim(third.id)
    assert store.claim(first.id)
    assert not store.claim(first.id), "only one caller starts it"
    assert not store.claim(second.id)
    blocker = store.blocker(second.id)
    assert blocker is not None
    assert blocker.id == first.id
    store.finish(first.id, Status.SUCCESS, "")
    assert not store.claim(third.id)
    assert store.claim(second.id)
    assert store.deployment(second.id).status is Status.IN_PROGRESS


def test_the_database_itself_refuses_a_second_live_deployment(store: SqlStore) -> None:
    first, second = ask(store), ask(store)
    store.claim(first.id)
    statement = text("UPDATE deployments SET status = 'in_progress' WHERE id = :id")
    with pytest.raises(StoreError), store._transaction() as connection:
        connection.execute(statement, {"id": second.id})


def test_claims_from_many_threads_start_a_deployment_once(store: SqlStore) -> None:
    asked, claims = ask(store), []
    threads = [
        threading.Thread(target=lambda: claims.append(store.claim(asked.id))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claims) == [False] * 7 + [True]
    types = [event.type for event in store.events(asked.id)]
    assert types == ["deployment.queued", "deployment.started"]


def test_sequences_stay_gapless_with_many_writers(store: SqlStore) -> None:
    asked = begin(store)
    facts = [Fact("log.line", "web-1", {"text": "x"})] * 3

    def write() -> None:
        for _ in range(20):
            store.record(asked.id, facts)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [event.sequence for event in store.events(asked.id)]
    assert numbers == list(range(1, 2 + 4 * 20 * 3 + 1))
    assert [event.sequence for event in store.events(asked.id, after=240)] == [241, 242]


def test_an_ended_deployment_never_changes_again(store: SqlStore) -> None:
    asked = begin(store)
    store.finish(asked.id, Status.FAILED, "because")
    with pytest.raises(IllegalMove):
        store.finish(asked.id, Status.SUCCESS, "")
    with pytest.raises(Refused):
        store.record(asked.id, [Fact("log.line")])
    assert store.deployment(asked.id).reason == "because"


def test_a_busy_target_rejects_or_supersedes_as_configured(store: SqlStore) -> None:
    running, waiting = ask(store), ask(store)
    store.claim(running.id)
    with pytest.raises(Refused, match=running.id):
        ask(store, target={"on_busy": "reject"})
    newer = ask(store, target={"on_busy": "supersede"})
    assert store.deployment(waiting.id).status is Status.SUPERSEDED
    assert store.deployment(running.id).status is Status.IN_PROGRESS
    assert store.deployment(newer.id).status is Status.PENDING


def test_the_same_key_gives_the_same_deployment_and_another_request_is_refused(
    store: SqlStore,
) -> None:
    first = ask(store, idempotency_key="k")
    assert ask(store, idempotency_key="k").id == first.id
    with pytest.raises(Refused, match="idempotency key"):
        ask(store, idempotency_key="k", version="v2")


def test_what_a_dead_process_left_is_ended_and_holds_the_target(store: SqlStore, url: str) -> None:
    running, waiting = begin(store), ask(store)
    assert store.abandon_dead() == []
    after_their_death = SqlStore(open_database(url), lambda owner: owner["pid"] == os.getpid())
    ended = {d.id: d.status for d in after_their_death.abandon_dead()}
    assert ended == {running.id: Status.INTERRUPTED, waiting.id: Status.CANCELLED}
    assert store.held("api", "production") == running.id
    assert store.abandon_dead() == []


def test_hosts_and_placements_are_kept_as_last_said(store: SqlStore) -> None:
    asked = begin(store)
    for release in ("r1", "r2"):
        record = HostRecord("web-1", "changed", release, None, {"code": "x"})
        placement = Placement("web-1", 7, release, "v1", True, 1)
        store.record(asked.id, [], [record], [placement])
    assert store.host_records(asked.id) == [record]
    assert store.placements("api", "production") == {"web-1": placement}


def test_deployments_are_listed_newest_first_and_filtered(store: SqlStore) -> None:
    first, second = ask(store), ask(store)
    store.claim(first.id)
    listed = [deployment.id for deployment in store.deployments(Filter())]
    assert listed == [second.id, first.id]
    assert [d.id for d in store.deployments(Filter(status="in_progress"))] == [first.id]
    assert store.deployments(Filter(environment="staging")) == []
    assert len(store.deployments(Filter(limit=1))) == 1


def test_an_unknown_deployment_is_not_found(store: SqlStore) -> None:
    for read in (store.deployment, store.events, store.claim, store.host_records):
        with pytest.raises(DeploymentNotFound):
            read("dep_nope")


def test_the_installation_keeps_its_id(store: SqlStore, url: str) -> None:
    assert store.installation() == SqlStore.open(url).installation()


def test_the_migrations_make_exactly_the_tables_and_head_is_their_head(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    assert ScriptDirectory.from_config(configuration()).get_current_head() == HEAD


def test_every_commit_is_on_the_disk_before_it_is_told(url: str) -> None:
    with open_database(url).connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_file_that_is_no_database_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "not.db"
    path.write_text("this is text, and long enough to be read as a header of a database file")
    with pytest.raises(StoreError, match="not a database"):
        SqlStore.open(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="folder"):
        SqlStore.open(f"sqlite:///{tmp_path / 'missing' / 'x.db'}")


def test_a_database_of_a_newer_fraisier_is_refused(url: str) -> None:
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer Fraisier"):
        open_database(url)
