"""Lab hosts that all processes of a test run share: each test leases those that it needs.

A lab costs seconds of the processor, and pytest-xdist runs several worker processes. They share one
lab, named after the process that began the run. A lease is a lock on a file for each host, so that
the kernel ends the lease of a worker that is killed.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

import pytest

from fraisier import lab as labs
from fraisier.lab import Lab, LabHost
from support import processor_time

#: What the names of labs begin with that belong to a run of the tests; its process id follows.
KINDS = ("test", "engine")
#: No test holds its hosts for so long, however slow the machine is.
LIMIT_SECONDS = 1800.0


def run_id() -> int:
    """Return the process id that all workers of this run have in common: the controller's."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def run_folder(factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all workers of this run, and no other run, have in common."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def remove_labs_of_dead_runs() -> None:
    """Take down what a killed run of the tests left behind."""
    for name in labs.names():
        kind, _, pid = name.partition("-")
        if kind in KINDS and pid.isdigit() and not Path(f"/proc/{pid}").exists():
            labs.down(name)


class HostPool:
    """A context in which a process of the run may lease hosts of a lab.

    The process that enters first brings the lab up and has each host prepared; the one that leaves
    last takes it down. `folder` is common to the run's processes.
    """

    def __init__(
        self,
        name: str,
        hosts: int,
        folder: Path,
        *,
        engine: bool = False,
        prepare: Callable[[LabHost], None] | None = None,
    ) -> None:
        self._name = name
        self._hosts = hosts
        self._folder = folder / f"pool-{name}"
        self._engine = engine
        self._prepare = prepare
        self._member: IO[str] | None = None
        self._lab: Lab | None = None
        self._leased: tuple[LabHost, ...] = ()

    @property
    def lab(self) -> Lab:
        """Return the lab with all its hosts, whoever leases them."""
        assert self._lab is not None, "enter the pool first"
        return self._lab

    @property
    def leased(self) -> tuple[LabHost, ...]:
        """Return the hosts that this process leases now."""
        return self._leased

    def __enter__(self) -> HostPool:
        self._folder.mkdir(parents=True, exist_ok=True)
        made = self._folder / "lab"
        with self._locked("members.lock"):
            if not made.exists():
                made.write_bytes(pickle.dumps(self._bring_up()))
            self._lab = pickle.loads(made.read_bytes())
            self._member = (self._folder / "members").open("w")
            fcntl.flock(self._member, fcntl.LOCK_SH)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._member is not None
        with self._locked("members.lock"):
            if _try_lock(self._member):
                (self._folder / "lab").unlink(missing_ok=True)
                labs.down(self._name)
            _unlock(self._member)
        self._lab = self._member = None

    @contextmanager
    def lease(self, hosts: int = 1) -> Iterator[list[LabHost]]:
        """Wait until so many hosts are free, and have them for this process alone.

        A test takes all that it needs in one go: who holds hosts and waits for more could wait for
        somebody who waits for him.
        """
        assert not self._leased, "this process leases hosts already"
        assert 0 < hosts <= self._hosts, f"the pool has {self._hosts} hosts"
        with ExitStack() as held:
            # One process at a time collects hosts, or one that wants all would wait for ever.
            with self._locked("lease.lock"):
                taken = self._collect(hosts, held)
            self._leased = tuple(taken)
            try:
                with processor_time.leased([host.container for host in taken]):
                    yield taken
            finally:
                self._leased = ()

    def _bring_up(self) -> Lab:
        try:
            remove_labs_of_dead_runs()
            lab = labs.up(self._name, self._hosts, engine=self._engine)
            if self._prepare is not None:
                with ThreadPoolExecutor(self._hosts) as pool:
                    list(pool.map(self._prepare, lab.hosts))
        except BaseException:
            labs.down(self._name)
            raise
        return lab

    def _collect(self, hosts: int, held: ExitStack) -> list[LabHost]:
        """Lock hosts until there are enough; they stay locked until `held` ends."""
        taken: list[LabHost] = []
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            for host in self.lab.hosts:
                if host not in taken and len(taken) < hosts:
                    file = (self._folder / f"{host.name}.lock").open("w")
                    if _try_lock(file):
                        taken.append(host)
                        held.callback(_unlock, file)
                    else:
                        file.close()
            if len(taken) == hosts:
                return sorted(taken, key=self.lab.hosts.index)
            assert time.monotonic() < deadline, f"{hosts} hosts of {self._name} never became free"
            time.sleep(0.05)

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Hold a lock that no two processes of the run hold at once."""
        lock = (self._folder / name).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            _unlock(lock)


def _try_lock(file: IO[str]) -> bool:
    """Lock a file for this process alone, unless another has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(file: IO[str]) -> None:
    """Free a lock, also where a forked child of this process still has the file open."""
    with file:
        fcntl.flock(file, fcntl.LOCK_UN)
