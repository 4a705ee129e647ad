"""A deployment as it happens: one line for each thing that matters, in terminals and log files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fraisier.cli.context import Context
from fraisier.cli.present import duration, short
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.event import Event

MARKS = {True: ("✓", "green"), False: ("✗", "red")}


class Live:
    """Prints recorded events on stderr, as they come."""

    def __init__(self, context: Context, deployment: Deployment) -> None:
        self._context = context
        self._deployment = deployment
        self._width = max((len(host.name) for host in deployment.target.hosts), default=0)

    def tell(self, events: Sequence[Event]) -> None:
        """Print what these events say."""
        for event in events:
            line = self._line(event)
            if line:
                self._context.say(line)

    def waiting(self, blocker: Deployment) -> None:
        """Say what the deployment waits for."""
        self._context.say(f"  waiting for {blocker.id}, which is {blocker.status.value}")

    def verdict(self, ended: Deployment) -> str:
        """Return the last line: the end state and why."""
        took = duration(ended.started_at or ended.created_at, ended.completed_at)
        good = ended.status is Status.SUCCESS
        color = "green" if good else "red"
        word = self._context.style(ended.status.value, fg=color, bold=True)
        target = f"{ended.target.fraise} {ended.target.environment}"
        served = f" {short(ended.version)} serves" if good else ""
        reason = f": {ended.reason}" if ended.reason else ""
        return f"{word}  {target}{served} ({took}){reason}"

    def _line(self, event: Event) -> str | None:
        match event.type:
            case "deployment.queued":
                return self._heading()
            case "deployment.step" if event.data["verb"] == "preflight":
                return f"  · looking at {len(event.data['hosts'])} hosts"
            case "deployment.step" if event.data["verb"] == "restore":
                return f"  · going back on {', '.join(event.data['hosts'])}"
            case "deployment.host_completed":
                return self._host(event)
            case "log.line" if self._context.verbose:
                return _indented(str(event.data.get("text", "")))
            case "runner.task_started" if self._context.verbose > 1:
                return f"      {event.host}: {event.data.get('task')}"
        return None

    def _heading(self) -> str:
        deployment = self._deployment
        target = deployment.target
        hosts = len(target.hosts)
        branch = target.branch if deployment.kind == "deploy" else ""
        asked = deployment.requested_version or branch
        name = "" if deployment.version.startswith(asked) else f" ({asked})"
        many = f", {deployment.strategy} over {hosts} hosts" if hosts > 1 else ""
        what = "back to " if deployment.kind == "rollback" else ""
        return (
            f"{self._context.style(deployment.id, dim=True)}  {target.fraise} → "
            f"{target.environment}  {what}{short(deployment.version)}{name}{many}"
        )

    def _host(self, event: Event) -> str:
        data = event.data
        good = data["state"] == "ok"
        if not good:
            error = data.get("error") or {}
            hint = f"\n      {error['hint']}" if error.get("hint") else ""
            return self._mark(False, event.host, f"{error.get('message')}{hint}")
        return self._mark(True, event.host, self._success(data))

    def _success(self, data: Mapping[str, Any]) -> str:
        release = data.get("release")
        if not release:
            return "the service is stopped, as before"
        serves = f"{short(release['version'])} serves"
        if not data.get("changed"):
            return f"{serves} already; nothing changed"
        if data["verb"] == "deploy" and not data.get("switched"):
            return f"{serves}, restarted  {_steps(data)}"
        if data["verb"] == "restore":
            return f"{serves} again  {_steps(data)}"
        previous = data.get("previous")
        was = f" (was {short(previous['version'])})" if previous else ""
        return f"{serves}{was}  {_steps(data)}"

    def _mark(self, good: bool, host: str | None, text: str) -> str:
        mark, color = MARKS[good]
        return f"  {self._context.style(mark, fg=color)} {(host or '').ljust(self._width)}  {text}"


def _steps(data: Mapping[str, Any]) -> str:
    steps = [step for step in data.get("steps") or [] if step["seconds"] >= 0.05]
    return " ".join(f"{step['name']} {step['seconds']:.1f}s" for step in steps)


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.splitlines())
