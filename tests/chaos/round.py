"""A round: a lab, the servers of the databases, the versions, and the lanes that use them."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from chaos.faults import give_small_disk, small_disk
from chaos.jobs import (
    CLOCK,
    DATABASE,
    FLEET,
    FULL_HOST,
    FULL_RECORDS,
    RESTART,
    UNREACHABLE,
    Job,
    around,
    cancels,
    endless,
    one_of_each,
)
from chaos.lanes import Book, Jobs, Lane
from chaos.target import Target
from chaos.versions import Versions
from fraisier import lab as labs
from fraisier.lab import LabHost
from support.daemons import Daemon
from support.databases import MariadbServer, PostgresServer

#: Seconds; a worker that is killed is known to be dead after so long where nobody can look.
SHORT_LEASE = 6.0
HOSTS = 3
#: For each database: one that is cut off and booted, one with a small disk, and a fleet of three.
HOSTS_OF_FAULTS = 5
FULL = (FULL_HOST, FULL_RECORDS)
#: Megabytes: of an application, above what a preflight asks for, and of the records.
SMALL_DISK, SMALL_RECORDS = 256, {"sqlite": 24, "postgresql": 320, "mysql": 480}
FIRST_PORT = 9100


class Round:
    """What is asked for on the command line, made ready; `close` removes all of it."""

    def __init__(self, asked: Namespace, book: Book) -> None:
        self._asked, self._book = asked, book
        self._stack, self._numbers = ExitStack(), count()
        self._chance = random.Random(asked.seed)
        self.lanes: list[Lane] = []
        self.last: list[Lane] = []

    def __enter__(self) -> Round:
        """Make the lab, the servers and the lanes."""
        with self._stack as stack:
            faults = HOSTS_OF_FAULTS * len(self._asked.databases)
            hosts = faults if self._asked.faults else HOSTS
            self._lab = stack.enter_context(_a_lab(self._asked.lab, hosts))
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
            self._folder.chmod(0o711)  # servers of other users have their small disks in it
            asked = self._asked
            each = max(100, asked.kills, 2 * asked.cancels, 20 * asked.faults)
            self._versions = stack.enter_context(_repository(self._lab, each))
            shared, kinds = one_of_each(self._chance, self._asked.times), self._asked.databases
            for index, kind in enumerate(kinds):
                if self._asked.faults:
                    self._surround(kind, HOSTS_OF_FAULTS * index)
                else:
                    self._add(kind, [j for j in shared[index :: len(kinds)] if self._wanted(j)])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was made."""
        self._stack.close()

    def run(self) -> None:
        """Let every lane work, then those that disturb all others."""
        for lanes in (self.lanes, self.last):
            for lane in lanes:
                lane.start()
            for lane in lanes:
                lane.join()

    def _wanted(self, job: Job) -> bool:
        return self._asked.only is None or job.how in self._asked.only

    def _add(self, kind: str, few: list[Job]) -> None:
        """Add the lanes of one kind of database."""
        server = _server(kind, self._stack)
        queue, initial = self._queue(kind, few), kind[0]
        for number in range(self._asked.lanes):
            self.lanes.append(self._lane(f"{initial}{number}", kind, server, SHORT_LEASE, queue))
        if not self._asked.plain:
            patient = [Job("random", "machine", version="middle")] * (3 if self._asked.kills else 1)
            self.lanes.append(self._lane(f"{initial}d", kind, server, None, Jobs(iter(patient))))
        if server is not None and self._asked.kills:
            jobs = Jobs(iter([Job(RESTART, version="slow")] * 2))
            self.last.append(self._lane(f"{initial}r", kind, server, SHORT_LEASE, jobs))

    def _surround(self, kind: str, first: int) -> None:
        """Add the lanes of one kind of database that suffer faults around Fraisier.

        Each has its own server of records, so that a fault of one does not strike another.
        """
        around_it, small, *fleet = self._lab.hosts[first : first + HOSTS_OF_FAULTS]
        server, initial = _server(kind, self._stack), kind[0]
        hows = (*UNREACHABLE, CLOCK, *((DATABASE,) if server else ()))
        lane = (f"{initial}a", kind, server, None, self._remaining(kind, hows))
        self.lanes.append(self._lane(*lane, hosts=[around_it]))
        disk = self._stack.enter_context(
            small_disk(self._folder / f"{initial}-records", SMALL_RECORDS[kind])
        )
        server = _server(kind, self._stack, disk)
        lane = (f"{initial}s", kind, server, None, self._remaining(kind, FULL))
        self.lanes.append(self._lane(*lane, hosts=[small], disk=disk))
        give_small_disk(*self.lanes[-1].target.places.values(), SMALL_DISK)
        lane = (f"{initial}f", kind, _server(kind, self._stack), SHORT_LEASE)
        self.lanes.append(self._lane(*lane, self._remaining(kind, (FLEET,)), hosts=fleet))

    def _remaining(self, kind: str, hows: tuple[str, ...]) -> Jobs:
        """Return the faults of a database that the evidence does not show yet."""
        chance = random.Random(f"{self._asked.seed} {kind} {hows}")
        times = -(-self._asked.faults // len(self._asked.databases))
        done, jobs = Counter(self._book.struck[kind]), []
        for job in around(hows, times, chance):
            if done[job.how]:
                done[job.how] -= 1
            elif self._wanted(job):
                jobs.append(job)
        return Jobs(iter(jobs))

    def _queue(self, kind: str, few: list[Job]) -> Jobs:
        asked, book, share = self._asked, self._book, len(self._asked.databases)
        chance = random.Random(f"{asked.seed} {kind}")
        if asked.cancels:
            return Jobs(cancels(chance), lambda: book.cancelled[kind] * share >= asked.cancels)
        if asked.kills:
            return Jobs(endless(chance), lambda: book.kills[kind] * share >= asked.kills)
        return Jobs(iter(few))

    def _lane(
        self,
        name: str,
        kind: str,
        server: Daemon | None,
        lease: float | None,
        jobs: Jobs,
        hosts: Sequence[LabHost] = (),
        disk: Path | None = None,
    ) -> Lane:
        number = next(self._numbers)
        target = Target(
            name=name,
            kind=kind,
            url=self._new_url(server, number, disk or self._folder),
            lab=self._lab,
            hosts=hosts or [self._lab.hosts[number % len(self._lab.hosts)]],
            port=FIRST_PORT + number,
            folder=self._folder / name,
            versions=self._versions,
            lease=lease,
            server=server,
            disk=disk,
        )
        self._stack.callback(target.close)
        return Lane(target, jobs, self._book, f"{self._asked.seed} {name}")

    def _new_url(self, server: Daemon | None, number: int, folder: Path) -> str:
        if isinstance(server, PostgresServer | MariadbServer):
            return server.new_database()
        return f"sqlite:///{folder / f'records-{number}.db'}"


def _server(kind: str, stack: ExitStack, place: Path | None = None) -> Daemon | None:
    makers: dict[str, Callable[[Path | None], Daemon]] = {
        "postgresql": PostgresServer,
        "mysql": MariadbServer,
    }
    if kind not in makers:
        return None
    server = makers[kind](place)
    stack.callback(server.close)
    return server


@contextmanager
def _a_lab(name: str | None, hosts: int) -> Iterator[labs.Lab]:
    """Return a lab that is there, or make one for this round."""
    if name:
        yield next(lab for lab in labs.status() if lab.name == name)
        return
    own = f"chaos-{os.getpid()}"
    for old in labs.names():
        kind, _, pid = old.partition("-")
        if kind == "chaos" and pid.isdigit() and not Path(f"/proc/{pid}").exists():
            labs.down(old)
    try:
        yield labs.up(own, hosts)
    finally:
        labs.down(own)


@contextmanager
def _repository(lab: labs.Lab, each: int) -> Iterator[Versions]:
    """Make the versions of a round where the hosts can read them."""
    path = lab.git / f"chaos-{os.getpid()}.git"
    try:
        yield Versions.create(path, each)
    finally:
        shutil.rmtree(path, ignore_errors=True)
