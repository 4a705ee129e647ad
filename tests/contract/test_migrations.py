"""A database comes to the newest schema from every released one, whatever happens on the way."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text

from fraisier.domain.deployment import Status
from fraisier.domain.errors import StoreError
from fraisier.domain.ports import Filter
from fraisier.store import SqlStore
from fraisier.store.database import HEAD, connect, open_database, revision
from fraisier.store.migrate import configuration, migrate, upgrade
from fraisier.store.tables import metadata
from support.databases import KINDS, PASSWORD, copy_of, empty_database
from support.killing import (
    changes,
    contents,
    end_of,
    first_of_each_kind,
    migrated,
    migrated_until,
    start,
)
from support.old_records import RELEASED, fill

Another = Callable[[], str]


@pytest.fixture
def another(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Another:
    """Return a function that makes one more database of the kind with the records of 0.1.0."""
    filled = empty_database(database_kind, request, tmp_path)
    fill(filled, "0001")
    return lambda: copy_of(filled, request, tmp_path)


@pytest.fixture
def another_empty(request: pytest.FixtureRequest, tmp_path: Path) -> Another:
    """Return a function that makes one more empty database where no transaction protects it."""
    return lambda: empty_database("mysql", request, tmp_path)


def differences(url: str) -> list[object]:
    """Return where a database is not what the tables say."""
    engine = connect(url)
    with engine.connect() as connection:
        found = list(compare_metadata(MigrationContext.configure(connection), metadata))
    engine.dispose()
    return found


def migrate_killed(url: str, number: int, target: str = "head") -> None:
    """Migrate and die after so many changes."""
    assert end_of(start(migrated_until, url, number, target)) == -signal.SIGKILL


@pytest.mark.parametrize("released", RELEASED)
def test_the_records_of_every_released_version_come_along(
    empty_database_url: str, released: str
) -> None:
    url = empty_database_url
    fill(url, released)
    before = contents(url)
    assert migrate(url) == released
    after = contents(url)
    assert differences(url) == []
    assert {name: after[name]["rows"] for name in before} == {
        name: digest["rows"] for name, digest in before.items()
    }
    assert after["untold"]["rows"] == 2, "the story of what is under way is told"
    for unchanged in ("installation", "deployment_hosts", "events"):
        assert after[unchanged] == before[unchanged]
    store = SqlStore(open_database(url))
    assert [token.targets for token in store.tokens()] == [("*/*",)], "it reaches all, as before"
    listed = store.deployments(Filter())
    assert [d.status.value for d in listed if d.target.environment == "production"] == [
        "cancelled",
        "rollback_failed",
        "success",
    ]
    lines = [e for d in listed for e in store.events(d.id) if e.type == "log.line"]
    assert [line.data["text"] for line in lines] == ["grüße \ufffd from the build \u2028 🍓"]
    with connect(url).connect() as connection:
        query = "SELECT target_id, accepted FROM deployments ORDER BY target_id, created_at, id"
        order = [tuple(row) for row in connection.execute(text(query))]
        last = dict(tuple(r) for r in connection.execute(text("SELECT id, accepted FROM targets")))
    for target, accepted in last.items():
        assert [n for t, n in order if t == target] == list(range(1, accepted + 1)), "I10"
    assert store.deployment(listed[0].id).status is Status.IN_PROGRESS


def test_what_0_1_0_left_running_is_taken_over_after_the_migration(
    empty_database_url: str,
) -> None:
    fill(empty_database_url, "0001")
    migrate(empty_database_url)
    store = SqlStore(open_database(empty_database_url))
    running = [d.id for d in store.deployments(Filter(status="in_progress"))]
    with store._transaction() as connection:
        live = text("SELECT live_target, worker_id FROM deployments WHERE status = 'in_progress'")
        assert [row.worker_id for row in connection.execute(live)] == [None]
        assert all(row.live_target for row in connection.execute(live))
    assert len(running) == 1


def test_a_migration_killed_after_each_kind_of_change_completes_when_it_is_run_again(
    another: Another, database_kind: str
) -> None:
    # I18. One transaction makes all changes alike: there the first and the last stand for all.
    made, wanted = migration(another)
    kinds = first_of_each_kind(made)
    assert len(kinds) > 8
    completes(another, kinds if database_kind == "mysql" else [1, len(made)], wanted)


@pytest.mark.slow
@pytest.mark.cpu_seconds(100, reason="it migrates a database twice for each change there is")
def test_a_migration_killed_after_any_change_completes_when_it_is_run_again(
    another: Another,
) -> None:
    # I18
    made, wanted = migration(another)
    completes(another, range(1, len(made) + 1), wanted)


def migration(another: Another) -> tuple[list[str], dict[str, dict[str, object]]]:
    """Return the changes that a migration makes, and what it comes to where nothing ends it."""
    url = another()
    with changes() as made:
        migrate(url)
    assert len(made) > 50
    return made, contents(url)


def completes(another: Another, numbers: Iterable[int], wanted: object) -> None:
    """Kill a migration after each of some changes; the next one brings what an undisturbed does."""
    for number in numbers:
        url = another()
        migrate_killed(url, number)
        migrate(url)
        assert differences(url) == [], f"killed after change {number}"
        assert contents(url) == wanted, f"killed after change {number}"


def test_an_installation_killed_after_each_kind_of_change_completes(another_empty: Another) -> None:
    # I18, where no transaction protects the schema: each statement is there for good
    kinds = first_of_each_kind(installation(another_empty))
    assert len(kinds) > 2
    installs(another_empty, kinds)


@pytest.mark.slow
def test_an_installation_killed_after_any_change_completes(another_empty: Another) -> None:
    # I18
    installs(another_empty, range(1, len(installation(another_empty)) + 1))


def installation(another_empty: Another) -> list[str]:
    """Return the changes that the first revision makes."""
    engine = connect(another_empty())
    with changes() as made:
        upgrade(engine, "0001")
    engine.dispose()
    assert len(made) > 10
    return made


def installs(another_empty: Another, numbers: Iterable[int]) -> None:
    """Kill an installation after each of some changes, and install again."""
    for number in numbers:
        url = another_empty()
        migrate_killed(url, number, "0001")
        assert migrate(url) is None
        assert differences(url) == [], f"killed after change {number}"
        assert contents(url)["installation"]["rows"] == 1


def test_processes_that_migrate_at_once_take_turns(empty_database_url: str) -> None:
    processes = [start(migrated, empty_database_url) for _ in range(4)]
    assert [end_of(process) for process in processes] == [0] * 4
    assert differences(empty_database_url) == []
    assert contents(empty_database_url)["installation"]["rows"] == 1, "one id for all"


def test_the_lock_on_the_schema_is_let_go_after_the_commit(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    engine = connect(empty_database("mysql", request, tmp_path))
    seen: list[str | None] = []

    @event.listens_for(engine, "before_cursor_execute")
    def at_the_release(connection, cursor, statement, *_: object) -> None:
        if "RELEASE_LOCK" in statement:
            seen.append(revision(engine))

    upgrade(engine)
    engine.dispose()
    assert seen == [HEAD]


def test_a_server_s_database_is_not_changed_by_opening_it(
    empty_database_url: str, database_kind: str
) -> None:
    if database_kind == "sqlite":
        assert revision(open_database(empty_database_url)) == HEAD
        return
    with pytest.raises(StoreError, match="is empty") as empty:
        open_database(empty_database_url)
    fill(empty_database_url, "0001")
    with pytest.raises(StoreError, match="older Fraisier") as older:
        open_database(empty_database_url)
    for caught in (empty, older):
        assert "fraisier db migrate" in caught.value.hint
        assert PASSWORD not in str(caught.value)


def test_a_database_of_a_newer_fraisier_is_refused_by_all(database_url: str) -> None:
    with connect(database_url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (open_database, migrate):
        with pytest.raises(StoreError, match="newer Fraisier"):
            attempt(database_url)


def test_the_newest_revision_is_the_one_that_databases_are_held_to() -> None:
    assert ScriptDirectory.from_config(configuration()).get_current_head() == HEAD


def test_all_kinds_are_tried() -> None:
    assert set(KINDS) == {"sqlite", "postgresql", "mysql"}
