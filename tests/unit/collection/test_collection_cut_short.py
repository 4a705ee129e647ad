"""Backups, migrations and measurements that are cut short or find what nobody expected."""

from __future__ import annotations

import errno
import http.client
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    analysis,
    analysis_measures,
    around,
    backup_dump,
    backup_files,
    backup_restore,
    backups,
    balancer,
    commands,
    compose_backups,
    compose_colours,
    compose_pair,
    compose_stage,
    migration,
    seal,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.analysis_measures import Scene
from ansible_collections.fraisier.deploy.plugins.module_utils.analysis_rules import read_metrics
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.report import Report
from ansible_collections.fraisier.deploy.plugins.module_utils.setting import Setting
from ansible_collections.fraisier.deploy.plugins.module_utils.wanted import Wanted
from fraisier.domain.outcome import HostOutcome
from fraisier.engine.ledger import HostState
from unit.collection.test_collection_compose_around import AROUND, PROXY, World, id_of, world

__all__ = ["world"]


class Fence:
    """One that nobody disputes."""

    def check(self) -> None:
        """Find nothing."""

    def scope(self, _name: str) -> None:
        """Have none."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of the backups of `setting`."""
    return tmp_path / "store/a.b"


def setting(folder: Path, document: dict[str, Any]) -> Setting:
    """Return what is done around a release, in a folder of its own."""
    for name in ("app", "state"):
        (folder / name).mkdir(exist_ok=True)
    if "backup" in document:
        document = {"backup": {"folder": str(folder / "store"), **document["backup"]}}
    return Setting(
        around=around.parse(document),
        name="a.b",
        deployment="dep-1",
        release="r1",
        version="v1",
        folder=str(folder / "app"),
        app_path=str(folder / "app"),
        state=str(folder / "state"),
        user=commands.user_of(os.geteuid()),
        environment={"PATH": os.environ["PATH"]},
        report=Report(),
        fence=Fence(),  # type: ignore[arg-type]
    )


def test_a_path_that_is_a_link_is_saved_as_what_it_leads_to(tmp_path: Path, home: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "photo").write_text("kept")
    own = setting(tmp_path, {"backup": {"paths": ["uploads"]}})
    (tmp_path / "app/uploads").symlink_to(volume)
    taken = backups.take(own, "asked")
    assert taken is not None
    with tarfile.open(home / taken["id"] / "files.tar.gz") as archive:
        assert "0/photo" in archive.getnames()
    assert taken["paths"] == [str(volume)]


def test_a_clock_that_went_back_costs_no_backup(tmp_path: Path, home: Path) -> None:
    own = setting(tmp_path, {"backup": {"paths": ["uploads"], "keep": 1}})
    (tmp_path / "app/uploads").mkdir()
    first = backups.take(own, "asked")
    assert first is not None
    ahead = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() + 600))
    (home / first["id"]).rename(home / ahead)
    for number in (2, 3):
        taken = backups.take(own, "asked")
        assert taken is not None
        assert taken["id"] == f"{ahead}-{number}"
        assert [path.name for path in home.iterdir()] == [taken["id"]]


def test_what_a_dump_writes_last_is_in_it(tmp_path: Path, home: Path, monkeypatch: Any) -> None:
    """It writes between a look that found nothing and the look whether it has ended."""
    go = tmp_path / "go"
    script = f"echo head; while [ ! -e {go} ]; do sleep 0.02; done; echo tail"
    own = setting(tmp_path, {"backup": {"command": ["sh", "-c", script]}})
    spawn, looks = backup_dump.spawn, []

    def spawned(*words: Any, **more: Any) -> Any:
        process = spawn(*words, **more)
        poll = process.poll

        def late() -> Any:
            looks.append(1)
            if len(looks) == 2:
                go.touch()
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            return poll()

        process.poll = late  # type: ignore[method-assign]
        return process

    monkeypatch.setattr(backup_dump, "spawn", spawned)
    taken = backups.take(own, "asked")
    assert taken is not None
    assert (home / taken["id"] / "dump").read_text() == "head\ntail\n"


def test_a_restore_ended_between_its_renames_leaves_what_was_there(
    tmp_path: Path, monkeypatch: Any
) -> None:
    data, archive = tmp_path / "data", tmp_path / "files.tar.gz"
    data.mkdir()
    (data / "since").write_text("newer than the backup")
    with backup_dump.Written(str(archive)) as file:
        backup_files.pack([str(data)], file)
    rename = os.rename

    def ended(source: str, goal: str) -> None:
        rename(source, goal)
        if goal.endswith("/before"):
            raise Failure("terminated", "it was told to end", "")

    monkeypatch.setattr(backup_files.os, "rename", ended)
    with pytest.raises(Failure):
        backup_files.put_back(str(archive), [backup_files.place_of(str(data))], "one")
    assert (data / "since").read_text() == "newer than the backup"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "files.tar.gz"]


@pytest.mark.parametrize("ends", [0, 1])
def test_a_migration_is_taken_back_once_however_that_ends(
    tmp_path: Path, monkeypatch: Any, ends: int
) -> None:
    down = ["sh", "-c", f"echo down >> ../ran; exit {ends}"]
    own = setting(tmp_path, {"migrate": {"command": ["true"], "down": down}})
    migration.up(own)
    if not ends:  # killed before its end could be noted
        monkeypatch.setattr(migration, "remove_file", lambda _path: 1 / 0)
    with pytest.raises((Failure, ZeroDivisionError)):
        migration.down(own.state, "dep-1", lambda _release: own)
    with pytest.raises(Failure, match="begun before"):
        migration.down(own.state, "dep-1", lambda _release: own)
    assert (tmp_path / "ran").read_text() == "down\n"


def test_a_failed_way_back_of_a_migration_is_something_to_go_back_from(world: World) -> None:
    world.front = PROXY
    down = ["sh", "-c", "echo down >> story; exit 1"]
    world.around = {"migrate": {"command": ["true"], "down": down}}
    first = world.deploy("1").result()["release"]["id"]
    world.story()
    world.bad.add(id_of("2"))
    world.deployments += 1
    site = world.site("2")
    with pytest.raises(Failure) as failed:
        compose_stage.deploy(site, "2")
    result = site.result()
    site.fence.close()
    error = {"code": failed.value.code, "message": failed.value.message}
    assert error["code"] == "migration_down_failed"
    outcome = HostOutcome("web-1", "failed", result, error)
    assert HostState("web-1").after("deploy", outcome, "dep-2").touched
    with pytest.raises(Failure, match="begun before"):
        world.restore(Wanted(to=first, mark_bad=True))
    assert world.story().count("down") == 1


def test_a_full_disk_after_the_migration_takes_it_back(world: World, monkeypatch: Any) -> None:
    world.front, world.around = PROXY, AROUND
    world.deploy("1")
    world.story()
    world.deployments += 1

    def full(*_words: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compose_pair, "write_atomic", full)
    with pytest.raises(OSError, match="No space"):
        compose_stage.deploy(world.site("2"), "2")
    assert "down" in world.story()


def test_while_data_are_exchanged_the_other_colour_does_not_run(
    world: World, monkeypatch: Any
) -> None:
    world.front, world.around = PROXY, AROUND
    world.deploy("1")
    world.deployments += 1
    for verb in (lambda site: compose_stage.stage(site, "2"), compose_stage.promote):
        site = world.site("2")
        verb(site)
        site.fence.close()
    assert set(world.up) == {"api-blue", "api-green"}
    compose_backups.take(world.site())
    put_back, running = backup_restore.put_back, []
    monkeypatch.setattr(
        backup_restore, "put_back", lambda *words: running.append([*world.up]) or put_back(*words)
    )
    compose_backups.restore(world.site(), None)
    assert running == [[]]
    assert set(world.up) == {"api-green"}


def test_a_measurement_that_breaks_is_an_error_and_not_a_success(monkeypatch: Any) -> None:
    metrics = read_metrics(
        [
            {
                "type": "prometheus",
                "url": "http://localhost",
                "query": "up",
                "interval": 0.05,
                "success_condition": "result < 1",
            }
        ]
    )
    good = b'{"status":"success","data":{"resultType":"scalar","result":[0,"0.5"]}}'
    answers = [good]

    class Opener:
        def open(self, _url: str, timeout: float) -> Any:
            return self

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_error: object) -> None:
            pass

        def read(self, _limit: int) -> bytes:
            if answers:
                return answers.pop()
            raise http.client.IncompleteRead(b"")

    monkeypatch.setattr(analysis_measures.urllib.request, "build_opener", lambda *_: Opener())
    verdict = analysis.watch(metrics, Scene(lambda: None), 1.0, look=lambda: None)  # type: ignore
    assert verdict.verdict != "successful"


def test_a_service_that_is_called_as_a_colour_would_be_is_left_alone() -> None:
    own = {"image": "x", "ports": [{"target": 80}]}
    project = {"name": "p", "services": {"web": own, "web-blue": {"image": "theirs"}}}
    with pytest.raises(Failure, match="there is a service web-blue already"):
        compose_colours.require_suitable(project, "web", None, [])


def test_whoever_moves_the_requests_and_cannot_be_told_is_told_of(monkeypatch: Any) -> None:
    class Ledger:
        def mend(self) -> None:
            pass

    def deaf(*_words: Any) -> None:
        raise Failure("undrain_failed", "it does not answer", "")

    monkeypatch.setattr(seal, "heal", lambda _ledger: None)
    monkeypatch.setattr(balancer, "heal", lambda *_words: None)
    assert seal._mend(Ledger(), None) is True  # type: ignore[arg-type]
    monkeypatch.setattr(balancer, "heal", deaf)
    assert seal._mend(Ledger(), None) is False  # type: ignore[arg-type]
