"""A host with two colours in memory: systemd and the proxy are stand-ins, the disk is real.

Every effect on it goes through `World.do`, which can die at any of them as `kill -9` does: nothing
that comes afterwards has an effect.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    activate,
    colour_deploy,
    colour_ground,
    colour_pair,
    colour_restore,
    colour_retire,
    colour_shift,
    colour_start,
    colours,
    files,
    ledger,
    prepare,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished, User
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.fence_rules import Claim
from ansible_collections.fraisier.deploy.plugins.module_utils.front import Front
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import Access
from ansible_collections.fraisier.deploy.plugins.module_utils.proxy_model import Figures
from ansible_collections.fraisier.deploy.plugins.module_utils.releases import PREPARED, Release
from ansible_collections.fraisier.deploy.plugins.module_utils.service import Service, from_options
from ansible_collections.fraisier.deploy.plugins.module_utils.site import Site
from ansible_collections.fraisier.deploy.plugins.module_utils.source import Source
from ansible_collections.fraisier.deploy.plugins.module_utils.systemd import Manager, UnitState

ACCOUNT = pwd.getpwuid(os.geteuid())
USER = User(ACCOUNT.pw_name, ACCOUNT.pw_uid, ACCOUNT.pw_gid, ACCOUNT.pw_dir)
UNIT = "my-api.service"


class Killed(BaseException):
    """The process is gone."""


@dataclass
class World:
    """What is true of the host, and where the process that works on it dies.

    `units` maps those that run to the release they were started from. `bad` are versions that do
    not pass their gate.
    """

    folder: Path
    units: dict[str, str] = field(default_factory=dict)
    enabled: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    drained: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)
    effects: list[str] = field(default_factory=list)
    dies_at: int | None = None
    dead: bool = False

    def do(self, what: str) -> None:
        """Have an effect, or die of it."""
        if self.dead or len(self.effects) == self.dies_at:
            self.dead = True
            raise Killed(what)
        self.effects.append(what)
        self.require_well()

    def require_well(self) -> None:
        """At no moment does anybody get requests who does not run."""
        for colour, weight in self.weights.items():
            unit = f"my-api@{colour}.service"
            assert not weight or unit in self.units, f"{colour} gets {weight} % and does not run"

    def lives_again(self) -> None:
        """Be looked at by a new process."""
        self.dead, self.dies_at, self.effects = False, None, []


class Systemd(Manager):
    """The units of a world."""

    world: World

    def show(self, unit: str) -> UnitState:
        """Return a unit's state."""
        runs = unit in self.world.units
        there = runs or unit in self.world.texts or os.path.exists(self.unit_path(unit))
        return UnitState(
            unit, "loaded" if there else "not-found", "active" if runs else "inactive",
            main_pid=1 if runs else 0,
            file_state="enabled" if unit in self.world.enabled else "disabled",
        )  # fmt: skip

    def systemctl(self, *arguments: str, timeout: float = 30) -> Finished:
        """Do what systemctl would."""
        verb, unit = arguments[0], arguments[-1]
        if verb == "disable":
            self.world.units.pop(unit, None)
        self.world.do(f"{verb} {unit}")
        if verb == "enable":
            self.world.enabled.add(unit)
        if verb == "disable":
            self.world.enabled.discard(unit)
        return Finished(0, "")

    def tell(self, verb: str, unit: str, timeout: float = 30) -> Finished:
        """Start a unit from where its link leads now, or stop it."""
        self.world.do(f"{verb} {unit}")
        if verb == "restart":
            colour = unit.partition("@")[2].partition(".")[0]
            link = self.world.folder / (colour or "current")
            self.world.units[unit] = os.path.basename(os.readlink(link))
        return Finished(0, "")

    def unit_path(self, unit: str) -> str:
        """Return a path in the world's folder."""
        return str(self.world.folder / "units" / unit)

    def journal(self, unit: str, since: float | None = None, lines: int = 20) -> str:
        """Return nothing."""
        return ""


@dataclass
class Proxy:
    """The proxy of a world."""

    world: World
    counts: dict[str, Figures] = field(default_factory=dict)

    def require(self) -> None:
        """Be there."""

    def define(self, backend: str, servers: Mapping[str, Any], options: Any) -> bool:
        """Know the servers."""
        new = [name for name in servers if name not in self.world.weights]
        for name in new:
            self.world.do(f"define {name}")
            self.world.weights[name] = 0
        return bool(new)

    def set_weights(self, backend: str, weights: Mapping[str, int]) -> bool:
        """Set weights; those that rise go first."""
        changed = dict(weights) != {name: self.world.weights.get(name) for name in weights}
        if changed:
            self.world.weights.update(weights)
            self.world.do(f"weights {dict(weights)}")
        return changed

    def drain(self, backend: str, servers: Sequence[str], timeout: float) -> bool:
        """Drain servers."""
        self.world.do(f"drain {servers}")
        self.world.drained.update(servers)
        return True

    def ready(self, backend: str, servers: Sequence[str]) -> bool:
        """Take servers back."""
        if self.world.drained & {*servers}:
            self.world.do(f"ready {servers}")
            self.world.drained -= {*servers}
        return False

    def figures(self, backend: str) -> dict[str, Figures]:
        """Return whether each colour is up."""
        return {
            name: self.counts.get(name, Figures(up=f"my-api@{name}.service" in self.world.units))
            for name in self.world.weights
        }

    def remove(self, backend: str) -> bool:
        """Know nothing any more."""
        self.world.do("remove")
        self.world.weights.clear()
        return True


class OpenFence:
    """A fence that lets everybody in."""

    number, holder = 1, None

    def check(self) -> None:
        """Agree."""

    def examine(self, claim: Claim) -> None:
        """Agree."""

    def scope(self, number: int) -> str | None:
        """Return no scope."""


def service(folder: Path) -> Service:
    """Return a service that lives in a folder."""
    options = {
        "fraise": "my_api", "environment": "production", "repository": "/r", "branch": None,
        "app_path": str(folder), "layout": "releases", "service_name": "my-api",
        "systemd_service": None, "systemd_scope": "system", "service_user": USER.name,
        "build": [], "build_timeout": 10.0, "exec": ["bin/serve"], "env_vars": {"PORT": "8000"},
        "shared": [], "health_check": {"type": "http", "url": "http://localhost:8000/health"},
        "keep_releases": 5, "min_healthy_time": None, "healthy_deadline": 1.0,
        "around": {}, "type": "api",
    }  # fmt: skip
    return from_options(options, {})


class Host:
    """A host on which verbs are done, each by a process of its own."""

    def __init__(self, world: World, front: Front) -> None:
        self.world, self.front, self.proxy = world, front, Proxy(world)
        self._number = 0

    def site(self) -> Site:
        """Return what a new process works on."""
        site = Site(service(self.world.folder), Claim("i", "d"), Source(Access("/r")), self.front)
        manager = Systemd()
        object.__setattr__(manager, "world", self.world)
        site.systemd = manager
        site.fence = OpenFence()  # type: ignore[assignment]
        site.enter = lambda user: site.make_folders(user)  # type: ignore[method-assign]
        return site

    def run(self, verb: Callable[..., Any], *arguments: Any) -> Site:
        """Do a verb; raises what it raises."""
        site = self.site()
        verb(site, *arguments)
        return site

    def record(self) -> colours.Colours:
        """Return the record of the colours."""
        found = colours.read(str(self.world.folder / ".fraisier"))
        assert found is not None
        return found

    def served(self) -> dict[str, int]:
        """Return the versions that get requests, by their part in percent."""
        found = self.site().ledger
        told: dict[str, int] = {}
        for colour, weight in self.world.weights.items():
            if weight:
                release = found.get(self.world.units[f"my-api@{colour}.service"])
                assert release is not None
                told[release.version] = weight
        return told

    def current(self) -> str | None:
        """Return the version that `current` names."""
        book = self.site().ledger
        release = book.get(book.current() or "")
        return release.version if release else None

    def make(self, site: Site, version: str, _deployment: str, _user: User) -> Release:
        """Make a release without fetching anything."""
        self._number += 1
        release = f"20260101-0000{self._number:02d}-{version[:7]}"
        site.ledger.open(release)
        activate_files = prepare.wanted_files(site, version, release)
        files.write_atomic(site.layout.environment_of(release), activate_files[0])
        files.write_atomic(site.layout.unit_of(release), activate_files[1] or "")
        made = Release(
            release, version, "d", PREPARED, float(self._number), spec=site.service.spec()
        )
        return site.ledger.write(made)


@pytest.fixture(name="host")
def coloured_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Return a host without any release."""
    (tmp_path / "units").mkdir()
    world = World(tmp_path)
    made = Host(world, Front(kind="haproxy", local=True, app_port=9000))
    _replace_parts(made, monkeypatch)
    return made


def _replace_parts(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    world = host.world

    def gate(site: Site, release: Release, user: User, fresh: bool, seat: Any = None) -> None:
        unit = seat.unit if seat else UNIT
        if release.version in world.bad or world.units.get(unit) != release.id:
            raise Failure("health_check_failed", f"{release.version} is not healthy")

    def written(path: str, text: str, mode: int = 0o600) -> None:
        world.do(f"write {os.path.basename(path)}")
        files.write_atomic(path, text, mode)

    def linked(path: str, target: str) -> None:
        world.do(f"link {os.path.basename(path)}")
        files.replace_link(path, target)

    def recorded(path: str, data: dict[str, Any], mode: int = 0o600) -> None:
        world.do(f"record {os.path.basename(path)}")
        files.write_json(path, data, mode)

    def running(_layout: Any, state: UnitState) -> str | None:
        return world.units.get(state.name)

    for module in (colour_deploy, colour_restore, colour_shift, colour_start):
        if hasattr(module, "pass_gate"):
            monkeypatch.setattr(module, "pass_gate", gate)
        for name in ("check_host", "check_ground"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, lambda _site: USER)
    monkeypatch.setattr(colour_deploy, "prepare", host.make)
    monkeypatch.setattr(colour_ground, "traffic", lambda: host.proxy)
    monkeypatch.setattr(colour_retire, "traffic", lambda: host.proxy)
    monkeypatch.setattr(colour_retire.ports.Ports, "free", lambda _self, _owner: True)
    monkeypatch.setattr(colour_ground.ports, "allocate", lambda _owner, wanted: wanted)
    monkeypatch.setattr(colour_pair, "running_release", running)
    monkeypatch.setattr(colour_pair, "SEEN_SECONDS", 0.2)
    monkeypatch.setattr(activate, "running_release", running)
    monkeypatch.setattr(colour_start, "write_atomic", written)
    monkeypatch.setattr(colour_start, "replace_link", linked)
    monkeypatch.setattr(colours, "write_json", recorded)
    monkeypatch.setattr(ledger, "write_json", recorded)
    monkeypatch.setattr(ledger, "replace_link", linked)


__all__ = ["Host", "Killed", "Proxy", "World", "coloured_host"]
