"""Nothing outlives its run: not workers with a session of their own, not what ignores SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from fraisier.runner.containment import anywhere, become_subreaper, below, end_marked
from support.target import until

ESCAPER = textwrap.dedent(
    """
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open(sys.argv[1], "w").write(str(os.getpid()))
            time.sleep(600)
    os._exit(0)
    """
)


def start(pid_file: Path, mark: str) -> int:
    """Start a process that leaves its session and its parent; return its pid."""
    subprocess.run(
        [sys.executable, "-c", ESCAPER, str(pid_file)],
        env={**os.environ, "FRAISIER_RUN": mark},
        check=True,
    )
    until(lambda: pid_file.exists() and pid_file.read_text())
    return int(pid_file.read_text())


def alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_daemon_that_ignores_sigterm_is_ended(tmp_path: Path) -> None:
    become_subreaper()
    pid = start(tmp_path / "pid", "one")
    assert below("one") == anywhere("one") == [pid]
    end_marked("one", grace=0.2)
    assert not alive(pid)


def test_what_belongs_to_another_run_goes_on(tmp_path: Path) -> None:
    become_subreaper()
    mine, other = start(tmp_path / "a", "mine"), start(tmp_path / "b", "other")
    end_marked("mine", grace=0.2)
    assert not alive(mine)
    assert alive(other)
    os.kill(other, signal.SIGKILL)


def test_what_was_ended_leaves_no_zombie_behind(tmp_path: Path) -> None:
    become_subreaper()
    pid = start(tmp_path / "pid", "reaped")
    end_marked("reaped", grace=0.2)
    assert not Path(f"/proc/{pid}").exists()
