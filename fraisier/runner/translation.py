"""From ansible-runner's events to facts and outcomes: an allow-list, never a copy of the event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraisier.domain.catalogue import Host
from fraisier.domain.event import Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.runner.diagnosis import BROKEN_MODULE, UNREACHABLE, diagnose, sentence

#: The fields of a module's result that leave the runner.
RESULT_FIELDS = (
    "changed", "fence", "switched", "release", "previous", "reused", "gate", "steps", "app_path",
    "running", "unit", "releases", "stopped", "version", "code", "hint", "step", "diff",
    "unpredictable", "app", "around", "backup", "checkout", "containers", "sealed", "healed",
    "under_way",
    "staged", "colours", "verdict", "analysis", "proxy",
)  # fmt: skip
COLLECTION = "fraisier."
SAID_LINES = 40


class Translation:
    """Takes one run's events in order; gives facts as they come and the outcome at the end."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._hosts = {host.name: host for host in work.hosts}
        self._outcomes: dict[str, HostOutcome] = {}
        self._started: set[str] = set()
        self._changed: set[str] = set()
        self._said: list[str] = []

    def facts(self, event: Mapping[str, Any]) -> list[Fact]:
        """Return the facts in one event."""
        data = event.get("event_data") or {}
        match event.get("event"):
            case "playbook_on_play_start":
                return [Fact("runner.play_started", None, {"play": data.get("name")})]
            case "runner_on_start":
                self._started.add(data["host"])
                return [_task_fact("runner.task_started", data)]
            case "runner_on_ok":
                return self._ended(data, failed=False)
            case "runner_on_failed" if not data.get("ignore_errors"):
                return self._ended(data, failed=True)
            case "runner_on_unreachable":
                return self._unreachable(data)
            case "runner_on_skipped":
                return [_task_fact("runner.task_skipped", data)]
            case "verbose" | "error" | "warning":
                self._said = [*self._said, *str(event.get("stdout", "")).splitlines()][-SAID_LINES:]
        return []

    def outcome(self, ended: str, why: str = "") -> Outcome:
        """Return what the step came to; `ended` is done, cancelled, timeout or broken (`why`)."""
        self._said += [why] if why else []
        for name in self._hosts:
            if name not in self._outcomes:
                state = "unknown" if name in self._started else "failed"
                self._outcomes[name] = HostOutcome(name, state, {}, self._why_missing(ended, name))
        error = None if ended == "done" else {"code": ended, **self._broken(ended)}
        return Outcome(ended, {name: self._outcomes[name] for name in self._hosts}, error)

    def _why_missing(self, ended: str, name: str) -> dict[str, str]:
        if name not in self._started:
            return {"code": ended, **self._broken(ended)}
        why = self._broken(ended)["message"].splitlines()[-1] if ended != "done" else ""
        message = f"the run ended before the host had answered{why and f': {why}'}"
        return {"code": ended, "message": message, "hint": "fraisier status shows its state"}

    def _broken(self, ended: str) -> dict[str, str]:
        words = {"cancelled": "it was cancelled", "timeout": "its time was over"}
        said = "\n".join(line for line in self._said if line.strip())
        return {"message": words.get(ended) or said or "Ansible ended without a word", "hint": ""}

    def _ended(self, data: Mapping[str, Any], *, failed: bool) -> list[Fact]:
        result = data.get("res") or {}
        host = data["host"]
        if failed:
            fact = "runner.task_failed"
            self._outcomes[host] = self._failure(host, data, result)
        else:
            fact = "runner.task_changed" if result.get("changed") else "runner.task_ok"
            self._changed |= {host} if result.get("changed") else set()
            if _is_ours(data):
                self._outcomes[host] = HostOutcome(host, "ok", _allowed(result))
        more = _module_facts(host, result) if _is_ours(data) else []
        return [_task_fact(fact, data), *more]

    def _failure(
        self, host: str, data: Mapping[str, Any], result: Mapping[str, Any]
    ) -> HostOutcome:
        if _is_ours(data) and "code" in result:
            error = {
                "code": str(result["code"]),
                "message": str(result.get("msg", "")),
                "hint": str(result.get("hint", "")),
            }
            return HostOutcome(host, "failed", _allowed(result), error)
        said = "\n".join(
            str(result.get(key) or "") for key in ("msg", "module_stderr", "exception", "stderr")
        )
        found = diagnose(BROKEN_MODULE, said)
        message = f'task "{data.get("task")}": {str(result.get("msg", "")).strip()}'
        error = {"code": found.code, "message": message, "hint": self._hint(found.hint, host)}
        return HostOutcome(host, "failed" if found.nothing_ran else "unknown", {}, error)

    def _unreachable(self, data: Mapping[str, Any]) -> list[Fact]:
        host = data["host"]
        said = str((data.get("res") or {}).get("msg", ""))
        found = diagnose(UNREACHABLE, said)
        error = {
            "code": found.code,
            "message": sentence(said),
            "hint": self._hint(found.hint, host),
        }
        nothing_ran = found.nothing_ran and host not in self._changed
        state = "unreachable" if nothing_ran else "unknown"
        self._outcomes[host] = HostOutcome(host, state, {}, error)
        return [Fact("runner.host_unreachable", host, error)]

    def _hint(self, hint: str, name: str) -> str:
        host: Host = self._hosts[name]
        user = host.username or "(yours)"
        address = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
        for word, value in (("{host}", name), ("{user}", user), ("{address}", address)):
            hint = hint.replace(word, value)
        return hint


def _is_ours(data: Mapping[str, Any]) -> bool:
    return str(data.get("resolved_action") or data.get("task_action")).startswith(COLLECTION)


def _allowed(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in RESULT_FIELDS if name in result}


def _task_fact(type_: str, data: Mapping[str, Any]) -> Fact:
    fields = {"play": data.get("play"), "task": data.get("task")}
    if data.get("duration") is not None:
        fields["duration"] = data["duration"]
    diff = _diff(data.get("res") or {})
    if diff:  # there is one only where the play asked for it
        fields["diff"] = diff
    return Fact(type_, data.get("host"), fields)


def _diff(result: Mapping[str, Any]) -> list[Any]:
    """Return Ansible's diff entries of a task, those of every turn of its loop."""
    turns = [turn for turn in result.get("results") or [result] if turn.get("changed")]
    found = [turn.get("diff") or [] for turn in turns]
    return [entry for diff in found for entry in (diff if isinstance(diff, list) else [diff])]


def _module_facts(host: str, result: Mapping[str, Any]) -> list[Fact]:
    facts = [
        Fact("log.line", host, {"step": entry.get("step"), "text": entry.get("text")})
        for entry in result.get("log") or []
    ]
    if result.get("switched"):
        moved = {"release": result.get("release"), "previous": result.get("previous")}
        facts.append(Fact("deployment.release_switched", host, moved))
    gate = result.get("gate")
    if gate:
        verdict = "passed" if gate.get("passed") else "failed"
        began = {"type": gate.get("type"), "seconds": gate.get("seconds")}
        facts += [  # a host answers once, so that a gate has begun is told with its end
            Fact("health_check.started", host, began),
            Fact(f"health_check.{verdict}", host, gate),
        ]
    return facts
