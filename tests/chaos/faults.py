"""Faults of what is around Fraisier: each strikes a target, lasts some seconds, and is healed."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chaos.host import Place
from chaos.jobs import CLOCK, DATABASE, FULL_HOST, FULL_RECORDS, PARTITION, REBOOT, SSHD
from chaos.target import Target
from fraisier.domain.errors import LabError
from fraisier.lab import exec_in
from fraisier.lab.engine import docker

Fault = Callable[[Target, random.Random], None]
BOOT_SECONDS = 60.0
#: How far a worker's clock is wrong, in seconds.
WRONG_CLOCKS = (-600, 600)
SSHD_AWAY = "systemctl stop ssh.socket ssh.service; kill $(pgrep -x sshd); true"
SSHD_BACK = "systemctl start ssh.service"
DISK = "size={megabytes}m,mode=755"
BALLAST = "ballast"


def partition(target: Target, chance: random.Random) -> None:
    """Cut the network of a host, so that packets vanish."""
    place = _one(target, chance)
    _network(place, "down")
    time.sleep(chance.choice([chance.uniform(1, 20), 70.0]))
    _network(place, "up")


def reboot(target: Target, chance: random.Random) -> None:
    """Cut a host's power and start it again after some seconds."""
    container = _one(target, chance).host.container
    docker("kill", container)
    time.sleep(chance.uniform(0, 5))
    docker("start", container)
    _booted(container)


def sshd_away(target: Target, chance: random.Random) -> None:
    """End sshd with all its sessions, and start it again."""
    place = _one(target, chance)
    exec_in(place.host.container, "sh", "-c", SSHD_AWAY)
    time.sleep(chance.uniform(2, 15))
    exec_in(place.host.container, "sh", "-c", SSHD_BACK)


def database_away(target: Target, chance: random.Random) -> None:
    """Kill the server of the records, and start it again after 5 or 15 seconds."""
    assert target.server is not None
    target.server.kill()
    time.sleep(chance.choice([5.0, 15.0]))
    target.server.start()


def full_host(target: Target, chance: random.Random) -> None:
    """Fill the disk that the application is on."""
    place = _one(target, chance)
    ballast = f"{place.app}/{BALLAST}"
    exec_in(place.host.container, "sh", "-c", f"cat /dev/zero > {ballast} 2> /dev/null; true")
    time.sleep(chance.uniform(2, 15))
    exec_in(place.host.container, "rm", "-f", ballast)


def full_records(target: Target, chance: random.Random) -> None:
    """Fill the disk that the records are on; a server that ends of it is started again."""
    assert target.disk is not None
    ballast = target.disk / BALLAST
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    time.sleep(chance.uniform(2, 15))
    ballast.unlink()
    server = target.server
    if server is not None and server.process is not None and server.process.poll() is not None:
        server.kill()
        server.start()


FAULTS: dict[str, Fault] = {
    PARTITION: partition,
    REBOOT: reboot,
    SSHD: sshd_away,
    DATABASE: database_away,
    FULL_HOST: full_host,
    FULL_RECORDS: full_records,
}


def clock(how: str, chance: random.Random) -> dict[str, str]:
    """Return the environment of a process whose clock is wrong, for the fault of that name."""
    if how != CLOCK:
        return {}
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{chance.choice(WRONG_CLOCKS):+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Make a folder a small disk of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    options = DISK.format(megabytes=megabytes)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def give_small_disk(place: Place, megabytes: int) -> None:
    """Give a host a small disk for the application."""
    exec_in(place.host.container, "mkdir", "-p", place.app)
    options = DISK.format(megabytes=megabytes)
    argv = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place.app]
    _enter(place, "--mount", *argv)


def _one(target: Target, chance: random.Random) -> Place:
    return chance.choice([*target.places.values()])


def _network(place: Place, state: str) -> None:
    _enter(place, "--net", "ip", "link", "set", "eth0", state)


def _enter(place: Place, namespace: str, *argv: str) -> None:
    pid = docker("inspect", "--format", "{{.State.Pid}}", place.host.container).strip()
    subprocess.run(["nsenter", "--target", pid, namespace, "--", *argv], check=True)


def _booted(container: str) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        try:
            exec_in(container, "systemctl", "is-active", "--quiet", "ssh.service")
            return
        except LabError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
