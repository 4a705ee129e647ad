"""A scripted runner whose hosts have two colours, and proxies that drain them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fraisier.domain.event import Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from support.fakes import PROVIDER, ScriptedRunner, _release

MOVES = ("stage", "shift", "promote", "drain", "undrain")
ABLE = replace(
    PROVIDER,
    playbooks={**PROVIDER.playbooks, **{verb: verb for verb in MOVES}},
    strategies=("recreate", "rolling", "blue-green", "canary"),
    proxy=True,
)


class MovingRunner(ScriptedRunner):
    """`staged`: what is up beside what serves; `weights`: its share of the requests, by host.

    `shifts` maps (host, weight) to what comes of that shift: `analysis_failed`, `inconclusive` or
    `unknown` (its contact is lost). `failing` maps a verb to the hosts where it fails, and is
    asked each time. `away`: servers that the proxies send nothing to. `down`: those whose release
    does not answer. `healed`: what a probe says of who moves the requests.
    """

    def __init__(self, bad: dict[str, tuple[str, str]] | None = None) -> None:
        super().__init__(bad)
        self.staged: dict[str, str] = {}
        self.weights: dict[str, int] = {}
        self.shifts: dict[tuple[str, int], str] = {}
        self.failing: dict[str, set[str]] = {}
        self.away: set[str] = set()
        self.down: set[str] = set()
        self.healed = True
        self.marked_bad: set[tuple[str, str]] = set()

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Do the work; a shift is stopped in its middle once the engine has heard of a failure."""
        if work.verb != "shift":
            return super().run(work, on_facts, cancelled)
        self.works.append(work)
        self.before_step(work)
        hosts: dict[str, HostOutcome] = {}
        weight = work.request["traffic"]["weight"]
        for host in sorted(work.hosts, key=lambda h: (h.name, weight) not in self.shifts):
            if cancelled():
                error = {"code": "cancelled", "message": "the run ended before it had answered"}
                hosts[host.name] = HostOutcome(host.name, "unknown", {}, error)
                continue
            hosts[host.name] = found = self._host(work, host.name)
            kind = "runner.task_ok" if found.ok else "runner.task_failed"
            on_facts([Fact(kind, host.name, {"task": "Shift"})])
        stopped = "cancelled" if cancelled() else "done"
        return Outcome(stopped, {host.name: hosts[host.name] for host in work.hosts})

    def _host(self, work: Work, name: str) -> HostOutcome:
        if name in self.failing.get(work.verb, ()):
            error = {"code": f"{work.verb}_failed", "message": f"no {work.verb}", "hint": ""}
            return HostOutcome(name, "unreachable", {}, error)
        match work.verb:
            case "drain":
                self.away |= set(work.request["traffic"]["servers"])
                return HostOutcome(name, "ok", {"changed": True})
            case "undrain":
                traffic = work.request["traffic"]
                self.away -= set(traffic["servers"])
                down = [server for server in traffic["serving"] if not self._answers(server)]
                if down:
                    return self._failed(name, "proxy_check_failed")
                return HostOutcome(name, "ok", {"changed": True})
            case "stage":
                return self._stage(work, name)
            case "shift":
                return self._shift(work, name)
            case "promote":
                return self._promote(name)
            case "probe":
                self.weights[name] = 0
        found = super()._host(work, name)
        if work.verb == "restore" and found.ok:
            if work.request.get("mark_bad") and name in self.staged:
                self.marked_bad.add((name, self.staged[name]))
            self.staged.pop(name, None)
            self.weights.pop(name, None)
        if work.verb == "probe" and found.ok:
            live = {"live": "blue", "staged": "green" if name in self.staged else None}
            return replace(
                found,
                result={**found.result, "colours": live, "sealed": True, "healed": self.healed},
            )
        return found

    def _answers(self, server: str) -> bool:
        return bool(self.serving.get(server)) and server not in self.down

    def _stage(self, work: Work, name: str) -> HostOutcome:
        wanted, live = str(work.request["version"]), self.serving.get(name)
        if wanted == live:
            return self._ok(name, staged=None, **self._live(name))
        version, trouble = self.bad.get(name, ("", ""))
        trouble = trouble if version == wanted else ""
        if trouble == "unreachable":
            return HostOutcome(name, "unreachable", {}, {"code": "host_unreachable", "message": ""})
        if trouble == "build":
            return self._failed(name, "build_failed", staged=None, **self._live(name))
        self.staged[name] = wanted
        more = {"staged": self._beside(name), "changed": True, **self._live(name)}
        if trouble == "lost":
            return HostOutcome(name, "unknown", {}, {"code": "contact_lost", "message": "lost"})
        if trouble in ("gate", "stuck"):
            return self._failed(name, "health_check_failed", **more)
        if trouble == "tidy":  # it has stopped what it started, by itself
            del self.staged[name]
            return self._failed(name, "health_check_failed", **{**more, "staged": None})
        return self._ok(name, **more)

    def _shift(self, work: Work, name: str) -> HostOutcome:
        weight = work.request["traffic"]["weight"]
        self.weights[name] = weight
        comes = self.shifts.get((name, weight), "successful")
        told: dict[str, Any] = {"staged": self._beside(name), **self._live(name), "switched": True}
        if comes == "analysis_failed":
            self.weights[name] = 0
            return self._failed(name, comes, **told)
        if comes == "unknown":
            return HostOutcome(name, "unknown", {}, {"code": "contact_lost", "message": "lost"})
        saw = {"name": "errors", "type": "proxy", "verdict": comes, "last": "no requests came"}
        more = {"verdict": comes, "analysis": [saw]}
        return self._ok(name, **{**told, **more, "changed": True})

    def _promote(self, name: str) -> HostOutcome:
        before, self.serving[name] = self.serving.get(name), self.staged.pop(name)
        self.weights[name] = 100
        moved: dict[str, Any] = {"previous": _release(before), "staged": None, "switched": True}
        return self._ok(name, release=_release(self.serving[name]), changed=True, **moved)

    def _live(self, name: str) -> dict[str, Any]:
        live = _release(self.serving.get(name))
        return {"release": live, "previous": live}

    def _beside(self, name: str) -> dict[str, Any]:
        return {"id": self.staged[name], "version": self.staged[name], "colour": "green"}
