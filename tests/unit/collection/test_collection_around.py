"""What is done around a release: what its configuration says, and the notes that runs leave."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    around,
    backup_files,
    backups,
    job_notes,
    unit,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.backup_dump import Written
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure


def test_an_entry_may_be_a_text_a_list_or_a_mapping() -> None:
    hooks = {"pre_deployment": ["a | b", ["bin/x", "y z"], {"command": "c", "on_failure": "warn"}]}
    entries = around.parse({"hooks": hooks}).hooks["pre_deployment"]
    assert [list(entry.command) for entry in entries] == [
        ["/bin/sh", "-e", "-c", "a | b"],
        ["bin/x", "y z"],
        ["/bin/sh", "-e", "-c", "c"],
    ]
    assert [entry.on_failure for entry in entries] == ["fail", "fail", "warn"]
    assert entries[1].name == "bin/x 'y z'"


def test_a_smoke_test_may_ask_a_url() -> None:
    (entry,) = around.parse({"smoke": [{"url": "http://localhost/x", "status": 204}]}).smoke
    assert entry.check is not None
    assert entry.check.status == (204,)
    assert entry.timeout == around.SMOKE_SECONDS


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"hoks": {}}, "unknown key hoks"),
        ({"hooks": {"pre_deployment": [{"command": "a", "on_failure": "shrug"}]}}, "on_failure"),
        ({"hooks": {"pre_deployment": [{"name": "x"}]}}, "needs a command"),
        ({"smoke": [{"url": "http://x", "command": "y"}]}, "needs a command, or"),
        ({"backup": {"keep": 3}}, "neither paths nor a command"),
        ({"backup": {"paths": ["x"], "folder": "here"}}, "absolute"),
        ({"backup": {"paths": ["x"], "keep": 0}}, "keep"),
        ({"migrate": {"down": "x"}}, "command is missing"),
        ({"migrate": {"command": "x", "on": "second"}}, "on must be one of"),
        ({"smoke": [{"command": "x", "timeout": 0}]}, "more than 0"),
        ({"smoke": [["a\0b"]]}, "NUL"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(Failure) as refused:
        around.parse(data)
    assert refused.value.code == "service_invalid"
    assert said in refused.value.message


def test_files_come_back_as_they_were(tmp_path: Path) -> None:
    data, archive = tmp_path / "data", tmp_path / "store" / "files.tar.gz"
    archive.parent.mkdir()
    (data / "deep").mkdir(parents=True)
    (data / "deep/file").write_bytes(os.urandom(100_000))
    (data / "deep/link").symlink_to("file")
    os.utime(data / "deep", (1_000_000_000, 1_000_000_000))
    before = (data / "deep/file").read_bytes()
    with Written(str(archive)) as file:
        count = backup_files.pack([str(data)], file)
    assert count == backup_files.entries(str(archive)) == 4
    assert file.record()["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    place = backup_files.place_of(str(data))
    (data / "deep/file").write_text("broken")
    (data / "more").write_text("new")
    backup_files.put_back(str(archive), [place], "one")
    assert (data / "deep/file").read_bytes() == before
    assert (data / "deep/link").readlink() == Path("file")
    assert (data / "deep").stat().st_mtime == 1_000_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "store"]
    assert not (data / "more").exists()


def test_a_path_that_leads_elsewhere_now_is_not_written_to(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    (home / "data").mkdir(parents=True)
    other.mkdir()
    with Written(str(tmp_path / "a.tar.gz")) as file:
        backup_files.pack([str(home / "data")], file)
    place = backup_files.place_of(str(home / "data"))
    home.rename(tmp_path / "moved")
    home.symlink_to(other)
    with pytest.raises(Failure) as refused:
        backup_files.put_back(str(tmp_path / "a.tar.gz"), [place], "one")
    assert refused.value.code == "restore_refused"
    assert list(other.iterdir()) == []


@pytest.mark.parametrize("change", [lambda raw: raw[:-20], lambda raw: raw[:50] + b"x" + raw[51:]])
def test_damage_is_noticed(tmp_path: Path, change: Any) -> None:
    (tmp_path / "data").write_bytes(os.urandom(50_000))
    archive = tmp_path / backups.ARCHIVE
    with Written(str(archive)) as file:
        count = backup_files.pack([str(tmp_path / "data")], file)
    record = {"id": "20260101-000000", "files": [file.record(entries=count)]}
    backups.verify(str(tmp_path), record)
    archive.write_bytes(change(archive.read_bytes()))
    with pytest.raises(Failure) as refused:
        backups.verify(str(tmp_path), record)
    assert refused.value.code == "backup_damaged"


def test_the_newest_are_kept_also_those_of_one_second(tmp_path: Path) -> None:
    names = ["20260101-000000", "20260101-000000-2", "20260101-000000-10", "20251231-235959"]
    for name in [*names, "something-else"]:
        (tmp_path / name).mkdir()
    backups.prune(str(tmp_path), 2)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["20260101-000000-10", "20260101-000000-2", "something-else"]


def test_the_unit_of_a_job_runs_once_and_leaves_its_result() -> None:
    text = unit.render_job(
        description="x", user="app", current="/opt/a/current", environment="/opt/a/.f/environment",
        command=["bin/job", "100 %"], seconds=60.0,
    )  # fmt: skip
    assert "Type=oneshot\n" in text
    assert 'ExecStart=:/opt/a/current/bin/job "100 %%"\n' in text
    assert "Restart=" not in text
    assert "TimeoutStartSec=60\n" in text
    assert "date +%%s.%%N" in text


def test_the_note_of_a_run_is_read() -> None:
    assert job_notes.ended_run("") is None
    seen = job_notes.ended_run("1795465090.5 1795465092.75 exit-code 3\n")
    assert seen == {
        "running": False,
        "result": "exit-code",
        "exit_status": 3,
        "started_at": 1795465090.5,
        "seconds": 2.25,
    }
    killed = job_notes.ended_run("1.0 2.0 signal KILL")
    assert killed is not None
    assert killed["exit_status"] is None
    assert job_notes.under_way("90.0\n", 100.0)["seconds"] == 10.0


@pytest.mark.parametrize("schedule", ["daily", "Mon..Fri *-*-* 03:00:00", "*-*-1 0/6:00:00 UTC"])
def test_a_schedule_has_the_shape_of_one(schedule: str) -> None:
    assert unit.SCHEDULE.match(schedule)


@pytest.mark.parametrize("schedule", ["", "daily\nExecStart=/bin/sh", "-x", "$(id)", "%h"])
def test_a_schedule_that_could_say_more_is_none(schedule: str) -> None:
    assert not unit.SCHEDULE.match(schedule)


def test_an_archive_holds_no_absolute_names(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with Written(str(tmp_path / "a.tar.gz")) as file:
        backup_files.pack([str(tmp_path / "data")], file)
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert tar.getnames() == ["0"]
