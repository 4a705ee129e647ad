"""A deployment as it happens: one line for each thing that matters, in terminals and log files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fraisier.cli.context import Context
from fraisier.cli.harmless import harmless
from fraisier.cli.present import duration, short
from fraisier.cli.steps import begun
from fraisier.domain.deployment import AS_CONFIGURED
from fraisier.domain.errors import FraisierError

MARKS = {True: ("✓", "green"), False: ("✗", "red")}
COLORS = {"success": "green", "in_progress": "yellow", "pending": "yellow"}


class Waiting:
    """Says on stderr why nothing comes, each thing once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._said = ""

    def waiting(self, reason: str) -> None:
        """Say why the deployment has not begun."""
        self._say_once(f"  waiting: {reason}")

    def outage(self, error: FraisierError) -> None:
        """Say why there is no answer, and that it is asked for again."""
        self._say_once(f"  {error.message}; asking again")

    def _say_once(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._context.say(text)


class Live(Waiting):
    """Prints a deployment's events on stderr, as they come. `verbose` as the root option."""

    def __init__(self, context: Context, deployment: Mapping[str, Any], verbose: int) -> None:
        super().__init__(context)
        self._deployment = deployment
        self._verbose = verbose
        self._width = max((len(host) for host in deployment["targets"]), default=0)
        self._again = False
        self._failed: dict[str, str] = {}
        self._unhealthy: set[str] = set()

    def tell(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Print what these events say."""
        for event in events:
            line = self._line(event)
            if line:
                self._context.say(line)

    def verdict(self, deployment: Mapping[str, Any]) -> str:
        """Return the last line: the state and why."""
        status = deployment["status"]
        word = self._context.style(status, fg=COLORS.get(status, "red"), bold=True)
        target = f"{deployment['fraise']} {deployment['environment']}"
        does = "runs" if self._unhealthy else "serves"
        served = f" {short(deployment['version'])} {does}" if status == "success" else ""
        took = deployment["duration_seconds"]
        length = f" ({duration(took)})" if took is not None else ""
        reason = f": {deployment['reason']}" if deployment["reason"] else ""
        return f"{word}  {target}{served}{length}{reason}"

    def _line(self, event: Mapping[str, Any]) -> str | None:
        data = event["data"]
        if event["type"] == "deployment.step":
            self._again = bool(data.get("again"))
        match event["type"]:
            case "deployment.queued":
                return self._heading()
            case "deployment.step" if self._again:
                return None  # that it is tried again was said once
            case "deployment.step" if data["verb"] == "preflight":
                return f"  · looking at {len(data['hosts'])} hosts"
            case "deployment.step" if data["verb"] == "restore":
                return f"  · going back on {', '.join(data['hosts'])}"
            case "deployment.step" if (words := begun(data)) is not None:
                return f"  · {words}"
            case "deployment.paused":
                return self._paused(data)
            case "deployment.resumed":
                return f"  · it goes on, as {data.get('by')} wished"
            case "deployment.tested" if not data.get("passed"):
                return f"  · {harmless(str(data.get('why')))}: the version goes no further"
            case "deployment.host_completed" if not self._repeats(event["host"] or "", data):
                return self._host(event["host"] or "", data)
            case "log.line" if data.get("step") == "contact" and not self._verbose:
                return f"  · {harmless(str(data.get('text', '')))}"
            case "log.line" if self._verbose:
                return _indented(harmless(str(data.get("text", ""))))
            case "runner.task_started" if self._verbose > 1:
                return f"      {event['host']}: {data.get('task')}"
        return None

    def _repeats(self, host: str, data: Mapping[str, Any]) -> bool:
        """Return whether a host that is tried again failed as it did before."""
        code = str((data.get("error") or {}).get("code", ""))
        before, self._failed[host] = self._failed.get(host), code
        return self._again and data["state"] != "ok" and code == before

    def _paused(self, data: Mapping[str, Any]) -> str:
        mine = self._deployment["id"]
        return (
            f"  ‖ paused at {data.get('weight')} %: {data.get('why')}\n"
            f"      go on: fraisier resume {mine}, or stop: fraisier cancel {mine}"
        )

    def _heading(self) -> str:
        deployment = self._deployment
        hosts = len(deployment["targets"])
        by_branch = deployment["kind"] == "deploy" and deployment["version"] != AS_CONFIGURED
        branch = deployment["branch"] if by_branch else ""
        asked = deployment["requested_version"] or branch
        name = "" if deployment["version"].startswith(asked) else f" ({asked})"
        many = f", {deployment['strategy']} over {hosts} hosts" if hosts > 1 else ""
        what = "back to " if deployment["kind"] == "rollback" else ""
        return (
            f"{self._context.style(deployment['id'], dim=True)}  {deployment['fraise']} → "
            f"{deployment['environment']}  {what}{short(deployment['version'])}{name}{many}"
        )

    def _host(self, host: str, data: Mapping[str, Any]) -> str:
        if data["state"] == "ok":
            warned = (data.get("around") or {}).get("warnings") or ()
            more = "".join(f"\n      warning: {harmless(str(each))}" for each in warned)
            return self._mark(True, host, self._success(host, data) + more)
        error = data.get("error") or {}
        hint = f"\n      {error['hint']}" if error.get("hint") else ""
        return self._mark(False, host, f"{error.get('message')}{hint}")

    def _success(self, host: str, data: Mapping[str, Any]) -> str:
        release, staged = data.get("release"), data.get("staged")
        if data["verb"] == "stage" and staged:
            return f"{_version(staged)} is staged as {staged.get('colour')}  {_steps(data)}"
        if data["verb"] == "shift":
            return f"measured: {data.get('verdict') or 'nothing'}"
        if not release:
            return _nothing(data)
        healthy = (data.get("gate") or {}).get("passed", True)
        self._unhealthy = self._unhealthy - {host} if healthy else self._unhealthy | {host}
        serves = f"{_version(release)} {'serves' if healthy else 'runs, but is not healthy'}"
        if not data.get("changed"):
            return f"{serves} already; nothing changed" if healthy else f"{serves}; nothing changed"
        if data["verb"] == "deploy" and not data.get("switched"):
            return f"{serves}, restarted  {_steps(data)}"
        if data["verb"] == "restore":
            return f"{serves} again  {_steps(data)}" if healthy else f"{serves}  {_steps(data)}"
        previous = data.get("previous")
        was = f" (was {_version(previous)})" if previous else ""
        return f"{serves}{was}  {_steps(data)}"

    def _mark(self, good: bool, host: str, text: str) -> str:
        mark, color = MARKS[good]
        return f"  {self._context.style(mark, fg=color)} {host.ljust(self._width)}  {text}"


def _nothing(data: Mapping[str, Any]) -> str:
    """Return what was done where a host has no release after a step."""
    if not data.get("changed"):
        return "no release is there; nothing changed"
    return f"stopped: there was no earlier release  {_steps(data)}".rstrip()


def _version(release: Mapping[str, Any]) -> str:
    return short(release.get("version") or "?")


def _steps(data: Mapping[str, Any]) -> str:
    steps = [step for step in data.get("steps") or [] if step["seconds"] >= 0.05]
    return " ".join(f"{step['name']} {step['seconds']:.1f}s" for step in steps)


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.splitlines())
