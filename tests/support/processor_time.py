"""Processor seconds used by this process, by all that it started, and by the lab hosts it has.

Linux control groups count them, so that processes count that have left their parent or have not
ended yet. Without root, or without a writable hierarchy, only children that have ended count.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

V1 = Path("/sys/fs/cgroup/cpuacct")
V2 = Path("/sys/fs/cgroup")
GROUP = "fraisier-tests"
#: Where the engine's containers have their groups, by cgroup driver.
CONTAINERS = ("docker", "system.slice")
CONTAINER = re.compile(r"(?:docker-)?([0-9a-f]{64})(?:\.scope)?")


@dataclass
class ProcessorTime:
    """A meter for one process of the tests.

    `alone`: it is the only one on the machine, so that all containers count. Otherwise those of
    labs with its process id in their names do, and those that it leases from a pool.
    """

    alone: bool
    group: Path | None = None
    _names: dict[str, str] = field(default_factory=dict)
    _own: dict[Path, float] = field(default_factory=dict)
    _leased: dict[Path, float] = field(default_factory=dict)
    _returned: float = 0.0

    @classmethod
    def start(cls, alone: bool) -> ProcessorTime:
        """Move this process to a control group of its own, in which all its children begin."""
        meter = cls(alone)
        group = _hierarchy() / GROUP / str(os.getpid())
        _remove_dead_groups(group.parent)
        try:
            group.mkdir(parents=True, exist_ok=True)
            (group / "cgroup.procs").write_text(str(os.getpid()))
        except OSError:
            return meter
        meter.group = group
        return meter

    def processes(self) -> float:
        """Return the seconds of this process and of all that it started."""
        if self.group is not None:
            return _usage(self.group)
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in both)

    def containers(self) -> float:
        """Return the seconds of the containers that count."""
        if self.alone:
            return sum(_usage(group) for group in _hierarchy().glob("docker"))
        for group, name in self._groups():
            if f"-test-{os.getpid()}-" in name:
                self._own[group] = max(self._own.get(group, 0.0), _usage(group))
        leased = sum(max(0.0, _usage(group) - was) for group, was in self._leased.items())
        return sum(self._own.values()) + leased + self._returned

    def lease(self, names: Sequence[str]) -> None:
        """Count these containers from now on."""
        if not self.alone:
            self._leased = {group: _usage(group) for group, name in self._groups() if name in names}

    def give_back(self) -> None:
        """Count the containers leased no longer."""
        self._returned += sum(max(0.0, _usage(group) - was) for group, was in self._leased.items())
        self._leased = {}

    def _groups(self) -> Iterator[tuple[Path, str]]:
        for parent in CONTAINERS:
            folder = _hierarchy() / parent
            for name in os.listdir(folder) if folder.is_dir() else ():
                if found := CONTAINER.fullmatch(name):
                    yield folder / name, self._name(found[1])

    def _name(self, container: str) -> str:
        if container not in self._names:
            argv = ["docker", "inspect", "--format", "{{.Name}}", container]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            self._names[container] = done.stdout.strip().lstrip("/")
        return self._names[container]


_meter: ProcessorTime | None = None


def start(alone: bool) -> ProcessorTime:
    """Start the meter of this process."""
    global _meter
    _meter = ProcessorTime.start(alone)
    return _meter


@contextmanager
def leased(containers: Sequence[str]) -> Iterator[None]:
    """Count containers of a pool while this process has them."""
    if _meter is None:
        yield
        return
    _meter.lease(containers)
    try:
        yield
    finally:
        _meter.give_back()


def machine() -> tuple[float, float]:
    """Return the seconds that all processors have worked, and been idle, since the start."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    tick = os.sysconf("SC_CLK_TCK")
    user, nice, system, idle, waiting, irq, softirq, *_ = (int(word) / tick for word in words)
    return user + nice + system + irq + softirq, idle + waiting


#: What `sample` compiles: the work of an interpreter, with memory, as most of the tests' is.
WORK = "".join(
    f"def f{i}(a, b=({i}, 'x')):\n    return {{c: a + {i} for c in b if c}}\n" for i in range(300)
)
#: Seconds that it takes on an idle core of the machine on which the limits of the tests were set.
WORK_SECONDS = 0.0110


def sample() -> float:
    """Return how many times slower than on that machine a processor is right now.

    Beside other processes the same work takes more processor time: caches, memory bandwidth and
    the host of a virtual machine are shared.
    """
    start = time.thread_time()
    compile(WORK, "work", "exec")
    return (time.thread_time() - start) / WORK_SECONDS


def _remove_dead_groups(parent: Path) -> None:
    """Remove the groups of earlier runs; one with a process in it stays."""
    for group in parent.iterdir() if parent.is_dir() else ():
        if group.is_dir() and not Path(f"/proc/{group.name}").exists():
            with suppress(OSError):
                group.rmdir()


def _hierarchy() -> Path:
    return V1 if V1.is_dir() else V2


def _usage(group: Path) -> float:
    try:
        if V1.is_dir():
            return int((group / "cpuacct.usage").read_text()) / 1e9
        words = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        return int(words["usage_usec"]) / 1e6
    except OSError:
        return 0.0  # the container has gone
