"""A database that is away, stalls, or is wrongly set up: an error of ours, soon, with a way out."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from fraisier.domain.deployment import Status
from fraisier.domain.errors import StoreError, StoreUnavailable
from fraisier.domain.event import Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plain_text import REASON, one_line
from fraisier.domain.plan import Work
from fraisier.domain.ports import Filter, NewDeployment
from fraisier.domain.worker import NewWorker
from fraisier.engine.bell import Bell
from fraisier.engine.membership import Membership
from fraisier.engine.queue import QueueWorker, Stop
from fraisier.store import SqlStore, engines
from fraisier.store.database import HEAD, connect, open_database
from fraisier.store.engines import Patience, new_engine
from fraisier.store.migrate import migrate
from fraisier.store.status import look
from fraisier.store.urls import parse, shown
from support.databases import PASSWORD, MariadbServer, PostgresServer
from support.fakes import ScriptedRunner, make_catalogue, make_target
from support.target import until

SERVERS = ("postgresql", "mysql")


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> PostgresServer | MariadbServer:
    """Return each database server."""
    name = {"postgresql": "postgres_server", "mysql": "mariadb_server"}[request.param]
    found: PostgresServer | MariadbServer = request.getfixturevalue(name)
    return found


@pytest.fixture
def url(server: PostgresServer | MariadbServer) -> str:
    """Return a database with the newest schema on that server."""
    return server.migrated_database()


def ask(store: SqlStore) -> str:
    """Record a request."""
    return store.request(NewDeployment("deploy", make_target(), "v1", None, "rolling", "t")).id


def test_a_restart_under_load_gives_answers_or_unavailable_and_loses_nothing(
    server: PostgresServer | MariadbServer, url: str
) -> None:
    # I1: what was answered is there afterwards
    store, done = SqlStore(open_database(url)), threading.Event()
    answered: list[str] = []
    refused: list[StoreUnavailable] = []
    errors: list[Exception] = []

    def work() -> None:
        while not done.is_set():
            try:
                answered.append(ask(store))
                store.deployments(Filter(limit=5))
            except StoreUnavailable as error:
                refused.append(error)
                done.wait(0.05)
            except Exception as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for stop in (server.stop, server.kill):
            _grows(answered, errors)
            stop()
            _grows(refused, errors)
            server.start()
        _grows(answered, errors)  # it goes on after the restart
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert errors == []
    recorded = [d.id for d in store.deployments(Filter(limit=99999))]
    assert set(answered) <= set(recorded)
    assert len(recorded) == len(set(recorded))


def _grows(answers: Sequence[object], errors: Sequence[Exception]) -> None:
    """Wait for more answers of a kind, from every thread as far as one can tell; or for a fault."""
    many = len(answers) + 12
    until(lambda: len(answers) >= many or errors, 60)


@contextmanager
def stalled(server: PostgresServer | MariadbServer) -> Iterator[None]:
    """Make a server stall."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


def test_a_server_that_stalls_is_given_up_in_time(
    server: PostgresServer | MariadbServer, url: str
) -> None:
    engine = new_engine(parse(url), 2, Patience(connect=1, lock=1, statement=1, answer=1))
    store = SqlStore(engine)
    asked = ask(store)
    for _ in range(2):  # with a connection that is there, then with a new one
        begun = time.monotonic()
        with stalled(server), pytest.raises(StoreUnavailable) as caught:
            store.deployment(asked)
        assert time.monotonic() - begun < 8
        assert PASSWORD not in str(caught.value)
        engine.dispose()
    assert store.deployment(asked).id == asked


class Waiting(ScriptedRunner):
    """A runner whose deploy goes on until the hall is open, or it is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.open = threading.Event(), threading.Event()

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Wait inside a deploy."""
        if work.verb == "deploy":
            self.inside.set()
            while not self.open.wait(0.05) and not cancelled():
                continue
        return super().run(work, on_facts, cancelled)


@contextmanager
def at_work(store: SqlStore, runner: Waiting, lease: float) -> Iterator[QueueWorker]:
    """Let a worker serve the queue in a thread."""
    member = Membership(store, NewWorker("me", "serve", {}, 1), lease)
    catalogue = make_catalogue(make_target())
    worker = QueueWorker(catalogue, store, lambda: runner, Bell(), member, 5.0)
    stop = Stop()
    thread = threading.Thread(target=worker.serve, args=[stop])
    thread.start()
    try:
        yield worker
    finally:
        runner.open.set()
        stop.drain.set()
        thread.join()


def test_a_server_that_is_killed_and_comes_back_later_stops_no_deployment(
    server: PostgresServer | MariadbServer, url: str
) -> None:
    # three quarters of the time that a lease is trusted, as 15 s of the usual 20 s
    store, runner, lease = SqlStore(open_database(url)), Waiting(), 24.0
    asked = ask(store)
    with at_work(store, runner, lease) as worker:
        assert runner.inside.wait(60)
        first = worker.id
        server.kill()
        threading.Event().wait(lease / 2)
        server.start()
        until(lambda: worker.trouble is None, 60)
        runner.open.set()
        until(lambda: store.deployment(asked).status.terminal, 60)
        assert (store.deployment(asked).status, worker.id) == (Status.SUCCESS, first)
    kinds = [event.type for event in store.events(asked)]
    assert kinds.count("deployment.step") == 1


def test_what_a_server_says_while_it_recovers_stops_and_changes_places_is_for_the_moment(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.migrated_database()
    heard: list[str] = []
    postgres_server.stop()
    signal_file = postgres_server.folder / "data" / "standby.signal"
    settings = postgres_server.folder / "data" / "postgresql.auto.conf"
    before = settings.read_text()
    try:
        for hot in ("on", "off"):  # a standby that takes reads alone, and one that takes nobody
            signal_file.touch()
            settings.write_text(f"hot_standby = {hot}\nrestore_command = 'sleep 0.2; false'\n")
            postgres_server._spawn(postgres_server.port)
            until(lambda: says(url, heard) in ("read-only", "Hot standby"), 60)
            postgres_server._end(signal.SIGINT)
    finally:
        signal_file.unlink()
        settings.write_text(before)
        postgres_server.start()
    SqlStore(open_database(url)).deployments(Filter())
    assert heard


def says(url: str, heard: list[str]) -> str:
    """Ask for a deployment and return in one word what stands against it."""
    with pytest.raises(StoreUnavailable) as caught:
        ask(SqlStore(open_database(url)))
    heard.append(caught.value.message)
    words = ("read-only", "Hot standby", "not accepting connections")
    found = next((word for word in words if word in caught.value.message), "")
    return "Hot standby" if found == words[2] else found


def test_a_connection_to_a_server_that_takes_no_changes_is_left_for_another(
    postgres_server: PostgresServer,
) -> None:
    # after a failover the old primary may still answer; its name leads to the new one
    url = postgres_server.migrated_database()
    name = make_url(url).database
    postgres_server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    store = SqlStore(open_database(url))
    with pytest.raises(StoreUnavailable):
        ask(store)
    postgres_server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    ask(store)  # by a new connection: the setting is one of those that began before


def test_locks_held_by_others_are_waited_for_a_bounded_time(
    server: PostgresServer | MariadbServer, url: str
) -> None:
    impatient = new_engine(parse(url), 2, Patience(lock=1, statement=5))
    asked = ask(SqlStore(impatient))
    statement = text("UPDATE deployments SET reason = 'x' WHERE id = :id")
    with connect(url).begin() as holder:
        holder.execute(statement, {"id": asked})
        begun = time.monotonic()
        with (
            pytest.raises(StoreUnavailable),
            SqlStore(impatient)._transaction() as connection,
        ):
            connection.execute(statement, {"id": asked})
        assert 0.8 < time.monotonic() - begun < 8


def test_a_deadlock_is_something_to_try_again(url: str) -> None:
    store = SqlStore(open_database(url))
    asked = [ask(store) for _ in range(2)]
    statement = text("UPDATE deployments SET reason = 'x' WHERE id = :id")
    barrier, ended = threading.Barrier(2), []

    def cross(first: str, second: str) -> None:
        try:
            with store._transaction() as connection:
                connection.execute(statement, {"id": first})
                barrier.wait()
                connection.execute(statement, {"id": second})
            ended.append("done")
        except StoreUnavailable:
            ended.append("unavailable")

    threads = [threading.Thread(target=cross, args=pair) for pair in (asked, asked[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["done", "unavailable"]


def test_a_sqlite_file_that_is_locked_for_long_is_unavailable(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "SQLITE_LOCK_SECONDS", 1)
    path = tmp_path / "records.db"
    store = SqlStore(new_engine(parse(f"sqlite:///{path}"), 5, Patience(lock=1)))
    migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable), store._transaction():
            pass
        assert 0.8 < time.monotonic() - begun < 8
        assert store.deployments(Filter()) == [], "reading goes on"
    ask(store)


def test_a_new_sqlite_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    # whoever makes it first turns on the write-ahead log; SQLite does not wait for that by itself
    barrier, failed = threading.Barrier(4), []

    def opened() -> None:
        for number in range(50):
            barrier.wait()
            engine = connect(f"sqlite:///{tmp_path}/{number}.db")
            try:
                engine.connect().close()
            except Exception as error:
                failed.append(error)
            engine.dispose()

    threads = [threading.Thread(target=opened) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_sqlite_file_that_others_are_making_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "SQLITE_PAUSE_SECONDS", 0)
    tried: list[str] = []

    class Busy:
        def execute(self, statement: str) -> None:
            tried.append(statement)
            if len(tried) < 3:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error

    engines._set_up_sqlite(Busy(), None)
    assert len(tried) == 5
    monkeypatch.setattr(engines, "SQLITE_LOCK_SECONDS", -1)
    tried.clear()
    with pytest.raises(sqlite3.OperationalError):
        engines._set_up_sqlite(Busy(), None)


def test_a_sqlite_file_on_a_full_disk_is_unavailable_until_there_is_space(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    migrate(f"sqlite:///{path}")
    store = SqlStore(open_database(f"sqlite:///{path}"))
    with store._transaction() as connection:
        pages = connection.scalar(text("PRAGMA page_count"))
        connection.execute(text(f"PRAGMA max_page_count = {pages + 1}"))
    with pytest.raises(StoreUnavailable) as full:
        asks_for_ever(store)
    assert "free some space" in full.value.hint
    assert store.deployments(Filter(limit=1)), "reading goes on"
    with store._transaction(reading=True) as connection:
        connection.execute(text("PRAGMA max_page_count = 99999"))
    ask(store)


def asks_for_ever(store: SqlStore) -> None:
    """Record requests until that fails."""
    while True:
        ask(store)


def test_a_process_without_a_free_connection_says_so(url: str) -> None:
    engine = new_engine(parse(url), 2, Patience())
    engine.pool._timeout = 0.2  # type: ignore[attr-defined]
    store = SqlStore(engine)
    with (
        engine.connect(),
        engine.connect(),
        pytest.raises(StoreUnavailable, match="in use") as full,
    ):
        store.deployments(Filter())
    assert "FRAISIER_DATABASE_POOL" in full.value.hint


def test_what_is_wrongly_set_up_is_told_with_a_way_out_and_without_the_password(
    server: PostgresServer | MariadbServer, url: str
) -> None:
    wrong = make_url(url)
    cases = {
        wrong.set(password="hunter2"): "password",
        wrong.set(username="nobody"): "password",
        wrong.set(database="fraisier_nope"): "create it",
    }
    for each, hint in cases.items():
        with pytest.raises(StoreError) as caught:
            open_database(each.render_as_string(hide_password=False))
        assert not isinstance(caught.value, StoreUnavailable), caught.value
        assert hint in caught.value.hint
        assert "hunter2" not in str(caught.value)
        assert PASSWORD not in str(caught.value)
    for gone in (wrong.set(port=1), wrong.set(host="127.0.0.254")):
        with pytest.raises(StoreUnavailable):
            open_database(gone.render_as_string(hide_password=False))


def test_a_user_without_rights_is_told_who_can_give_them(postgres_server: PostgresServer) -> None:
    url = make_url(postgres_server.new_database())
    postgres_server.execute(f"CREATE ROLE poor LOGIN PASSWORD '{PASSWORD}'")
    with pytest.raises(StoreError) as caught:
        migrate(url.set(username="poor").render_as_string(hide_password=False))
    assert "owner" in caught.value.hint


def test_isolation_and_settings_are_the_same_wherever_a_connection_comes_from(url: str) -> None:
    with open_database(url).connect() as connection:
        assert connection.get_isolation_level() == "READ COMMITTED"
        if connection.dialect.name == "postgresql":
            assert connection.scalar(text("SHOW lock_timeout")) == "10s"
            assert connection.scalar(text("SHOW statement_timeout")) == "15s"
        else:
            assert connection.scalar(text("SELECT @@innodb_lock_wait_timeout")) == 10
            assert "STRICT_TRANS_TABLES" in connection.scalar(text("SELECT @@sql_mode"))
            assert connection.scalar(text("SELECT @@idle_transaction_timeout")) == 20


def test_names_differ_by_case_and_by_spaces_on_every_kind(database_url: str) -> None:
    engine = open_database(database_url)
    insert = text("INSERT INTO targets (id, fraise, environment) VALUES (:id, :fraise, 'x')")
    with engine.begin() as connection:
        for number, name in enumerate(("a", "A", "a ", "ä", "Ä", "🍓")):
            connection.execute(insert, {"id": str(number), "fraise": name})
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT count(*) FROM targets WHERE fraise = 'a'"))
    assert found == 1


def test_text_that_some_databases_refuse_is_recorded_alike_by_all(database_url: str) -> None:
    store = SqlStore(open_database(database_url))
    asked = ask(store)
    worker = store.join(NewWorker("w", "serve", {}, 1), 30)
    claimed = store.claim(asked, worker)
    assert claimed is not None
    odd = "a\x00b \ud800 \\u0000 \U0001f353" + "x" * 70_000
    store.record(claimed, [Fact("log.line", None, {odd[:40]: [odd]})])
    store.finish(claimed, Status.FAILED, odd)
    plain = odd.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    reason = store.deployment(asked).reason
    assert reason == one_line(odd, REASON)
    assert reason.startswith("a\\x00b \\ud800 \\u0000 \U0001f353xx")
    lines = [each.data for each in store.events(asked) if each.type == "log.line"]
    assert lines == [{plain[:40]: [plain]}]
    assert store.deployments(Filter(fraise="a\x00")) == []
    assert store.figures()


def test_a_server_that_forgets_is_warned_about(
    postgres_server: PostgresServer, mariadb_server: MariadbServer
) -> None:
    # I1
    url = postgres_server.migrated_database()
    facts = look(url, 7)
    assert (facts["kind"], facts["revision"], facts["pool"]) == ("postgresql", HEAD, 7)
    assert facts["server"].startswith("PostgreSQL ")
    assert facts["counts"]["deployments"] == 0
    assert [said.split()[0] for said in facts["warnings"]] == ["fsync"], "as the tests run it"
    assert PASSWORD not in str(facts)
    name = make_url(url).database
    postgres_server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with open_database(url).connect() as connection:
        assert connection.scalar(text("SHOW synchronous_commit")) == "on", "we ask for it"
    url = mariadb_server.new_database()
    assert look(url, 7)["warnings"] == []
    assert look(url, 7)["revision"] is None
    mariadb_server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    try:
        (warning,) = look(url, 7)["warnings"]
    finally:
        mariadb_server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    assert warning.startswith("innodb_flush_log_at_trx_commit is 2")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:hunter2@db/f", "postgresql://me:***@db/f"),
        ("mysql://me@db/f?password=hunter2&a=b", "mysql://me@db/f?a=b&password=***"),
        ("postgresql://me:hunter2/x@db/f", "postgresql://me:***@db/f"),
        ("postgresql://me:x@db:hunter2/f", "***"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, said: str) -> None:
    assert shown(url) == said
    assert "hunter2" not in said


@pytest.mark.parametrize("scheme", ["oracle", "postgresql+asyncpg", "mssql"])
def test_another_kind_of_database_is_refused(scheme: str) -> None:
    with pytest.raises(StoreError, match="not supported") as caught:
        parse(f"{scheme}://me:hunter2@db/f")
    assert "hunter2" not in str(caught.value)


def test_a_url_s_own_options_are_left_as_they_are(postgres_server: PostgresServer) -> None:
    url = f"{postgres_server.migrated_database()}?application_name=mine&sslmode=disable"
    with open_database(url).connect() as connection:
        assert connection.scalar(text("SHOW application_name")) == "mine"


def test_a_password_may_stand_in_a_file_of_its_own(
    postgres_server: PostgresServer, mariadb_server: MariadbServer, tmp_path: Any
) -> None:
    of_postgres, of_mariadb = tmp_path / "pgpass", tmp_path / "my.cnf"
    of_postgres.write_text(f"*:*:*:fraisier:{PASSWORD}\n")
    of_mariadb.write_text(f"[client]\npassword={PASSWORD}\n")
    of_postgres.chmod(0o600)
    options = {
        postgres_server.new_database(): f"?passfile={of_postgres}",
        mariadb_server.new_database(): f"?read_default_file={of_mariadb}",
    }
    for url, option in options.items():
        assert migrate(url.replace(f":{PASSWORD}", "") + option) is None
