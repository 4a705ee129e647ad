"""Running programs: limits, bounded output, no survivors; and files that are never half."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    commands,
    failure,
    files,
    running,
    systemd,
    unit_check,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.processes import start_time
from ansible_collections.fraisier.deploy.plugins.module_utils.report import Report
from support.target import until

ENV = {"PATH": os.environ["PATH"]}


def _sh(script: str, timeout: float = 10) -> commands.Finished:
    return commands.run(["sh", "-c", script], env=ENV, timeout=timeout)


def test_output_and_exit_status_come_back() -> None:
    finished = _sh("echo out; echo err >&2; exit 3")
    assert (finished.code, finished.output) == (3, "out\nerr\n")


def test_nothing_of_our_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROLLER_SECRET", "x")
    assert "CONTROLLER_SECRET" not in _sh("env").output


def test_long_output_keeps_its_beginning_and_its_end() -> None:
    finished = _sh("echo first; head -c 300000 /dev/zero | tr '\\0' a; echo; echo last")
    assert finished.output.startswith("first\n")
    assert finished.output.endswith("last\n")
    assert "bytes left out" in finished.output
    assert len(finished.output) < 2 * commands.HALF + 100


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    finished = _sh(f"sleep 600 & echo $! > {tmp_path}/pid; sleep 600", timeout=0.3)
    assert finished.timed_out
    _wait_until_gone(int((tmp_path / "pid").read_text()))


def test_a_child_left_behind_neither_delays_nor_survives(tmp_path: Path) -> None:
    began = time.monotonic()
    finished = _sh(f"sleep 600 & echo $! > {tmp_path}/pid; echo done")
    assert finished.output == "done\n"
    assert time.monotonic() - began < 60
    _wait_until_gone(int((tmp_path / "pid").read_text()))


def _wait_until_gone(pid: int) -> None:
    limit = time.monotonic() + 5
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < limit, f"process {pid} still lives"
        os.sched_yield()


def test_a_program_that_is_missing_is_an_ordinary_failure() -> None:
    finished = commands.run(["/nonexistent"], env=ENV, timeout=1)
    assert finished.code == 127
    assert "No such file" in finished.output


def test_a_user_that_is_missing_is_named() -> None:
    with pytest.raises(Failure, match="no-such-user") as caught:
        commands.find_user("no-such-user")
    assert caught.value.code == "user_missing"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EACCES, "permission_denied"),
        (errno.EROFS, "read_only"),
    ],
)
def test_what_the_system_refuses_becomes_an_expected_failure(number: int, code: str) -> None:
    report = Report()
    with pytest.raises(Failure) as caught, report.step("unpack"):
        raise OSError(number, "no", "/opt/api/x")
    assert (caught.value.code, caught.value.step) == (code, "unpack")
    assert "/opt/api/x" in caught.value.message


def test_a_defect_of_ours_stays_a_traceback() -> None:
    with pytest.raises(IsADirectoryError), Report().step("unpack"):
        raise OSError(errno.EISDIR, "no", "/x")


def test_a_full_disk_is_seen_in_a_commands_output() -> None:
    found = failure.disk_full("pip: [Errno 28] No space left on device\nmore")
    assert found is not None
    assert found.code == "disk_full"
    assert failure.disk_full("all is well") is None
    for said in (
        "tar: a.bin: Wrote only 5632 of 10240 bytes\ntar: Exiting with failure status",
        "write /opt/api/repo/lfs/x: no space left on device",
        "npm ERR! ENOSPC: no space left on device, write",
        "x\ntar: short write",
        "cp: error writing 'a': Disk quota exceeded",
    ):
        found = failure.disk_full(said)
        assert found is not None, said
        assert found.code == "disk_full"
    assert failure.disk_full("the test wrote: Wrote only 3 of 4 bytes") is None


def test_the_mask_of_a_host_does_not_keep_a_service_from_its_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(running, "lead_session", lambda: None)
    monkeypatch.setattr(running, "_stop_on_signals", lambda: None)
    ended: list[dict[str, Any]] = []
    module = SimpleNamespace(no_log_values=set(), exit_json=lambda **found: ended.append(found))
    site = SimpleNamespace(result=lambda: {"changed": False}, fence=None)

    def work(_site: Any) -> dict[str, Any]:
        os.makedirs(tmp_path / "opt/my-api")
        return {}

    before = os.umask(0o077)
    try:
        running.run_with(cast("Any", module), lambda: site, work, release=False)
    finally:
        os.umask(before)
    assert ended == [{"changed": False}]
    assert os.stat(tmp_path / "opt/my-api").st_mode & 0o777 == 0o755


def test_a_masked_unit_is_called_masked() -> None:
    found = systemd.parse_show("api.service", "LoadState=masked\nActiveState=inactive\n")
    assert not found.exists
    said = found.missing("install it")
    assert (said.code, "masked" in said.message) == ("unit_missing", True)
    assert "systemctl unmask api.service" in said.hint
    manager = SimpleNamespace(show=lambda _name: found, installed_text=lambda _name: "")
    site = SimpleNamespace(systemd=manager)
    with pytest.raises(Failure, match="masked"):
        unit_check.require_writable(cast("Any", site), "api.service")
    gone = systemd.parse_show("api.service", "LoadState=not-found\n")
    assert gone.missing("install it").hint == "install it"


def test_the_step_of_a_failure_is_the_innermost_and_its_output_is_kept() -> None:
    report = Report()
    with pytest.raises(Failure) as caught, report.step("outer"), report.step("inner"):
        raise Failure("build_failed", "no", "", "the output")
    assert caught.value.step == "inner"
    assert report.log == [{"step": "inner", "text": "the output"}]


def test_a_file_is_replaced_whole_and_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_atomic(str(path), "old\r\n")
    files.write_atomic(str(path), "new\r\n", 0o640)
    assert path.read_bytes() == b"new\r\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    files.write_atomic(str(path), "old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        files.write_atomic(str(path), "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_never_missing_while_it_moves(tmp_path: Path) -> None:
    link = str(tmp_path / "current")
    for target in ("releases/1", "releases/2"):
        files.replace_link(link, target)
        assert os.readlink(link) == target
    assert os.listdir(tmp_path) == ["current"]


_CONTAIN = """
import sys, time
from ansible_collections.fraisier.deploy.plugins.module_utils.contained import run_contained
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
env = {"PATH": "/usr/bin:/bin"}
try:
    done = run_contained(["sh", "-c", sys.argv[1]], env=env, timeout=30)
    print(done.code, flush=True)
except Failure as failure:
    sys.stderr.write(failure.code)
"""
_DAEMON = (
    "setsid sh -c 'echo $$ > {}; exec sleep 600' >/dev/null 2>&1 & while ! test -s {}; do :; done"
)


def _contain(command: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", _CONTAIN, command],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_what_left_the_session_of_a_command_is_ended_with_it(tmp_path: Path) -> None:
    """I7: a build that makes itself a daemon does not outlive the build."""
    note = tmp_path / "pid"
    said, wrong = _contain(_DAEMON.format(note, note)).communicate(timeout=30)
    assert said == "0\n", wrong
    assert start_time(int(note.read_text())) is None


def test_a_command_ends_when_nobody_can_read_what_came_of_it(tmp_path: Path) -> None:
    """I7: the controller's connection is gone, and with it the one who wanted it."""
    note = tmp_path / "pid"
    process = _contain(_DAEMON.format(note, note) + "; sleep 600")
    until(lambda: note.exists() and bool(note.read_text()))
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(20) == 0
    assert process.stderr.read() == "terminated"
    process.stderr.close()
    assert start_time(int(note.read_text())) is None
