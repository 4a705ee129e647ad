"""Runs that are forks of a process which has loaded Ansible: the same as executed ones."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.errors import RunnerError
from fraisier.runner import forking
from fraisier.runner.containment import BLANK
from fraisier.runner.folder import PREFIX, base
from fraisier.runner.invocation import Invocation
from fraisier.runner.leash import now
from fraisier.runner.process import Process
from support.target import until

HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
#: What a play can see of its run and of the process it is, but for what is different in each run.
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"name": "module", "ansible.builtin.command": "printenv LANG HOME PATH"},
            {"name": "lookup", "ansible.builtin.debug": {"msg": "{{ lookup('env', 'TZ') }}"}},
            {"name": "value", "ansible.builtin.debug": {"msg": "{{ said | to_nice_json }}"}},
            {"name": "deaf", "ansible.builtin.command": "false", "ignore_errors": True},
            {"name": "fails", "ansible.builtin.fail": {"msg": "{{ said.text }}"}},
        ],
    }
]
SAID = {"text": "é {{ 1 + 1 }}", "list": [1, None, True]}
#: What is of one run: names, numbers and times.
OWN = ("uuid", "parent_uuid", "task_uuid", "play_uuid", "playbook_uuid", "runner_ident", "pid",
       "created", "start", "end", "delta", "duration", "playbook", "task_path")  # fmt: skip
Events = list[dict[str, Any]]
Run = Callable[..., Events]


@pytest.fixture
def environ() -> dict[str, str]:
    """Return what the process that runs Ansible has as its environment."""
    return {"HOME": os.environ["HOME"], "LANG": "C.UTF-8"}


@pytest.fixture
def run() -> Run:
    """Return what runs PLAY on this machine and returns what it said."""

    def run_play(environ: Mapping[str, str], play: Any = PLAY, more: Any = None) -> Events:
        process = Process.start(environ)
        (process.folder / "project/library").mkdir()
        try:
            process.watch(now() + 60)
            said = json.dumps({"said": _unsafe(SAID)})
            inventory = json.dumps({"all": {"hosts": {"here": HOST}}})
            files = {"inventory.json": inventory, "project/run.yml": json.dumps(play)}
            process.begin(Invocation({**files, **(more or {})}, said, []))
            heard = process.events(60, lambda: False, lambda: now() + 60)
            return [event for group in heard for event in group]
        finally:
            process.end()

    return run_play


@pytest.fixture
def forked(environ: dict[str, str]) -> int:
    """Have a fork server, perhaps that of the test before; return its pid."""
    if forking._server is None:
        forking.warm_up(environ)
    assert forking._server is not None
    return forking._server._process.pid


@pytest.fixture(scope="module", autouse=True)
def no_server_is_left() -> Iterator[None]:
    """End the fork server after the last test."""
    yield
    forking.cool_down()


def test_a_fork_says_what_an_executed_run_says(
    run: Run, environ: dict[str, str], request: pytest.FixtureRequest
) -> None:
    forking.cool_down()
    executed = run(environ)
    request.getfixturevalue("forked")
    once, again = run(environ), run(environ)
    assert _comparable(executed) == _comparable(once) == _comparable(again)
    assert [e["event"] for e in once][-1] == "playbook_on_stats"
    assert "é {{ 1 + 1 }}" in json.dumps(once, ensure_ascii=False)
    ids = [{e["uuid"] for e in events} for events in (executed, once, again)]
    assert not ids[0] & ids[1] | ids[1] & ids[2]


MODULE = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
AnsibleModule(argument_spec={{}}).exit_json(said="{}")
"""


def test_a_module_is_built_once_for_all_runs_but_a_teams_own_for_each(
    forked: int, run: Run, environ: dict[str, str]
) -> None:
    assert forking._server is not None
    built = forking._server._folder.path / "ansiballz_cache"
    tasks = [{"ansible.builtin.stat": {"path": "/"}}, {"mine": {}}]
    play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    times = set()
    for said in ("first", "second"):
        events = run(environ, play, {"project/library/mine.py": MODULE.format(said)})
        assert [e["event"] for e in events].count("runner_on_ok") == 2, events
        assert f'"said": "{said}"' in json.dumps(events)
        kept = [path for path in built.iterdir() if path.suffix != ".lock"]
        (stat,) = [path for path in kept if path.name.startswith("ansible.modules.stat-")]
        assert not [path for path in kept if "mine" in path.name]
        times.add(stat.stat().st_mtime_ns)
    assert len(times) == 1


def test_runs_side_by_side_know_nothing_of_each_other(
    forked: int, run: Run, environ: dict[str, str]
) -> None:
    first, second = Process.start(environ), Process.start(environ)
    try:
        assert first.folder != second.folder
        until(lambda: len(_children(forked)) == 2)
        assert _comparable(run(environ))
    finally:
        first.end()
        second.end()
    until(lambda: _children(forked) == [])
    assert not first.folder.exists()
    assert not second.folder.exists()


def test_what_was_read_at_loading_and_is_different_now_is_executed(
    forked: int, run: Run, environ: dict[str, str]
) -> None:
    said = json.dumps(run({**environ, "TZ": "Asia/Tokyo"}))
    assert "Asia/Tokyo" in said
    process = Process.start({**environ, "TZ": "Asia/Tokyo"})
    try:
        until(lambda: any("runner.child" in _command(pid) for pid in _children(forked)))
    finally:
        process.end()


def test_a_server_that_is_killed_ends_its_runs_and_the_next_are_executed(
    forked: int, run: Run, environ: dict[str, str]
) -> None:
    process = Process.start(environ)
    try:
        until(lambda: len(_children(forked)) == 1)
        (launcher,) = _children(forked)
        os.kill(forked, signal.SIGKILL)
        until(lambda: _has_ended(launcher), 60)
        with pytest.raises(RunnerError, match="killed from outside"):
            process.begin(Invocation({}, "x" * 1_000_000, []))
    finally:
        process.end()
    assert not process.folder.exists()
    assert _comparable(run(environ))
    assert forking._server is None


#: A server that dies before what it forked has asked the kernel for a signal at its death.
TOO_EARLY = """
import os, sys, time
from fraisier.runner import child, fork_server

fork, server = os.fork, os.getpid()

def fork_and_die():
    if fork():
        os._exit(0)
    while os.getppid() == server:
        time.sleep(0.01)
    return 0

os.fork = fork_and_die
child.main = lambda *arguments: os.write(1, b"a run began")
given = [os.dup(1) for _ in range(fork_server.DESCRIPTORS)]
names = {name: os.environ[name] for name in fork_server.AT_LOADING if name in os.environ}
request = {"told": [".", "", ""], "environment": {**names, "FRAISIER_RUN": "run"}}
fork_server._launch(request, given)
"""


def test_a_run_does_not_begin_whose_server_has_died() -> None:
    environ = {**os.environ, "FRAISIER_RUN": BLANK}
    argv = [sys.executable, "-c", TOO_EARLY]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == ""  # read until the fork has ended too
    assert done.stderr == ""


def test_a_server_ends_with_its_owner_and_leaves_nothing() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", "import time; from fraisier.runner import forking;"
         "forking.warm_up(); print(forking._server._process.pid, flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert owner.stdout is not None
    with owner:
        server = int(owner.stdout.readline())
        assert list(base().glob(f"{PREFIX}{owner.pid}-*"))
        owner.kill()
    until(lambda: _has_ended(server))
    until(lambda: not list(base().glob(f"{PREFIX}{owner.pid}-*")))


def _unsafe(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unsafe(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_unsafe(each) for each in value]
    return {"__ansible_unsafe": value} if isinstance(value, str) else value


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _comparable(each) for name, each in value.items() if name not in OWN}
    if isinstance(value, str):
        return re.sub(r"\d+", "N", re.sub(rf"{PREFIX}[^/]+", PREFIX, value))
    return [_comparable(each) for each in value] if isinstance(value, list) else value


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _has_ended(pid: int) -> bool:
    """True where a process is gone, or waits for whoever adopted it to notice."""
    try:
        return _is_zombie(pid)
    except (FileNotFoundError, ProcessLookupError):
        return True


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
