"""When the lab starts dockerd by hand, and what it says when it must not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.errors import LabError
from fraisier.lab import daemon, status
from fraisier.lab.daemon import remove_if_stale, why_not_ours
from fraisier.lab.engine import pipe, run

OURS: dict[str, Any] = {
    "client": True,
    "daemon": True,
    "root": True,
    "init": "sh",
    "elsewhere": "",
}


def test_root_without_systemd_may_start_an_installed_engine() -> None:
    assert why_not_ours("Cannot connect", **OURS) == ""


@pytest.mark.parametrize(
    ("refusal", "change", "advice"),
    [
        ("", {"client": False}, "scripts/system-packages lab"),
        ("", {"daemon": False}, "scripts/system-packages lab"),
        ("", {"init": "systemd"}, "systemctl enable --now docker"),
        ("", {"root": False}, "as root"),
        ("", {"elsewhere": "tcp://away:2375"}, "DOCKER_HOST is tcp://away:2375"),
        ("permission denied while trying", {"root": False}, "group docker"),
    ],
)
def test_otherwise_the_reader_is_told_what_to_do(
    refusal: str, change: dict[str, Any], advice: str
) -> None:
    assert advice in why_not_ours(refusal, **{**OURS, **change})


@pytest.mark.parametrize(
    ("said", "message", "advice"),
    [
        ("permission denied while trying to connect to the Docker daemon socket at "
         "unix:///var/run/docker.sock", "this user may not talk to the Docker engine",
         "group docker"),
        ("Cannot connect to the Docker daemon", "no Docker engine answers", "."),
    ],
)  # fmt: skip
def test_lab_status_tells_an_engine_that_is_away_from_one_it_may_not_ask(
    said: str, message: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "answers", lambda: said)
    monkeypatch.setattr(daemon.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(LabError, match=message) as refused:
        status()
    assert said in refused.value.message
    assert refused.value.hint
    assert advice == "." or advice in refused.value.hint


@pytest.mark.parametrize("content", ["999999999\n", "not a pid\n", ""])
def test_a_pid_file_of_a_dead_process_is_removed(tmp_path: Path, content: str) -> None:
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(content)
    assert remove_if_stale(pid_file, "dockerd")
    assert not pid_file.exists()


def test_a_pid_file_whose_number_went_to_another_program_is_removed(tmp_path: Path) -> None:
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(str(os.getpid()))
    assert remove_if_stale(pid_file, "dockerd")


def test_a_pid_file_of_the_living_program_is_left(tmp_path: Path) -> None:
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(str(os.getpid()))
    own_name = Path("/proc/self/comm").read_text().strip()
    assert not remove_if_stale(pid_file, own_name)
    assert pid_file.exists()


def test_a_pid_file_of_a_dead_process_that_nobody_has_reaped_is_removed(tmp_path: Path) -> None:
    pid_file = tmp_path / "docker.pid"
    with subprocess.Popen(("sleep", "60")) as killed:
        pid_file.write_text(str(killed.pid))
        assert not remove_if_stale(pid_file, "sleep")
        killed.kill()
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        assert remove_if_stale(pid_file, "sleep")


def test_no_pid_file_is_nothing_to_remove(tmp_path: Path) -> None:
    assert not remove_if_stale(tmp_path / "docker.pid", "dockerd")


def test_of_several_that_find_no_engine_one_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three workers of the tests did so at once in CI; each removed the pid files of the others."""
    starts: list[Path] = []
    all_have_asked = threading.Barrier(8)
    asked = threading.local()

    def answers() -> str:
        refusal = "" if starts else "Cannot connect"
        if not hasattr(asked, "once"):
            asked.once = True
            all_have_asked.wait(20)
        return refusal

    monkeypatch.setattr(daemon, "answers", answers)
    monkeypatch.setattr(daemon, "why_not_ours", lambda *_refusal, **_facts: "")
    monkeypatch.setattr(daemon, "_start", starts.append)
    log = tmp_path / "state" / ".dockerd.log"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: daemon.ensure_running(log, lambda _line: None), range(8)))
    assert starts == [log]


def test_a_failed_command_is_named_with_its_last_words() -> None:
    with pytest.raises(LabError, match=r"`sh -c .*` failed: no such thing"):
        run(("sh", "-c", "echo no such thing >&2; exit 3"))


def test_a_program_that_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(LabError, match="no-such-program is not installed") as missing:
        run(("no-such-program",))
    assert "scripts/system-packages" in missing.value.hint


def test_a_command_that_does_not_end_is_ended() -> None:
    with pytest.raises(LabError, match="did not end within"):
        run((sys.executable, "-c", "import signal; signal.pause()"), timeout=0.5)


@pytest.mark.parametrize(("producer", "consumer"), [("false", "cat"), ("true", "false")])
def test_a_pipe_fails_when_either_side_fails(producer: str, consumer: str) -> None:
    with pytest.raises(LabError, match="`false` failed"):
        pipe((producer,), (consumer,))
