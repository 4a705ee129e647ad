"""Small stand-ins for unit tests: a scripted runner, repositories that know every version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fraisier.domain.catalogue import Catalogue, Fraise, Host, InventoryGroup, Provider, Target
from fraisier.domain.deployment import Deployment
from fraisier.domain.errors import VersionNotFound
from fraisier.domain.event import Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.domain.strategy import StrategyConfig
from fraisier.domain.worker import NewWorker
from fraisier.engine.membership import Membership
from fraisier.store import SqlStore

PROVIDER = Provider(
    "bare_metal", "",
    {verb: verb for verb in ("preflight", "deploy", "restore", "probe", "verify")},
    "role", ("recreate", "rolling"), "rolling", {},
)  # fmt: skip


def make_target(*hosts: str, **more: Any) -> Target:
    """Return a target with hosts of these names."""
    values: dict[str, Any] = {
        "fraise": "api",
        "environment": "production",
        "type": "api",
        "provider": "bare_metal",
        "repository": "/git/api.git",
        "branch": "main",
        "strategy": "rolling",
        "strategy_config": StrategyConfig(),
        "hosts": tuple(Host(name, name) for name in hosts or ("web-1",)),
        "service": {"health_check": {"type": "systemd"}},
    }
    return Target(**{**values, **more})


def make_catalogue(target: Target, provider: Provider = PROVIDER) -> Catalogue:
    """Return a catalogue with this target only."""
    fraise = Fraise(target.fraise, target.type, "", {target.environment: target})
    return Catalogue("fraises.yaml", {target.fraise: fraise}, {"bare_metal": provider})


def joined(store: SqlStore, kind: str = "command") -> Membership:
    """Return a place among the workers, without the thread that renews it."""
    member = Membership(store, NewWorker("test", kind, {}, 1))
    member.join()
    return member


def begin(store: SqlStore, deployment_id: str) -> Deployment:
    """Claim a deployment for a worker of its own."""
    claimed = store.claim(deployment_id, joined(store, "serve").id)
    assert claimed is not None
    return claimed


class Repositories:
    """Every version is its own commit, but `nope`, which does not exist."""

    def resolve(self, target: Target, version: str | None) -> str:
        """Return the version as it is written."""
        if version == "nope":
            raise VersionNotFound("no such version")
        return version or target.branch


class Inventories:
    """Every group has the two hosts `<group>-1` and `<group>-2`."""

    def hosts(self, named: InventoryGroup) -> tuple[Host, ...]:
        """Return the hosts of a group."""
        return tuple(Host(f"{named.group}-{n}", f"10.0.0.{n}") for n in (1, 2))


class ScriptedRunner:
    """Hosts that run versions as told: `bad` maps a host to what goes wrong with which version.

    What goes wrong: `gate` (switched, then unhealthy), `build` (never switched), `unreachable`,
    `lost` (contact lost after the switch), `stuck` (unhealthy also on the way back), `restart` (its
    service is restarted, not switched, and not well), `files` (its files are changed, no more).
    `silent`: hosts that no probe reaches; `unwell`: hosts whose service is not well when it is
    looked at. `absent` says whether a host cannot be reached at all now.
    """

    def __init__(self, bad: dict[str, tuple[str, str]] | None = None) -> None:
        self.bad = bad or {}
        self.silent: set[str] = set()
        self.unwell: set[str] = set()
        self.serving: dict[str, str | None] = {}
        self.works: list[Work] = []
        self.before_step: Callable[[Work], None] = lambda _work: None
        self.absent: Callable[[str], bool] = lambda _name: False

    def prepare(self, inventory: object = None, here: bool = False) -> None:
        """Need nothing."""

    def close(self) -> None:
        """Leave nothing."""

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Do the work on every host at once."""
        self.works.append(work)
        self.before_step(work)
        if cancelled():
            hosts = {host.name: HostOutcome(host.name, "unknown", {}, None) for host in work.hosts}
            return Outcome("cancelled", hosts, {"code": "cancelled", "message": "cancelled"})
        on_facts([Fact("runner.play_started", None, {"play": work.verb})])
        return Outcome("done", {host.name: self._reached(work, host.name) for host in work.hosts})

    def _reached(self, work: Work, name: str) -> HostOutcome:
        if self.absent(name):
            error = {"code": "host_unreachable", "message": "no answer", "hint": ""}
            return HostOutcome(name, "unreachable", {}, error)
        return self._host(work, name)

    def _host(self, work: Work, name: str) -> HostOutcome:
        match work.verb:
            case "probe" if name in self.silent:
                error = {"code": "host_unreachable", "message": "no answer", "hint": ""}
                return HostOutcome(name, "unreachable", {}, error)
            case "probe":
                held = {"number": 1}  # who holds the fence, as the module says it
                current = self.serving.get(name)
                return self._ok(name, release=_release(current), running=current, fence=held)
            case "verify":
                return self._verify(name)
            case "preflight":
                return self._ok(name, release=_release(self.serving.get(name)))
            case "restore":
                return self._restore(work, name)
        return self._deploy(work, name)

    def _verify(self, name: str) -> HostOutcome:
        if name in self.silent:
            error = {"code": "host_unreachable", "message": "no answer", "hint": ""}
            return HostOutcome(name, "unreachable", {}, error)
        if name in self.unwell:
            return self._failed(name, "health_check_failed")
        return self._ok(name, gate={"type": "http", "passed": True})

    def _restore(self, work: Work, name: str) -> HostOutcome:
        if self.bad.get(name, ("", ""))[1] == "stuck":
            return self._failed(name, "health_check_failed", switched=True)
        wanted = work.request.get("restore", {}).get(name, work.request.get("restore_version"))
        before = self.serving.get(name)
        self.serving[name] = wanted
        moved = {"previous": _release(before), "changed": True, "switched": True}
        return self._ok(name, release=_release(wanted), **moved)

    def _deploy(self, work: Work, name: str) -> HostOutcome:
        wanted, before = str(work.request["version"]), self.serving.get(name)
        version, trouble = self.bad.get(name, ("", ""))
        trouble = trouble if version in (wanted, "*") else ""
        if trouble == "unreachable":
            return HostOutcome(name, "unreachable", {}, {"code": "host_unreachable", "message": ""})
        if trouble == "build":
            return self._failed(name, "build_failed", release=_release(before), switched=False)
        if trouble == "restart":
            steps = [{"name": "restart", "seconds": 0.1, "changed": True}]
            told = {"changed": True, "switched": False, "steps": steps}
            return self._failed(name, "health_check_failed", **told)
        if trouble == "files":
            steps = [{"name": "files", "seconds": 0.1, "changed": True}]
            told = {"changed": True, "switched": False, "steps": steps}
            return self._failed(name, "pull_failed", **told)
        if wanted == before:
            return self._ok(name, release=_release(before), previous=_release(before))
        self.serving[name] = wanted
        moved: dict[str, Any] = {"release": _release(wanted), "previous": _release(before)}
        moved |= {"changed": True, "switched": True}
        if trouble == "lost":
            return HostOutcome(name, "unknown", {}, {"code": "contact_lost", "message": "lost"})
        if trouble in ("gate", "stuck"):
            return self._failed(name, "health_check_failed", **moved)
        return self._ok(name, **moved)

    def _ok(self, name: str, **result: Any) -> HostOutcome:
        return HostOutcome(name, "ok", {"fence": 1, "switched": False, **result})

    def _failed(self, name: str, code: str, **result: Any) -> HostOutcome:
        error = {"code": code, "message": code.replace("_", " "), "hint": "look"}
        return HostOutcome(name, "failed", {"fence": 1, **result}, error)


def _release(version: str | None) -> dict[str, Any] | None:
    if version is None:
        return None
    return {"id": version, "version": version, "status": "good", "good": True}
