# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The two colours that a service takes turns in on one host, and the record of which does what.

Order keeps it true: a colour is recorded as staged before it starts, and as live after the proxy
has given it the traffic. Whoever comes after a cut finds in the record where traffic belongs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Mapping

from .files import read_json, remove_file, write_json

BLUE, GREEN = COLOURS = ("blue", "green")
#: Finds a port: `allocate(owner, wanted)`, with `wanted` None for any that is free.
Allocate = Callable[[str, "int | None"], int]


@dataclass(frozen=True)
class Colours:
    """The record. `backend`: what the proxy calls the service.

    `live`: the colour that serves, None before the first was promoted. `staged`: the colour that
    runs a release nobody has promoted yet. `releases`: what was started as each colour, None for
    one that was stopped.
    """

    backend: str
    ports: Mapping[str, int]
    live: str | None = None
    staged: str | None = None
    releases: Mapping[str, str | None] = field(default_factory=lambda: dict.fromkeys(COLOURS))

    @property
    def idle(self) -> str:
        """The colour for the next release."""
        return other(self.live) if self.live else BLUE

    def release_of(self, colour: str | None) -> str | None:
        """Return the id of a colour's release."""
        return self.releases.get(colour) if colour else None

    def colour_of(self, release: str | None) -> str | None:
        """Return the colour that a release was started as; the live one where both were."""
        found = [colour for colour in COLOURS if release and self.releases.get(colour) == release]
        return self.live if self.live in found else next(iter(found), None)

    def with_release(self, colour: str, release: str | None) -> Colours:
        """Return the record with another release, or none, as a colour."""
        return replace(self, releases={**self.releases, colour: release})

    def with_staged(self, colour: str, release: str) -> Colours:
        """Return the record of a release that is about to start as a colour."""
        return replace(self.with_release(colour, release), staged=colour)

    def without_staged(self) -> Colours:
        """Return the record of a staged colour that was taken back."""
        if self.staged is None:
            return self
        return replace(self.with_release(self.staged, None), staged=None)

    def with_live(self, colour: str) -> Colours:
        """Return the record of a colour that has got the traffic."""
        return replace(self, live=colour, staged=None if self.staged == colour else self.staged)

    def as_dict(self) -> dict[str, Any]:
        """Return it in the shape the modules return."""
        return {
            "backend": self.backend,
            "live": self.live,
            "staged": self.staged,
            "ports": dict(self.ports),
            "releases": dict(self.releases),
        }


def other(colour: str) -> str:
    """Return the other of the two."""
    return GREEN if colour == BLUE else BLUE


def read(state: str) -> Colours | None:
    """Return the record in a state folder; None where the service never had colours."""
    data = read_json(_path(state))
    if data is None:
        return None
    return Colours(**{name: data[name] for name in Colours.__dataclass_fields__})


def write(state: str, colours: Colours) -> Colours:
    """Write the record in one rename; hold the fence."""
    if read(state) != colours:
        write_json(_path(state), colours.as_dict())
    return colours


def forget(state: str) -> bool:
    """Remove the record; say whether there was one."""
    return remove_file(_path(state))


def running(state: str) -> set[str]:
    """Return the ids of the releases that run as a colour: their files are in use."""
    record = read(state)
    return {release for release in record.releases.values() if release} if record else set()


def wanted_ports(
    backend: str, known: Colours | None, app_port: int | None, allocate: Allocate
) -> dict[str, int]:
    """Return the ports of both colours, those of a new service or of one that has them.

    `app_port` is blue's and the next is green's; without it they are found once and kept. A live
    colour keeps its port until it is the idle one: it listens there.
    """
    ports = dict(known.ports) if known else {}
    for number, colour in enumerate(COLOURS):
        wanted = None if app_port is None else app_port + number
        if colour in ports and (
            wanted in (None, ports[colour]) or (known and known.live == colour)
        ):
            continue
        if wanted is not None and wanted in ports.values():
            continue  # the live one is there yet: at the next change it will not be
        ports[colour] = allocate(f"{backend}:{colour}", wanted)
    return ports


def _path(state: str) -> str:
    return os.path.join(state, "colours.json")
