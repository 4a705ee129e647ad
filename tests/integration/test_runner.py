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
from fraisier.runner.files import REQUEST
from fraisier.runner.folder import PREFIX, base

SLOW = """
- hosts: all
  gather_facts: false
  connection: local
  vars: {ansible_become: false}
  tasks:
    - ansible.builtin.shell: "echo $$ > PID; sleep 300"
"""

GATE = """
- hosts: all
  gather_facts: false
  connection: local
  vars: {ansible_become: false}
  tasks:
    - fraisier.deploy.health_gate:
        health_check: {type: exec, command: ["true"]}
"""

OWN = """
- hosts: all
  gather_facts: false
  connection: local
  vars: {ansible_become: false}
  tasks:
    - name: Ask
      ping:
"""
MODULE = """
from ansible.module_utils.basic import AnsibleModule
AnsibleModule({}).fail_json(msg="CODE")
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
    outcome = runner.run(work(str(playbook), 20 if how == "timeout" else 120), ignore, cancelled)
    assert outcome.ended == how
    assert outcome.hosts["here"].state == "unknown"
    assert time.monotonic() - begun < 200, "what it ran was not waited for"
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


def test_what_is_built_of_a_module_is_kept_for_the_next_command(tmp_path: Path) -> None:
    playbook = tmp_path / "gate.yml"
    playbook.write_text(GATE)
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    runner = AnsibleRunner(lambda _references, _required: {}, environ)

    def passes() -> None:
        outcome = runner.run(work(str(playbook)), ignore, lambda: False)
        assert outcome.hosts["here"].result["gate"]["passed"], outcome

    passes()
    folder = tmp_path / "fraisier/modules"
    (kept,) = folder.glob("*/*health_gate*")
    first = kept.stat()
    passes()
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    kept.write_bytes(kept.read_bytes()[:-1])
    passes()
    assert kept.stat().st_size == first.st_size, "what was damaged was built anew"


def test_a_team_s_own_module_is_built_anew_also_where_it_is_named_as_ansible_s(
    tmp_path: Path,
) -> None:
    playbook = tmp_path / "ansible/modules/own.yml"
    library = playbook.parent / "library"
    library.mkdir(parents=True)
    playbook.write_text(OWN)
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    runner = AnsibleRunner(lambda _references, _required: {}, environ)
    for code in ("first", "second"):
        (library / "ping.py").write_text(MODULE.replace("CODE", code))
        outcome = runner.run(work(str(playbook)), ignore, lambda: False)
        assert code in outcome.first_error()["message"]
    assert not list(tmp_path.glob("fraisier/modules/*/*ping*"))


#: What stands in the place of a host's Python -> the state, the code and the words of its outcome.
NO_PYTHON = {
    "exit 0": ("failed", "module_not_run", "said nothing"),
    "echo 'Please login as the user ubuntu'; exit 142": (
        "failed", "login_refused", "the user ubuntu",
    ),
    "printf 'Your account has \\033[31mexpired\\n' >&2; exit 1": (
        "failed", "login_refused", "has \\x1b[31mexpired",
    ),
    "echo '[1, 2]'": ("failed", "module_not_run", "[1, 2]"),
    "exec /no/such/python": ("failed", "module_not_run", "/no/such/python"),
    "kill -9 $$": ("unknown", "host_answer_invalid", "Killed"),
    "echo '{\"changed\": true, \"fence'": ("unknown", "host_answer_invalid", "fence"),
    "echo '{\"fence\": {\"number\": 1000000000000000000000000000000}}'": (
        "unknown", "host_answer_invalid", "fence",
    ),
    "echo '{\"gate\": '$(printf '[%.0s' $(seq 290))$(printf ']%.0s' $(seq 290))'}'": (
        "unknown", "no_answer", "before the host had answered",
    ),
    "echo '{}'": ("unknown", "host_answer_invalid", "gate is not there"),
}  # fmt: skip


def test_what_answers_in_the_place_of_a_module_is_told_and_never_believed(
    tmp_path: Path, runner: AnsibleRunner
) -> None:
    playbook = tmp_path / "gate.yml"
    playbook.write_text(GATE)
    hosts = []
    for number, script in enumerate(NO_PYTHON):
        program = tmp_path / f"python-{number}"
        program.write_text(f"#!/bin/bash\ncat > /dev/null\n{script}\n")
        program.chmod(0o755)
        hosts.append(Host(f"web-{number}", "127.0.0.1", python=str(program)))
    asked = Work("dep_1", "deploy", str(playbook), tuple(hosts), False, {}, {}, 60)
    outcome = runner.run(asked, lambda _facts: None, lambda: False)
    for host, (state, code, words) in zip(outcome.hosts.values(), NO_PYTHON.values(), strict=True):
        error = host.error or {}
        assert (host.state, error["code"]) == (state, code), error
        assert words in error["message"]
        assert error["message"].isprintable()
        assert error["hint"]
