"""A backup is one picture of the records; any kind of database gets all of them back, or none."""

from __future__ import annotations

import gzip
import json
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fraisier.domain.deployment import Status
from fraisier.domain.errors import Refused, StoreError
from fraisier.domain.event import Fact
from fraisier.domain.ports import Filter, NewDeployment
from fraisier.domain.worker import NewWorker
from fraisier.store import SqlStore, archive
from fraisier.store.backup import back_up
from fraisier.store.copying import read, tables_there
from fraisier.store.database import HEAD, open_database, revision
from fraisier.store.migrate import migrate
from fraisier.store.restore import holds, restore
from support.databases import KINDS, empty_database
from support.fakes import make_target
from support.killing import contents
from support.old_records import fill
from support.target import until


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the records of 0.1.0, brought up to date, and a backup of them."""
    folder = tmp_path_factory.mktemp("made")
    url = f"sqlite:///{folder / 'old.db'}"
    fill(url, "0001")
    migrate(url)
    back_up(url, folder / "saved.gz")
    return folder


@pytest.fixture
def old(made: Path, tmp_path: Path) -> str:
    """Return a SQLite database with the records of 0.1.0, brought up to date."""
    return f"sqlite:///{shutil.copy(made / 'old.db', tmp_path)}"


@pytest.fixture
def saved(made: Path, tmp_path: Path) -> Path:
    """Return a backup of that database."""
    return Path(shutil.copy(made / "saved.gz", tmp_path))


def begin(store: SqlStore, environment: str = "production") -> str:
    """Record a request and claim it, for a worker that goes away at once."""
    target = make_target(environment=environment)
    asked = store.request(NewDeployment("deploy", target, "v1", None, "rolling", "t"))
    worker = store.join(NewWorker("w", "serve", {}, 1), 30)
    assert store.claim(asked.id, worker) is not None
    store.leave(worker)
    return asked.id


def test_records_come_back_on_every_kind_as_they_were(
    old: str, saved: Path, empty_database_url: str, tmp_path: Path
) -> None:
    # I18
    said = restore(empty_database_url, saved)
    wanted, found = contents(old), contents(empty_database_url)
    assert {n: d for n, d in found.items() if n != "pauses"} == {
        name: digest for name, digest in wanted.items() if name != "pauses"
    }
    assert said["rows"] == {name: digest["rows"] for name, digest in wanted.items()}
    again = tmp_path / "again.gz"
    back_up(empty_database_url, again)
    home = f"sqlite:///{tmp_path / 'home.db'}"
    restore(home, again)
    assert contents(home) == found, "and back again"


def test_a_queue_with_unfinished_work_is_paused_after_a_restore(
    saved: Path, empty_database_url: str
) -> None:
    assert restore(empty_database_url, saved)["unfinished"] == 2
    store = SqlStore(open_database(empty_database_url))
    paused = store.paused()
    assert paused is not None
    assert paused.by == "db restore"
    worker = store.join(NewWorker("w", "serve", {}, 1), 30)
    assert store.claim_next(worker, lambda _target: True) is None
    assert store.resume("me")


def test_a_backup_of_an_older_schema_is_restored_and_brought_up_to_date(
    empty_database_url: str, tmp_path: Path
) -> None:
    url, path = f"sqlite:///{tmp_path / 'x.db'}", tmp_path / "x.gz"
    fill(url, "0001")
    assert back_up(url, path)["schema"] == "0001"
    assert restore(empty_database_url, path)["schema"] == HEAD
    migrate(url)
    wanted, found = contents(url), contents(empty_database_url)
    assert found.pop("pauses")["rows"] == 1
    assert wanted.pop("pauses")["rows"] == 0
    assert found == wanted


def test_a_restore_replaces_what_was_there(saved: Path, old: str, database_url: str) -> None:
    store = SqlStore(open_database(database_url))
    gone = begin(store)
    assert holds(database_url) == 1
    restore(database_url, saved)
    assert contents(database_url)["deployments"] == contents(old)["deployments"]
    assert gone not in {d.id for d in store.deployments(Filter())}


def damaged(saved: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of a backup."""
    lines = gzip.decompress(saved.read_bytes()).decode().splitlines(keepends=True)
    saved.write_bytes(gzip.compress("".join(change(lines)).encode()))


def without_a_row(lines: list[str]) -> list[str]:
    """Leave out a row."""
    at = next(n for n, line in enumerate(lines) if '"log.line"' in line)
    return lines[:at] + lines[at + 1 :]


DAMAGE: dict[str, Callable[[list[str]], list[str]]] = {
    "a row is missing": without_a_row,
    "a row was changed": lambda lines: [line.replace("gr\\u00fc", "gr\\u00fd") for line in lines],
    "its end is missing": lambda lines: lines[:-1],
    "a row is short": lambda lines: [line.replace('"log.line",', "") for line in lines],
    "more follows": lambda lines: [*lines, "[]\n"],
    "another format": lambda lines: [lines[0].replace(":1,", ":2,", 1), *lines[1:]],
    "not JSON": lambda lines: ["hello\n", *lines],
    "empty": lambda lines: [],
}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_backup_is_refused_before_anything_is_touched(
    saved: Path, change: Callable[[list[str]], list[str]], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'mine.db'}"
    migrate(url)
    begin(SqlStore(open_database(url)))
    before = contents(url)
    whole = saved.read_bytes()
    damaged(saved, change)
    assert gzip.decompress(whole) != gzip.decompress(saved.read_bytes())
    with pytest.raises(StoreError, match="no whole backup"):
        restore(url, saved)
    assert contents(url) == before


def test_a_backup_cut_off_or_of_something_else_is_refused(saved: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.gz"
    half.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    text = tmp_path / "text"
    text.write_text("hello")
    for path in (half, text):
        with pytest.raises(StoreError, match="no whole backup"):
            archive.verify(path)
    with pytest.raises(StoreError, match="no such file"):
        archive.verify(tmp_path / "missing")


def test_a_backup_of_a_newer_fraisier_is_refused(saved: Path, tmp_path: Path) -> None:
    damaged(saved, lambda lines: [lines[0].replace(f'"{HEAD}"', '"9999"'), *lines[1:]])
    with pytest.raises(StoreError, match="newer Fraisier"):
        restore(f"sqlite:///{tmp_path / 'new.db'}", saved)


def test_what_does_not_fit_leaves_the_database_as_it_was(
    old: str, database_url: str, database_kind: str, tmp_path: Path
) -> None:
    store = SqlStore(open_database(old))
    with store._transaction() as connection:
        connection.exec_driver_sql("UPDATE tokens SET name = ?", ("x" * 300,))
    path = tmp_path / "long.gz"
    back_up(old, path)
    begin(SqlStore(open_database(database_url)))
    before = contents(database_url)
    if database_kind == "sqlite":
        restore(database_url, path)  # it takes any length
        return
    with pytest.raises(StoreError, match="table tokens cannot be restored"):
        restore(database_url, path)
    assert contents(database_url) == before
    assert revision(open_database(database_url)) == HEAD


def test_rows_that_are_read_back_differently_are_not_kept(
    saved: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(SqlStore(open_database(database_url)))
    before = contents(database_url)
    monkeypatch.setattr(
        "fraisier.store.restore.read",
        lambda connection, name, columns: list(read(connection, name, columns))[1:],
    )
    with pytest.raises(StoreError, match="read back with other rows"):
        restore(database_url, saved)
    monkeypatch.undo()
    assert contents(database_url) == before


def test_a_database_in_use_is_not_replaced(saved: Path, database_url: str) -> None:
    store = SqlStore(open_database(database_url))
    worker = store.join(NewWorker("builder-1", "worker", {}, 1), 30)
    with pytest.raises(Refused, match="builder-1"):
        restore(database_url, saved)
    store.leave(worker)
    restore(database_url, saved)


def test_a_backup_is_one_picture_of_a_database_in_use(database_url: str, tmp_path: Path) -> None:
    store = SqlStore(open_database(database_url))
    running = begin(store)
    worker = store.join(NewWorker("w", "serve", {}, 1), 600)
    done, backing_up = threading.Event(), threading.Event()
    written: list[str] = []

    def work() -> None:
        while backing_up.wait(60) and not done.is_set():
            target = make_target(environment=f"e{len(written)}")
            asked = store.request(NewDeployment("deploy", target, "v1", None, "rolling", "t"))
            claimed = store.claim(asked.id, worker)
            assert claimed is not None
            store.record(claimed, [Fact("log.line", None, {"text": "x"})] * 5)
            store.finish(claimed, Status.SUCCESS, "")
            written.append(claimed.id)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(3):
            path, before = tmp_path / f"{number}.gz", len(written)
            backing_up.set()
            until(lambda before=before: len(written) > before + 2, 60)
            back_up(database_url, path)
            backing_up.clear()
            url = f"sqlite:///{tmp_path / f'{number}.db'}"
            restore(url, path)
            seen = SqlStore(open_database(url))
            assert running in {d.id for d in seen.deployments(Filter(limit=9999))}
            for found in seen.deployments(Filter(limit=9999)):
                events = seen.events(found.id)
                assert [e.sequence for e in events] == list(range(1, len(events) + 1)), "I11"
                assert (events[-1].type == "deployment.completed") == found.status.terminal
    finally:
        done.set()
        backing_up.set()
        thread.join()


def test_a_backup_is_its_owner_s_alone_and_appears_whole_or_not_at_all(
    old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept" / "b.gz"
    path.parent.mkdir()
    path.write_text("the one before")
    monkeypatch.setattr("fraisier.store.backup._dump", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        back_up(old, path)
    assert path.read_text() == "the one before"
    monkeypatch.undo()
    back_up(old, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["b.gz"]
    with pytest.raises(StoreError, match="choose another place"):
        back_up(old, tmp_path / "missing" / "b.gz")


def test_a_backup_has_no_workers_and_says_what_it_is(saved: Path) -> None:
    lines = gzip.decompress(saved.read_bytes()).decode().splitlines()
    head = json.loads(lines[0])
    assert (head["fraisier_backup"], head["schema"], head["kind"]) == (1, HEAD, "sqlite")
    assert '{"table":"workers"' not in "\n".join(lines)


def test_every_table_is_in_a_backup(database_url: str) -> None:
    with open_database(database_url).connect() as connection:
        there = connection.dialect.get_table_names(connection)
        assert set(there) - set(tables_there(connection)) == {"workers", "alembic_version"}


def test_any_kind_restores_the_backup_of_any_other(
    request: pytest.FixtureRequest, saved: Path, tmp_path: Path
) -> None:
    path, found = saved, []
    for kind in (*KINDS, *KINDS[:2]):
        url = empty_database(kind, request, tmp_path)
        restore(url, path)
        found.append({n: d for n, d in contents(url).items() if n != "pauses"})
        path = tmp_path / f"{len(found)}.gz"
        back_up(url, path)
    assert all(each == found[0] for each in found)
