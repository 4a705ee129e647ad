"""Whoever is killed, no process of a run goes on: on real Ansible, with writers that escape."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.catalogue import Host
from fraisier.domain.errors import RunnerError
from fraisier.domain.event import Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plain_text import MESSAGE
from fraisier.domain.plan import Work
from fraisier.runner import AnsibleRunner, folder
from support.marker import WRITE, Marking
from support.target import until

#: All processes of a run are gone within so many seconds of its owner (RELIABILITY.md, I6).
BAR = 5.0
#: In `make test` each fault hits the way of running for which it matters most, and a worker that is
#: killed hits all: a command's runs in a namespace (`auto`), the same as forks of a server
#: (`forked`), and the fallback without a namespace (`subreaper`).
ALL = ("auto", "subreaper", "forked")


def modes(always: Sequence[str], others: Sequence[str] = ()) -> pytest.MarkDecorator:
    """Run a test in the modes `always`, and in `make test-all` in the others too."""
    slow = [pytest.param(mode, marks=pytest.mark.slow) for mode in others]
    return pytest.mark.parametrize("mode", [*always, *slow])


Start = Callable[..., Marking]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return what starts a play that leaves marks."""
    made = []

    def make(mode: str, leash: float = 20.0) -> Marking:
        made.append(Marking.start(tmp_path, mode, leash))
        return made[-1]

    yield make
    for marking in made:
        marking.close()


@modes(ALL)
def test_i6_a_killed_worker_takes_its_run_along(start: Start, mode: str) -> None:
    """I6, I7: with its folders, and the module that Ansible had unpacked for it."""
    marking = start(mode)
    unpacked = marking.unpacked
    assert unpacked
    marking.kill(marking.process.pid)
    assert marking.quiet_after(BAR) < BAR
    until(lambda: not marking.folders, BAR)
    assert not any(path.parent.exists() for path in unpacked)


@modes(["forked"], ["auto", "subreaper"])
def test_i6_a_killed_launcher_takes_the_run_along_and_the_outcome_says_so(
    start: Start, mode: str
) -> None:
    """I6, I7: when `run` returns nothing is left, and what the host did is unknown."""
    marking = start(mode)
    marking.kill(marking.guards[0])
    ended, state, message = marking.outcome()
    assert (ended, state) == ("broken", "unknown")
    assert "killed from outside" in message or "ended before" in message
    marking.quiet_after(0.1)
    assert not marking.folders


@modes(["subreaper"], ["auto", "forked"])
def test_i6_worker_and_launcher_killed_together(start: Start, mode: str) -> None:
    """I6, I7."""
    marking = start(mode)
    marking.kill(marking.process.pid, marking.guards[0])
    assert marking.quiet_after(BAR) < BAR


@modes(["auto", "forked"])
def test_i6_in_a_namespace_all_guards_killed_together(start: Start, mode: str) -> None:
    """I6, I7: what no guard is left for, the kernel ends; a namespace is what the run is in."""
    marking = start(mode)
    (launcher, init, *_) = marking.guards
    spaces = [os.readlink(f"/proc/{pid}/ns/pid") for pid in (launcher, init)]
    assert spaces[0] == os.readlink("/proc/self/ns/pid") != spaces[1]
    marking.kill(marking.process.pid, *marking.guards)
    assert marking.quiet_after(BAR) < BAR


def test_i6_without_a_namespace_the_next_run_ends_what_all_guards_left(start: Start) -> None:
    """I6, I7: the limit of the fallback, and what makes up for it."""
    marking = start("subreaper")
    marking.kill(marking.process.pid, *marking.guards)
    marking.process.wait()
    assert marking.tree
    folder.sweep()
    marking.quiet_after(0.1)
    assert not marking.folders


def test_the_folder_of_a_run_that_lives_is_not_swept_up(start: Start) -> None:
    """Nor by a process that cannot see its owner, as in another namespace."""
    marking = start("auto")
    subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c",
         "from fraisier.runner.folder import sweep; sweep()"],
        check=True,
    )  # fmt: skip
    assert marking.folders
    sizes = marking.sizes()
    until(lambda: all(now > then for now, then in zip(marking.sizes(), sizes, strict=True)))


@modes(["forked"], ["auto", "subreaper"])
def test_i7_a_worker_paused_past_its_leash_has_lost_its_run(start: Start, mode: str) -> None:
    """I7: paused for less it keeps it."""
    marking = start(mode, leash=8.0)
    os.kill(marking.process.pid, signal.SIGSTOP)
    time.sleep(1.0)
    os.kill(marking.process.pid, signal.SIGCONT)
    time.sleep(8.0)
    assert marking.tree, "a short pause is borne"
    os.kill(marking.process.pid, signal.SIGSTOP)
    assert marking.quiet_after(8.0 + BAR) > 1.0
    os.kill(marking.process.pid, signal.SIGCONT)
    ended, state, message = marking.outcome()
    assert (ended, state) == ("broken", "unknown")
    assert "not watched" in message


@pytest.mark.parametrize(
    ("mode", "which"),
    [
        ("auto", "last"),
        ("forked", "first"),
        *(pytest.param(mode, "last", marks=pytest.mark.slow) for mode in ("subreaper", "forked")),
        *(pytest.param(mode, "first", marks=pytest.mark.slow) for mode in ("auto", "subreaper")),
    ],
)
def test_i17_ansible_killed_is_told(start: Start, mode: str, which: str) -> None:
    """I7, I17: ansible-playbook itself, or one of its workers, as when memory runs out."""
    marking = start(mode)
    playbooks = marking.playbooks
    assert len(playbooks) > 1
    marking.kill(playbooks[0 if which == "first" else -1])
    ended, state, message = marking.outcome()
    assert state == "unknown", (ended, state, message)
    assert "kill" in message or "dead" in message, message
    marking.quiet_after(0.1)


class Here:
    """Runs playbooks on this machine, in this process."""

    def __init__(self, folder: Path) -> None:
        self.playbook = folder / "play.yml"
        self.facts: list[Fact] = []

    def run(
        self, module: str, argument: object, mode: str = "auto", timeout: float = 60, **more: Any
    ) -> Outcome:
        """Run one task of an Ansible module; `cancelled`, `connection`."""
        local = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
        task = {f"ansible.builtin.{module}": argument}
        play = {"hosts": "all", "gather_facts": False, "vars": local, "tasks": [task]}
        self.playbook.write_text(json.dumps([play]))
        runner = AnsibleRunner(lambda _a, _b: {}, {**os.environ, "FRAISIER_CONTAINMENT": mode})
        host = Host("here", "127.0.0.1", connection=more.get("connection", "ssh"))
        work = Work("dep_1", "probe", str(self.playbook), (host,), False, {}, {}, timeout)
        cancelled = more.get("cancelled", lambda: False)
        return runner.run(work, self.facts.extend, cancelled)


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """Return what runs playbooks here."""
    return Here(tmp_path)


@modes(["auto", "subreaper"])
def test_i7_nothing_is_written_after_a_cancel(here: Here, tmp_path: Path, mode: str) -> None:
    """I7: also not by a daemon in a session of its own that ignores what it is told."""
    file = tmp_path / "marks"
    daemon = f"(trap '' TERM; setsid sh -c 'trap \"\" TERM; {WRITE.format(file)}') & sleep 60"

    def cancelled() -> bool:
        return file.exists() and file.stat().st_size > 200

    outcome = here.run("shell", daemon, mode, cancelled=cancelled)
    size = file.stat().st_size
    assert (outcome.ended, outcome.hosts["here"].state) == ("cancelled", "unknown")
    time.sleep(0.3)
    assert file.stat().st_size == size


def test_i8_what_is_cancelled_before_it_begins_never_begins(here: Here, tmp_path: Path) -> None:
    """I8, I6: a worker that wakes up without its lease hands no work over."""
    outcome = here.run("shell", f"touch {tmp_path}/ran", cancelled=lambda: True)
    assert (outcome.ended, outcome.hosts["here"].state) == ("cancelled", "failed")
    assert not (tmp_path / "ran").exists()


def test_this_very_machine_is_worked_on_as_it_is(here: Here, tmp_path: Path) -> None:
    """A host that is this machine sees its processes, not those of a namespace."""
    for connection, same in (("local", True), ("ssh", False)):
        outcome = here.run("shell", f"ls -l /proc/self/ns/pid > {tmp_path}/space",
                           connection=connection)  # fmt: skip
        assert outcome.ended == "done"
        mine = os.readlink("/proc/self/ns/pid")
        assert (mine in (tmp_path / "space").read_text()) is same


def test_i17_a_flood_of_output_is_cut_and_marked(here: Here) -> None:
    """I17: what a task says has a bound before it leaves the run."""
    outcome = here.run("fail", {"msg": "{{ 'x' * 3000000 }}"})
    message = outcome.first_error()["message"]
    assert message.endswith("…")
    assert len(message) <= MESSAGE


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a place for private folders that has 600 kB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", place], check=True)
    monkeypatch.setattr(folder, "base", lambda: place)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_i17_no_room_for_a_run_is_told_before_it(here: Here, small: Path) -> None:
    """I17: nothing has run."""
    fill(small)
    with pytest.raises(RunnerError, match="No space left on device"):
        here.run("ping", {})
    assert [path.name for path in small.iterdir()] == ["filling"]


def test_i17_a_disk_that_fills_up_during_a_run_is_told(here: Here, small: Path) -> None:
    """I17, I7: it is no success, its cause is named, and no process stays."""
    outcome = here.run("shell", f"cat /dev/zero > {small}/filling; sleep 0.1")
    assert not outcome.ok
    assert outcome.hosts["here"].state == "unknown"
    assert "No space left" in str(outcome) or "no room left" in str(outcome), outcome
    assert [path.name for path in small.iterdir()] == ["filling"]


def fill(place: Path) -> None:
    """Leave no room in a place."""
    subprocess.run(f"cat /dev/zero > {place}/filling", shell=True, stderr=subprocess.DEVNULL)
