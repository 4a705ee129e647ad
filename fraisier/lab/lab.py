"""Bring a lab up, take it down, say what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from typing import TypeVar

from fraisier.domain.errors import LabError
from fraisier.lab import addresses as loopback
from fraisier.lab import containers, daemon, example, files, image, machine, nested, place
from fraisier.lab.model import Lab, LabHost, Say, checked_name
from fraisier.lab.plan import Plan, Wish, plan
from fraisier.lab.recipe import Recipe

AT_ONCE = 12

Result = TypeVar("Result")


def _quiet(line: str) -> None:
    """Say nothing."""


def up(
    name: str = "default",
    hosts: int = 1,
    *,
    reclaim: bool = False,
    ports: Sequence[int] = (),
    addresses: Sequence[str] = (),
    engine: bool = False,
    say: Say = _quiet,
) -> Lab:
    """The lab `name` with at least `hosts` hosts, all ready; what is already there is kept.

    New hosts take the lowest free addresses, or `addresses`. With `reclaim` the lab has the lowest
    addresses, whoever has them now: hosts in the way are removed. With `engine`, a Docker engine of
    its own runs in each. Raises LabError.
    """
    folder = place.home() / checked_name(name)
    wish = Wish(name, hosts, tuple(ports), loopback.checked(addresses), reclaim, engine)
    with place.one_at_a_time(say):
        daemon.ensure_running(place.daemon_log(), say)
        tag = image.ensure(Recipe(), say)
        tag = nested.ensure(tag, say) if engine else tag
        machine.allow_many_hosts(say)
        existing = [files.judged(host) for host in containers.find()]
        ssh_port, published = loopback.choose_ports(ports)
        todo = plan(
            wish, existing, tag, lambda address: loopback.free(address, (ssh_port, *published))
        )
        _remove(todo.remove, existing, wish, say)
        lab = Lab(name, next((host.folder for host in todo.stay), folder), ())
        made = [_new_host(lab, *each, ssh_port, published, tag) for each in todo.create]
        new = [replace(host, engine=engine) for host in made]
        return _bring_up(lab, todo, new, tag, say)


def _new_host(
    lab: Lab, name: str, address: str, ssh_port: int, published: tuple[int, ...], tag: str
) -> LabHost:
    return LabHost(
        name=name,
        address=address,
        container=f"fraisier-lab-{name}",
        port=ssh_port,
        lab=lab.name,
        folder=lab.folder,
        ports=published,
        image=tag,
    )


def _bring_up(lab: Lab, todo: Plan, new: Sequence[LabHost], tag: str, say: Say) -> Lab:
    """Start what `todo` and `new` say, wait for all, and write the lab's files."""
    public_key = files.prepare(lab)
    cgroups = containers.cgroup_version()
    for host in todo.keep:
        if host.image != tag:
            say(f"{host.name} was made from an older image; take the lab down to renew it")
    if new or todo.revive:
        say(f"starting {', '.join(host.name for host in (*todo.revive, *new))}")
    _each(containers.revive, todo.revive)
    _each(lambda host: containers.create(host, cgroups, machine.own_files(public_key)), new)
    all_hosts = [*todo.keep, *(replace(host, state="running") for host in todo.revive), *new]
    for host, units in zip(all_hosts, _each(containers.wait_until_ready, all_hosts), strict=True):
        if units:
            say(f"{host.name} is up, but these units failed: {', '.join(units)}")
    keys = _each(containers.host_key, all_hosts)
    ready = replace(lab, hosts=tuple(sorted(all_hosts, key=_by_number)))
    example.publish(ready)
    files.write(ready, {host.name: key for host, key in zip(all_hosts, keys, strict=True)})
    return ready


def down(name: str = "default", *, say: Say = _quiet) -> bool:
    """Remove the hosts of lab `name` and then its folder; True when there was something."""
    checked_name(name)
    with place.one_at_a_time(say):
        daemon.ensure_running(place.daemon_log(), say)
        hosts = [host for host in containers.find() if host.lab == name]
        containers.remove(hosts)
        folders = {place.home() / name, *(host.folder for host in hosts)}
        discarded = [files.discard(Lab(name, folder, ())) for folder in folders]
    return bool(hosts) or any(discarded)


def names() -> list[str]:
    """Every lab with a host on this engine or a folder in this home."""
    daemon.ensure_running(place.daemon_log(), _quiet)
    return sorted({*place.known_labs(), *(lab.name for lab in status())})


def status() -> list[Lab]:
    """Every lab of this engine with its hosts; LabError when no engine answers."""
    daemon.require_answer()
    return list(_labs(containers.find()))


def _labs(hosts: Iterable[LabHost]) -> Iterator[Lab]:
    for (name, folder), members in groupby(
        sorted(hosts, key=lambda host: (host.lab, *_by_number(host))),
        key=lambda host: (host.lab, host.folder),
    ):
        yield Lab(name, folder, tuple(members))


def _remove(hosts: Sequence[LabHost], existing: Sequence[LabHost], wish: Wish, say: Say) -> None:
    """Remove `hosts`, and take them out of the files of labs that lose some."""
    for host in hosts:
        say(f"removing {host.name} ({host.state}) from {host.address}")
    containers.remove(hosts)
    for name, folder in {(host.lab, host.folder) for host in hosts if host.lab != wish.name}:
        left = [host for host in existing if host.lab == name and host not in hosts]
        files.forget(Lab(name, folder, tuple(left)))


def _by_number(host: LabHost) -> tuple[str, int]:
    name, _, number = host.name.rpartition("-")
    return name, int(number)


def _each(work: Callable[[LabHost], Result], hosts: Sequence[LabHost]) -> list[Result]:
    """`work` done on all hosts at once; one LabError names everything that went wrong."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(work, host) for host in hosts]
    failures = [error for future in futures if (error := future.exception())]
    unexpected = [error for error in failures if not isinstance(error, LabError)]
    if unexpected:
        raise unexpected[0]
    if failures:
        raise LabError(
            "\n".join(map(str, failures)),
            f"look at it with `docker exec`, then: fraisier lab down --name {hosts[0].lab}",
        )
    return [future.result() for future in futures]
