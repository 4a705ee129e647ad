"""What one attempt knows of each host: what it ran before, what it runs now, its fence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fraisier.domain.deployment import HostRecord, Placement
from fraisier.domain.ids import now
from fraisier.domain.outcome import HostOutcome

#: The steps that change what a host runs, or what its requests meet.
CHANGING = ("deploy", "stage", "shift", "promote", "restore")
#: The modules' steps that change nothing about what runs, and those that start it anew.
PREPARING = (
    "sweep", "adopt", "fetch", "unpack", "build", "pull", "record", "backup", "prune",
)  # fmt: skip
RESTARTING = ("restart", "up")
#: The codes of modules that could not reach Coolify or the Docker engine.
OUT_OF_SIGHT = (
    "coolify_unreachable", "coolify_silent", "coolify_error", "coolify_unexpected",
    "coolify_limited", "docker_unavailable",
)  # fmt: skip


@dataclass(frozen=True)
class HostState:
    """One host in one attempt. `previous_known` is False until the host or the records told.

    `changed`: something was done there; `done`: by which of the module's steps; `moved`: it was
    switched to another release; `lost`: contact was lost in a step, and the host has not told since
    what it runs; `unsure`: that step may have changed it; `staged`: the new release is up beside
    the one that serves; `doubtful`: it went back, and is not healthy by a check that decides
    nothing.
    """

    name: str
    fence: int | None = None
    expected: int | None = None
    previous: str | None = None
    previous_known: bool = False
    release: str | None = None
    version: str | None = None
    good: bool = False
    changed: bool = False
    done: tuple[str, ...] = ()
    moved: bool = False
    lost: bool = False
    unsure: bool = False
    staged: bool = False
    recorded: bool = False
    doubtful: bool = False
    state: str = "pending"
    error: Mapping[str, str] | None = None

    def after(self, verb: str, outcome: HostOutcome, deployment_id: str) -> HostState:
        """Return the state after a step, from what the host reported."""
        result = outcome.result
        known = self._with_previous(verb, result)
        if verb == "probe" and outcome.ok and self.unsure:
            known = self._seen(result, deployment_id)
        release = result.get("release") or {}
        told = "release" in result
        moved = known.moved or (verb in CHANGING and bool(result.get("switched")))
        lost = outcome.state == "unknown" or (
            _out_of_sight(outcome) and (moved or verb == "restore")
        )
        answered = (told or outcome.ok) and not lost
        return replace(
            known,
            fence=_fence(verb, result, self.fence),
            release=release.get("id") if told else self.release,
            version=release.get("version") if told else self.version,
            good=release.get("status") == "good" if told else self.good,
            moved=moved,
            changed=self.changed or (verb in CHANGING and bool(result.get("changed"))),
            done=(*self.done, *(_done(result) if verb in CHANGING else ())),
            lost=lost or (self.lost and not answered),
            unsure=(lost and verb not in ("preflight", "probe")) or (self.unsure and not answered),
            recorded=self.recorded or lost,
            doubtful=verb == "restore" and outcome.ok and _unhealthy(result),
            staged=self._is_staged(verb, outcome),
            state=_state(verb, outcome, self),
            error=self._error(verb, outcome),
        )

    def _error(self, verb: str, outcome: HostOutcome) -> Mapping[str, str] | None:
        """Return what went wrong on the host: not that it could not be reached at once."""
        if outcome.ok:
            return self.error if self.touched else None
        if verb in ("restore", "probe") and outcome.state != "failed":
            return self.error or outcome.error
        return outcome.error or self.error

    def _is_staged(self, verb: str, outcome: HostOutcome) -> bool:
        """Return whether there is something beside what serves, to be taken back if need be."""
        result = outcome.result
        if verb == "restore" and outcome.ok:
            return False
        if verb in CHANGING and "staged" in result:
            begun = verb == "stage" and not outcome.ok and bool(result.get("changed"))
            return begun or result["staged"] is not None
        if verb == "probe" and self.unsure and result.get("colours"):
            return result["colours"].get("staged") is not None
        return self.staged

    @property
    def touched(self) -> bool:
        """True where there is something to go back from, or may be: a database as well."""
        migrated = (self.error or {}).get("code") == "migration_down_failed"
        return self.moved or self.unsure or self.staged or migrated

    def _seen(self, result: Mapping[str, Any], deployment_id: str) -> HostState:
        """Judge a host that fell silent by what it serves now."""
        release = result.get("release") or {}
        if self.previous_known or self.release is not None:
            before = self.previous if self.previous_known else self.release
            moved = self.moved or release.get("id") != before
            return replace(self, previous=before, previous_known=True, moved=moved)
        if release.get("deployment") == deployment_id:
            good = [r for r in result.get("releases") or () if r.get("status") == "good"]
            nothing_before = not [r for r in good if r.get("id") != release.get("id")]
            return replace(self, moved=True, previous_known=nothing_before)
        return replace(self, previous=release.get("id"), previous_known=True)

    def _with_previous(self, verb: str, result: Mapping[str, Any]) -> HostState:
        key = "release" if verb == "preflight" else "previous" if verb in CHANGING else ""
        if self.previous_known or key not in result:
            return self
        return replace(self, previous=(result[key] or {}).get("id"), previous_known=True)

    @property
    def fences(self) -> dict[str, int | None]:
        """Return the fence as a step presents it."""
        return {"expected": self.expected, "number": self.fence}

    def record(self) -> HostRecord:
        """Return the host's row in the deployment."""
        error = dict(self.error) if self.error else None
        return HostRecord(self.name, self.state, self.release, self.previous, error)

    def placement(self) -> Placement | None:
        """Return what the host runs, if it has told or was lost."""
        if self.fence is None and not self.recorded:
            return None
        fence = (self.expected or 0) if self.fence is None else self.fence
        known = not self.lost
        return Placement(self.name, fence, self.release, self.version, self.good, now(), known)


def stopped(host: HostOutcome, installation: str) -> bool:
    """Return whether a probe that was to stop what this installation runs there has done so."""
    ours = holder_of(host).get("installation") == installation
    return host.ok and (not ours or bool(host.result.get("sealed", True)))


def settled(host: HostOutcome, installation: str) -> bool:
    """Return whether a probe has stopped what runs there, and the traffic is as it should be.

    The traffic is not where whoever moves it could not be told to give all requests back.
    """
    return stopped(host, installation) and bool(host.result.get("healed", True))


def _done(result: Mapping[str, Any]) -> list[str]:
    """Return the steps that changed more than what lies beside the running release."""
    steps = [step["name"] for step in result.get("steps") or () if step.get("changed")]
    return [name for name in steps if name not in PREPARING]


def _unhealthy(result: Mapping[str, Any]) -> bool:
    return (result.get("gate") or {}).get("passed") is False


def _out_of_sight(outcome: HostOutcome) -> bool:
    """Return whether the module ran, but what runs the service did not answer it."""
    return (outcome.error or {}).get("code") in OUT_OF_SIGHT


def holder_of(host: HostOutcome) -> Mapping[str, Any]:
    """Return who holds a host's fence, as a probe told it; empty where it told nobody."""
    told = host.result.get("fence")
    return told if isinstance(told, Mapping) else {}


def _fence(verb: str, result: Mapping[str, Any], before: int | None) -> int | None:
    """Return the number held after a step; a probe that sealed the host has taken one too."""
    told = result.get("fence")
    if verb == "probe":
        told = told["number"] if result.get("sealed") and isinstance(told, Mapping) else None
    return int(told) if isinstance(told, int | str) else before


def first_state(name: str, placement: Placement | None) -> HostState:
    """Return a host's state before the attempt, from what the records remember."""
    if placement is None:
        return HostState(name, expected=0)
    return HostState(
        name,
        expected=placement.fence,
        release=placement.release,
        version=placement.version,
        good=placement.good,
    )


def _state(verb: str, outcome: HostOutcome, before: HostState) -> str:
    if verb == "preflight":
        return "pending" if outcome.ok else outcome.state
    if verb == "probe":
        return before.state if outcome.ok else outcome.state
    if verb == "restore":
        return "restored" if outcome.ok else "restore_failed"
    if not outcome.ok:
        return outcome.state
    return "changed" if before.changed or outcome.result.get("changed") else "unchanged"
