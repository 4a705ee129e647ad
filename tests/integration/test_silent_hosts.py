"""A host that falls silent ends its run within 30 s, and nothing is claimed about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fraisier.domain.catalogue import Host
from fraisier.domain.outcome import Outcome
from fraisier.domain.plan import Work
from fraisier.lab import Lab, LabHost, exec_in
from fraisier.lab.engine import docker
from fraisier.runner import AnsibleRunner
from support.target import until

SILENCE = 30.0
PLAY = "- {hosts: all, gather_facts: false, tasks: [{TASK}]}\n"


@pytest.fixture
def silenced(lab: Lab) -> Iterator[Callable[[LabHost], None]]:
    """Return what makes a host silent: it stops, and its kernel still keeps the connection."""
    silent = []

    def silence(host: LabHost) -> None:
        docker("pause", host.container)
        silent.append(host.container)

    yield silence
    for container in silent:
        docker("unpause", container)


def start(lab: Lab, host: LabHost, folder: Path, task: str) -> Callable[[], tuple[Outcome, float]]:
    """Run a task on a host in a thread; what is returned waits: the outcome, and when it came."""
    playbook = folder / f"{host.container}.yml"
    playbook.write_text(PLAY.replace("TASK", task))
    known = str(lab.known_hosts)
    reached = Host(host.address, host.address, host.port, "deploy", str(lab.key), known)
    work = Work("dep_1", "probe", str(playbook), (reached,), True, {}, {}, 120)

    def run() -> tuple[Outcome, float]:
        outcome = AnsibleRunner(lambda _a, _b: {}).run(work, lambda _facts: None, lambda: False)
        return outcome, time.monotonic()

    return ThreadPoolExecutor(1).submit(run).result


def test_a_host_that_falls_silent_ends_its_run_within_30_s(
    lab: Lab, tmp_path: Path, silenced: Callable[[LabHost], None]
) -> None:
    """In the middle of a task, of a transfer, and before the first connection (I14, I17)."""
    working, receiving, absent = lab.hosts
    big = tmp_path / "big"
    with open(big, "w") as file:
        file.truncate(500_000_000)
    for host in (working, receiving):
        exec_in(host.container, "sh", "-c", "rm -rf /tmp/at ~deploy/.ansible")
    silenced(absent)
    begun = time.monotonic()
    refused = start(lab, absent, tmp_path, "ansible.builtin.shell: touch /tmp/ran")
    worked = start(lab, working, tmp_path, "ansible.builtin.shell: touch /tmp/at; sleep 100")
    until(lambda: exec_in(working.container, "sh", "-c", "ls /tmp/at || true"))
    silenced(working)
    at_work = time.monotonic()
    sent = start(lab, receiving, tmp_path, f"ansible.builtin.copy: src={big} dest=/tmp/big")
    until(lambda: exec_in(receiving.container, "sh", "-c", ARRIVING))
    silenced(receiving)
    at_transfer = time.monotonic()
    for said, since, states in (
        (refused, begun, ["unreachable"]),
        (worked, at_work, ["unknown"]),
        (sent, at_transfer, ["unknown", "unreachable"]),
    ):
        outcome, ended = said()
        (host,) = outcome.hosts.values()
        print(f"{host.state} after {ended - since:.1f} s: {host.error}")
        assert ended - since < SILENCE
        assert host.state in states
        assert (host.error or {})["hint"]


#: Says something once a part of the big file has come.
ARRIVING = "find ~deploy/.ansible -size +1M 2>/dev/null || true"
