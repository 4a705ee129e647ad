"""From ansible-runner's events to facts and outcomes: an allow-list, never a copy of the event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fraisier.domain.catalogue import Host
from fraisier.domain.event import Fact
from fraisier.domain.host_answer import FIELDS, Unfit, require_fit, require_whole
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plain_json import plain
from fraisier.domain.plain_text import one_line
from fraisier.domain.plan import Work
from fraisier.runner.diagnosis import (
    BROKEN_MODULE,
    NO_MODULE,
    SENTENCE,
    UNREACHABLE,
    Diagnosis,
    broke_off,
    cut_off,
    diagnose,
    never_began,
    own_words,
    sentence,
)

#: The fields of a module's result that leave the runner; the log leaves as facts.
RESULT_FIELDS = tuple(name for name in FIELDS if name != "log")
COLLECTION = "fraisier."
SAID_LINES = 40
RAISE = (
    "see what hung: fraisier logs; where it only needs more time, raise that in strategy_config, "
    "within which build_timeout and all other limits count"
)


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
        """Return the facts in one event. A host chose a part of it: it becomes plain first."""
        event = _mapping(plain(event))
        data = _mapping(event.get("event_data"))
        match event.get("event"):
            case "playbook_on_play_start":
                return [Fact("runner.play_started", None, {"play": data.get("name")})]
            case "runner_on_start":
                self._started.add(str(data.get("host")))
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
        if name not in self._started and ended == "done" and not self._said:
            inventory = self._work.inventory.inventory if self._work.inventory else ""
            return {
                "code": ended,
                "message": f"Ansible ran nothing on {name}: its inventory has no host of that name",
                "hint": inventory and f"ansible-inventory -i {inventory} --graph",
            }
        if name not in self._started:
            return {"code": ended, **self._broken(ended)}
        why = self._broken(ended) if ended != "done" else {"message": "", "hint": ""}
        message = f"the run ended before the host had answered{why['message'] and ': '}"
        code = "no_answer" if ended == "done" else ended
        hint = why["hint"] or "fraisier status shows its state"
        return {"code": code, "message": message + why["message"], "hint": hint}

    def _broken(self, ended: str) -> dict[str, str]:
        limit = self._work.limit or f"{self._work.timeout:.0f} s"
        words = {"cancelled": "it was cancelled", "timeout": f"it did not end within {limit}"}
        said = one_line("\n".join(self._said))
        hint = RAISE if ended == "timeout" and self._work.limit else ""
        return {"message": words.get(ended) or said or "Ansible ended without a word", "hint": hint}

    def _ended(self, data: Mapping[str, Any], *, failed: bool) -> list[Fact]:
        result, host = _mapping(data.get("res")), str(data.get("host"))
        changed = "runner.task_changed" if result.get("changed") else "runner.task_ok"
        task = _task_fact("runner.task_failed" if failed else changed, data)
        self._changed |= {host} if result.get("changed") and not failed else set()
        if _is_ours(data) and (not failed or "code" in result):
            self._outcomes[host] = found = self._answer(host, data, result, failed)
            return [task, *(_module_facts(host, result) if found.result else [])]
        if failed:
            self._outcomes[host] = self._failure(host, data, result)
        return [task]

    def _answer(
        self, host: str, data: Mapping[str, Any], result: Mapping[str, Any], failed: bool
    ) -> HostOutcome:
        """Return what one of our modules told; nothing of it where a part cannot be used."""
        asked = _mapping(self._work.request.get("app")).get("action", "")
        try:
            require_fit(result)
            if not failed:
                require_whole(_action(data), str(asked), result)
        except Unfit as unfit:
            return HostOutcome.unfit(host, unfit)
        if not failed:
            return HostOutcome(host, "ok", _allowed(result))
        message, hint = one_line(str(result.get("msg", ""))), str(result.get("hint") or "")
        error = {"code": result["code"], "message": message, "hint": hint}
        return HostOutcome(host, "failed", _allowed(result), error)

    def _failure(
        self, host: str, data: Mapping[str, Any], result: Mapping[str, Any]
    ) -> HostOutcome:
        found, said = _diagnosed(result)
        message = one_line(f'task "{data.get("task")}": {said}', SENTENCE)
        error = {"code": found.code, "message": message, "hint": self._hint(found.hint, host)}
        nothing_ran = found.nothing_ran and host not in self._changed
        return HostOutcome(host, "failed" if nothing_ran else "unknown", {}, error)

    def _unreachable(self, data: Mapping[str, Any]) -> list[Fact]:
        host = str(data.get("host"))
        said = str(_mapping(data.get("res")).get("msg", ""))
        found = diagnose(UNREACHABLE, said)
        error = {
            "code": found.code,
            "message": broke_off(said) if found.code == "contact_lost" else sentence(said),
            "hint": self._hint(found.hint, host),
        }
        nothing_ran = found.nothing_ran and host not in self._changed
        state = "unreachable" if nothing_ran else "unknown"
        self._outcomes[host] = HostOutcome(host, state, {}, error)
        return [Fact("runner.host_unreachable", host, error)]

    def _hint(self, hint: str, name: str) -> str:
        host = self._hosts.get(name) or Host(name, name)
        user = host.username or "(yours)"
        address = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
        port = "" if host.port == 22 else f"-p {host.port} "
        login = f"{host.username}@{host.address}" if host.username else host.address
        ssh = f"ssh {port}{login}"
        words = {"{host}": name, "{user}": user, "{address}": address, "{ssh}": ssh}
        for word, value in words.items():
            hint = hint.replace(word, value)
        return hint


def _diagnosed(result: Mapping[str, Any]) -> tuple[Diagnosis, str]:
    """Return what a task's failure means that no module of ours explained, and its words."""
    message, words = str(result.get("msg", "")).strip(), own_words(result)
    if never_began(result):
        said = one_line(words, SENTENCE)
        answer = f'answered "{said}"' if said else "said nothing"
        return diagnose(NO_MODULE, f"{message}\n{words}"), (
            f"the host {answer} and ran no module (exit status {result['rc']})"
        )
    broken_off = cut_off(result)
    if broken_off is not None:
        found, said = broken_off
        return found, f"{said}: {words}" if words else said
    more = (str(result.get(key) or "") for key in ("exception", "stderr"))
    found = diagnose(BROKEN_MODULE, "\n".join((message, words, *more)))
    if words and found.nothing_ran:  # words that a module may have said before it was killed
        found = replace(found, nothing_ran="requires a minimum of Python" in message)
    return found, f"{message}: {words}" if words else message


def _action(data: Mapping[str, Any]) -> str:
    return str(data.get("resolved_action") or data.get("task_action"))


def _is_ours(data: Mapping[str, Any]) -> bool:
    return _action(data).startswith(COLLECTION)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _allowed(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in RESULT_FIELDS if name in result}


def _task_fact(type_: str, data: Mapping[str, Any]) -> Fact:
    fields = {"play": data.get("play"), "task": data.get("task")}
    if data.get("duration") is not None:
        fields["duration"] = data["duration"]
    diff = _diff(_mapping(data.get("res")))
    if diff:  # there is one only where the play asked for it
        fields["diff"] = diff
    return Fact(type_, data.get("host"), fields)


def _diff(result: Mapping[str, Any]) -> list[Any]:
    """Return Ansible's diff entries of a task, those of every turn of its loop."""
    turns = result.get("results") or [result]
    entries: list[Any] = []
    for turn in turns if isinstance(turns, list) else []:
        found = _mapping(turn).get("diff") or [] if _mapping(turn).get("changed") else []
        entries += found if isinstance(found, list) else [found]
    return [entry for entry in entries if isinstance(entry, Mapping)]


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
