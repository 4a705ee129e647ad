"""Lab hosts as containers: found by their labels, made, started, waited for, removed."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path

from fraisier.domain.errors import LabError
from fraisier.lab import nested
from fraisier.lab.archive import File, pack
from fraisier.lab.engine import docker, exec_in
from fraisier.lab.model import LABEL, SSH_PORT, LabHost

READY_SECONDS = 60
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
COLUMNS = ("", ".host", ".address", ".ssh-port", ".ports", ".folder", ".image", ".engine")

FLAGS = (
    *("--stop-signal", "SIGRTMIN+3"),
    *("--cap-add", "SYS_ADMIN"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--tmpfs", "/run:mode=755", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec"),  # noqa: S108
)
# systemd must be able to write below its own control group. On version 2 Docker mounts the host's
# own subtree, but read-only; mounting the machine's tree over it would let systemd rearrange that.
CGROUPS = {
    "1": (("--cgroupns=host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"), ("/sbin/init",)),
    "2": (
        ("--cgroupns=private",),
        ("/bin/sh", "-c", "mount -o remount,rw /sys/fs/cgroup && exec /sbin/init"),
    ),
}

WAIT_FOR_SYSTEMD = (
    "until test -S /run/systemd/private; do sleep 0.05; done; "
    "systemctl is-system-running --wait || test $? = 1"
)


def find() -> list[LabHost]:
    """Every lab host of this engine, of whatever lab and in whatever state."""
    columns = [f'{{{{.Label "{LABEL}{column}"}}}}' for column in COLUMNS]
    rows = docker(
        *("ps", "--all", "--filter", f"label={LABEL}"),
        *("--format", "\t".join(["{{.Names}}", "{{.State}}", *columns])),
    )
    return sorted((_host(row) for row in rows.splitlines()), key=lambda host: host.name)


def _host(row: str) -> LabHost:
    container, state, lab, name, address, port, ports, folder, image, engine = row.split("\t")
    return LabHost(
        name=name,
        address=address,
        container=container,
        port=int(port),
        lab=lab,
        folder=Path(folder),
        ports=tuple(int(each) for each in ports.split(",")),
        image=image,
        state=state,
        engine=bool(engine),
    )


def create(host: LabHost, cgroups: str, files: Sequence[File]) -> None:
    """Make and start the container of `host`; `cgroups` is the engine's version, "1" or "2"."""
    labels = [f"--label={name}={value}" for name, value in host.labels().items()]
    flags, command = CGROUPS[cgroups]
    published = [(host.port, SSH_PORT), *((port, port) for port in host.ports)]
    docker(
        *("create", "--name", host.container, "--hostname", host.name, *labels),
        *(*FLAGS, *flags, *(nested.flags() if host.engine else ())),
        *("--volume", f"{host.folder}/git:{host.folder}/git:ro"),
        *(f"--publish={host.address}:{outside}:{inside}" for outside, inside in published),
        host.image,
        *command,
    )
    docker("cp", "-", f"{host.container}:/", stdin=pack(files))
    docker("start", host.container)


def revive(host: LabHost) -> None:
    """Start a host that was stopped, or let a paused one go on."""
    docker("unpause" if host.state == "paused" else "start", host.container)


def remove(hosts: Sequence[LabHost]) -> None:
    """Remove the containers of `hosts` with all that is in them."""
    if hosts:
        docker("rm", "--force", "--volumes", *(host.container for host in hosts))


def wait_until_ready(host: LabHost) -> tuple[str, ...]:
    """Return once systemd has started everything and sshd answers: the units that failed.

    LabError says what did not come up.
    """
    wait = ("timeout", str(READY_SECONDS), "/bin/sh", "-c", WAIT_FOR_SYSTEMD)
    try:
        state = exec_in(host.container, *wait).strip()
    except LabError as refused:
        raise LabError(f"{host.name} did not start: {_diagnosis(host, refused)}") from refused
    _wait_for_sshd(host)
    return () if state == "running" else _failed_units(host)


def _failed_units(host: LabHost) -> tuple[str, ...]:
    listed = exec_in(
        host.container, "systemctl", "list-units", "--failed", "--plain", "--no-legend"
    )
    return tuple(line.split()[0] for line in listed.splitlines() if line.strip())


def _diagnosis(host: LabHost, refused: LabError) -> str:
    state = docker("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", host.container)
    if state.startswith("running"):
        return f"systemd is not ready after {READY_SECONDS} s ({refused.message})"
    return (
        f"its container is {state.strip()} (255 at once often means that the machine ran out of "
        "inotify instances: sysctl fs.inotify.max_user_instances=8192)"
    )


def _wait_for_sshd(host: LabHost) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _greets(host):
        if time.monotonic() > deadline:
            raise LabError(
                f"sshd of {host.name} does not answer on {host.address}:{host.port}",
                f"look at it: docker exec {host.container} journalctl -u ssh",
            )
        time.sleep(0.05)


def _greets(host: LabHost) -> bool:
    try:
        with socket.create_connection((host.address, host.port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def host_key(host: LabHost) -> str:
    """The host's public key (`TYPE BASE64`), read from inside, not from the network."""
    kind, key, *_ = exec_in(host.container, "cat", HOST_KEY).split()
    return f"{kind} {key}"


def cgroup_version() -> str:
    """The engine's cgroup version: "1" or "2"."""
    return docker("info", "--format", "{{.CgroupVersion}}").strip() or "1"
