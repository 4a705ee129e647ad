"""Which loopback addresses and ports a new host can have."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence

from fraisier.domain.errors import LabError
from fraisier.lab.model import SERVED_PORTS, SSH_PORT

ADDRESSES = tuple(f"127.0.10.{n}" for n in range(1, 255))
#: In no lab, so that only a listener on all addresses can be in the way here.
NOBODY = "127.0.10.255"
SSH_FALLBACK = 2222
#: Takes an address and a port, and tells whether a listener could be bound there.
PortCheck = Callable[[str, int], bool]
OPTIONAL = frozenset({80, 443})


def port_is_free(address: str, port: int) -> bool:
    """True when a listener could be bound to `address`:`port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:
            return probe.connect_ex((address, port)) == errno.ECONNREFUSED
        except OSError:
            return False
    return True


def free(address: str, ports: Iterable[int]) -> bool:
    """True when every one of `ports` could be published on `address`."""
    return all(port_is_free(address, port) for port in ports)


def choose_ports(
    extra: Sequence[int], is_free: PortCheck = port_is_free
) -> tuple[int, tuple[int, ...]]:
    """The port for sshd and the other ports to publish.

    A program of this machine that listens on all addresses is in the way of a port everywhere:
    sshd then moves to 2222, 80 and 443 are left out, and any other is a LabError.
    """
    ssh = next((port for port in (SSH_PORT, SSH_FALLBACK) if is_free(NOBODY, port)), None)
    if ssh is None:
        raise LabError("ports 22 and 2222 are both taken on all addresses of this machine")
    served = []
    for port in sorted({*SERVED_PORTS, *extra} - {SSH_PORT}):
        if is_free(NOBODY, port):
            served.append(port)
        elif port not in OPTIONAL or port in extra:
            raise LabError(
                f"port {port} is taken on all addresses of this machine",
                f"find the program with `ss -ltnp sport = :{port}` and bind it to 127.0.0.1",
            )
    return ssh, tuple(served)


def checked(addresses: Iterable[str]) -> tuple[str, ...]:
    """`addresses` when each is a loopback address given once; LabError otherwise."""
    chosen = tuple(addresses)
    for address in chosen:
        try:
            loopback = ipaddress.IPv4Address(address).is_loopback
        except ValueError:
            loopback = False
        if not loopback or chosen.count(address) > 1:
            raise LabError(
                f'"{address}" cannot be the address of a lab host',
                "use each of 127.0.10.1 to 127.0.10.254 at most once",
            )
    return chosen
