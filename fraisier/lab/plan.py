"""What `up` has to do, decided from what is there; nothing is done here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice

from fraisier.domain.errors import LabError
from fraisier.lab.addresses import ADDRESSES
from fraisier.lab.model import LabHost

REVIVABLE = frozenset({"exited", "paused"})


@dataclass(frozen=True)
class Wish:
    """What was asked: at least `hosts` hosts of lab `name` that publish `ports`."""

    name: str
    hosts: int
    ports: tuple[int, ...] = ()
    addresses: tuple[str, ...] = ()
    reclaim: bool = False
    engine: bool = False


@dataclass(frozen=True)
class Plan:
    """Hosts to remove first, to keep, to start again, and (name, address) of those to create."""

    remove: tuple[LabHost, ...]
    keep: tuple[LabHost, ...]
    revive: tuple[LabHost, ...]
    create: tuple[tuple[str, str], ...]

    @property
    def stay(self) -> tuple[LabHost, ...]:
        """The hosts that are there already and stay."""
        return (*self.keep, *self.revive)


def plan(wish: Wish, existing: Sequence[LabHost], image: str, free: Callable[[str], bool]) -> Plan:
    """How to get from `existing` hosts of all labs to `wish`.

    `free(address)` tells whether a new host could be published there once no lab host is.
    A stopped host of another image is replaced; a running one is kept. LabError when it cannot be.
    """
    own = [host for host in existing if host.lab == wish.name]
    usable = [host for host in own if _usable(host, image)]
    broken = [host.address for host in own if host not in usable]
    wanted = _wanted(wish, usable, broken, existing, free)
    kept = [host for host in usable if host.address in wanted]
    _check_ports(kept, wish)
    others = [host for host in existing if host.lab != wish.name and host.address in wanted]
    missing = [address for address in wanted if address not in {host.address for host in kept}]
    return Plan(
        remove=(*others, *(host for host in own if host not in kept)),
        keep=tuple(host for host in kept if host.running),
        revive=tuple(host for host in kept if not host.running),
        create=tuple(zip(_names(wish.name, kept), missing, strict=False)),
    )


def _usable(host: LabHost, image: str) -> bool:
    return host.running or (host.state in REVIVABLE and host.image == image)


def _wanted(
    wish: Wish,
    own: Sequence[LabHost],
    broken: Sequence[str],
    existing: Sequence[LabHost],
    free: Callable[[str], bool],
) -> tuple[str, ...]:
    """The addresses the lab has in the end: those it keeps, those of its broken hosts, new ones."""
    owners = {host.address: host.lab for host in existing}
    have = tuple(host.address for host in own)
    if wish.addresses:
        for address in wish.addresses:
            _check_address(address, owners.get(address), wish, free)
        return tuple(dict.fromkeys((*have, *wish.addresses)))
    if wish.reclaim:
        lowest = (address for address in ADDRESSES if address in owners or free(address))
        return _take(max(wish.hosts, len(have)), lowest)
    unused = (address for address in ADDRESSES if address not in owners and free(address))
    return have + _take(max(wish.hosts - len(have), 0), chain(broken, unused))


def _take(number: int, candidates: Iterator[str]) -> tuple[str, ...]:
    taken = tuple(islice(candidates, number))
    if len(taken) < number:
        raise LabError(
            f"only {len(taken)} of the {number} addresses needed are free",
            "see who has them with `fraisier lab status`, or take labs down",
        )
    return taken


def _check_address(
    address: str, owner: str | None, wish: Wish, free: Callable[[str], bool]
) -> None:
    if owner not in {None, wish.name} and not wish.reclaim:
        raise LabError(
            f'{address} belongs to the lab "{owner}"',
            "use another address, or --reclaim to remove that host",
        )
    if owner is None and not free(address):
        raise LabError(
            f"another program has a port of {address}",
            f"see which with `ss -ltnp src {address}`, or use another address",
        )


def _check_ports(kept: Sequence[LabHost], wish: Wish) -> None:
    for host in kept:
        lacking = sorted(set(wish.ports) - set(host.ports))
        if wish.engine and not host.engine:
            raise LabError(
                f"{host.name} has no Docker engine, and a container cannot get one",
                f"take its lab down first: fraisier lab down --name {wish.name}",
            )
        if lacking:
            raise LabError(
                f"{host.name} does not publish port {lacking[0]}, and a container cannot begin to",
                f"take its lab down first: fraisier lab down --name {wish.name}",
            )


def _names(lab: str, kept: Sequence[LabHost]) -> Iterator[str]:
    taken = {host.name for host in kept}
    return (name for n in count(1) if (name := f"{lab}-{n}") not in taken)
