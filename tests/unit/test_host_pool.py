"""A lab that the processes of a test run share. Here each pool object stands for a process.

Locks on files belong to the open file, so that two objects exclude each other as processes do.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fraisier.lab import Lab, LabHost
from support import host_pool
from support.host_pool import HostPool
from support.target import until

NAME = "test-1"


class Labs:
    """The labs of this machine, in memory."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.there: list[str] = []

    def up(self, name: str, hosts: int, *, engine: bool = False) -> Lab:
        """Bring a lab up."""
        self.calls.append(f"up {name} {hosts} {engine}")
        made = [LabHost(f"{name}-{n}", f"127.0.0.{n}", f"c-{n}") for n in range(1, hosts + 1)]
        return Lab(name, Path("/nowhere"), tuple(made))

    def down(self, name: str) -> bool:
        """Take a lab down."""
        self.calls.append(f"down {name}")
        return True

    def names(self) -> list[str]:
        """Return the names of all labs."""
        return self.there


@pytest.fixture
def labs(monkeypatch: pytest.MonkeyPatch) -> Labs:
    """Return labs that cost nothing."""
    made = Labs()
    monkeypatch.setattr(host_pool, "labs", made)
    return made


def pool(
    folder: Path, hosts: int = 3, prepare: Callable[[LabHost], None] | None = None
) -> HostPool:
    """Return the pool as one process of the run has it."""
    return HostPool(NAME, hosts, folder, prepare=prepare)


def test_one_lab_serves_all_processes_and_goes_with_the_last(labs: Labs, tmp_path: Path) -> None:
    prepared: list[str] = []
    with pool(tmp_path, 2, lambda host: prepared.append(host.name)) as first:
        with pool(tmp_path, 2, lambda host: prepared.append("again")) as second:
            assert first.lab == second.lab
        assert labs.calls == [f"up {NAME} 2 False"]
    assert labs.calls == [f"up {NAME} 2 False", f"down {NAME}"]
    assert sorted(prepared) == [f"{NAME}-1", f"{NAME}-2"]


def test_a_lab_that_cannot_be_prepared_is_removed(labs: Labs, tmp_path: Path) -> None:
    def fail(_host: LabHost) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"), pool(tmp_path, 2, fail):
        pass
    assert labs.calls == [f"up {NAME} 2 False", f"down {NAME}"]
    with pool(tmp_path, 2) as again:
        assert len(again.lab.hosts) == 2


def test_nobody_leases_what_another_has(labs: Labs, tmp_path: Path) -> None:
    with pool(tmp_path) as one, pool(tmp_path) as two:
        with one.lease(1) as mine, two.lease(2) as theirs:
            assert mine == [one.lab.hosts[0]]
            assert theirs == [*one.lab.hosts[1:]]
            assert one.leased == tuple(mine)
        with two.lease(3) as all_of_them:
            assert all_of_them == [*one.lab.hosts]
        assert one.leased == ()


def test_who_wants_all_hosts_gets_them_when_they_are_free(labs: Labs, tmp_path: Path) -> None:
    got: list[int] = []

    def want_all(own: HostPool) -> None:
        with own.lease(3) as hosts:
            got.append(len(hosts))

    with pool(tmp_path) as one, pool(tmp_path) as two:
        with one.lease(1):
            waiting = threading.Thread(target=want_all, args=(two,))
            waiting.start()
            until(lambda: _is_locked(tmp_path / f"pool-{NAME}" / f"{NAME}-3.lock"))
            assert got == []
        waiting.join(60)
    assert got == [3]


def test_a_second_lease_of_the_same_process_is_refused(labs: Labs, tmp_path: Path) -> None:
    with (
        pool(tmp_path) as one,
        one.lease(1),
        pytest.raises(AssertionError, match="leases hosts already"),
        one.lease(1),
    ):
        pass


def test_a_killed_process_leaves_no_lease(labs: Labs, tmp_path: Path) -> None:
    with pool(tmp_path) as one:
        file = tmp_path / f"pool-{NAME}" / f"{NAME}-1.lock"
        hold = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); input()"
        holder = subprocess.Popen([sys.executable, "-c", hold, str(file)], stdin=subprocess.PIPE)
        until(lambda: _is_locked(file))
        holder.kill()
        holder.communicate()
        with one.lease(3) as hosts:
            assert len(hosts) == 3


def test_labs_of_dead_runs_are_removed_and_no_others(labs: Labs) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead, alive = ended.pid, host_pool.run_id()
    labs.there = [f"test-{dead}", f"engine-{dead}", f"test-{alive}", f"mine-{dead}", "default"]
    host_pool.remove_labs_of_dead_runs()
    assert labs.calls == [f"down test-{dead}", f"down engine-{dead}"]


def _is_locked(path: Path) -> bool:
    """Return whether somebody has a lock on a file."""
    if not path.exists():
        return False
    with path.open("w") as file:
        return not host_pool._try_lock(file)
