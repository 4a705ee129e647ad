"""The runner on real Ansible: what it says when a run cannot work, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from fraisier.domain.catalogue import Host
from fraisier.domain.event import Fact
from fraisier.domain.plan import Work
from fraisier.runner import AnsibleRunner
from fraisier.runner.folder import PREFIX, base
from fraisier.runner.invocation import REQUEST

SLOW = """
- hosts: all
  gather_facts: false
  connection: local
  vars: {ansible_become: false}
  tasks:
    - ansible.builtin.shell: "echo $$ > PID; sleep 300"
"""


def work(playbook: str, timeout: float = 60, **more: object) -> Work:
    """Return work for this machine, which no SSH is needed for."""
    host = Host("here", "127.0.0.1", python="/usr/bin/python3")
    values = {"deployment_id": "dep_1", "verb": "probe", "become": False, "request": {}}
    return Work(playbook=playbook, hosts=(host,), secrets={}, timeout=timeout, **{**values, **more})  # type: ignore[arg-type]


def left_behind() -> list[Path]:
    """Return the private folders of this process."""
    return list(base().glob(f"{PREFIX}{os.getpid()}-*"))


@pytest.fixture
def runner() -> AnsibleRunner:
    """Return a runner that knows no secret."""
    return AnsibleRunner(lambda _references, _required: {})


def ignore(_facts: Sequence[Fact]) -> None:
    """Take facts and do nothing with them."""


def test_a_playbook_that_does_not_exist_is_named(runner: AnsibleRunner) -> None:
    outcome = runner.run(work("fraisier.deploy.nope"), ignore, lambda: False)
    assert outcome.ended == "broken"
    assert "nope" in outcome.first_error()["message"]
    assert outcome.hosts["here"].state == "failed"
    assert left_behind() == []


@pytest.mark.parametrize("how", ["cancelled", "timeout"])
def test_a_run_that_is_stopped_leaves_nothing_running_and_says_unknown(
    runner: AnsibleRunner, tmp_path: Path, how: str
) -> None:
    pid_file, playbook = tmp_path / "pid", tmp_path / "slow.yml"
    playbook.write_text(SLOW.replace("PID", str(pid_file)))

    def cancelled() -> bool:
        return how == "cancelled" and pid_file.exists() and bool(pid_file.read_text())

    begun = time.monotonic()
    outcome = runner.run(work(str(playbook), 6 if how == "timeout" else 60), ignore, cancelled)
    assert outcome.ended == how
    assert outcome.hosts["here"].state == "unknown"
    assert time.monotonic() - begun < 15
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()
    assert left_behind() == []


def test_a_prepared_run_that_is_never_used_is_closed(runner: AnsibleRunner) -> None:
    runner.prepare()
    (folder,) = left_behind()
    runner.close()
    assert not folder.exists()
    assert left_behind() == []


def test_a_prepared_run_waits_as_long_as_it_takes_and_then_works(
    runner: AnsibleRunner, tmp_path: Path
) -> None:
    playbook = tmp_path / "quick.yml"
    playbook.write_text("- {hosts: all, gather_facts: false, connection: local, tasks: []}\n")
    runner.prepare()
    assert runner._prepared is not None
    with pytest.raises(subprocess.TimeoutExpired):
        runner._prepared._process.wait(3)
    assert runner.run(work(str(playbook)), ignore, lambda: False).ended == "done"
    assert left_behind() == []


def test_the_work_is_handed_over_though_no_connection_can_be_begun_ahead(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / REQUEST)
    reader = os.open(tmp_path / REQUEST, os.O_RDONLY | os.O_NONBLOCK)
    code = "import sys; from fraisier.runner.inner import _take_work; _take_work(sys.argv[1])"
    told = json.dumps({"ssh": [["/nowhere/ssh", "host"]], "request": "the work"})
    subprocess.run([sys.executable, "-c", code, tmp_path], input=f"{told}\n", text=True, timeout=60)
    assert os.read(reader, 100) == b"the work"
    os.close(reader)
