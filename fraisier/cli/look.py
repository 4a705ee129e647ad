"""Looking: what is configured, what happened, what runs."""

from __future__ import annotations

import re
import time
from typing import Any

import click

from fraisier.cli.context import Context, table
from fraisier.cli.present import deployment_row, short
from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Status
from fraisier.domain.errors import UsageError
from fraisier.domain.ids import now
from fraisier.domain.ports import Filter
from fraisier.engine.views import deployment_json, event_json, status_json, target_json, timestamp

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command(name="list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the configured fraises and where each is deployed."""
    targets = context.application.catalogue.targets()
    rows = [target_json(target) for target in targets]
    words = [{**row, "hosts": _hosts(row)} for row in rows]
    columns = ("fraise", "environment", "type", "provider", "strategy", "hosts")
    context.emit({"targets": rows}, table(words, columns))


@click.command()
@click.argument("fraise", required=False)
@click.argument("environment", required=False)
@click.pass_obj
def status(context: Context, fraise: str | None, environment: str | None) -> None:
    """Show what each target runs, its last deployment, and whether it is held."""
    catalogue = context.application.catalogue
    if fraise and environment:
        targets = [catalogue.target(fraise, environment)]
    elif fraise:
        targets = [target for _, target in sorted(catalogue.fraise(fraise).targets.items())]
    else:
        targets = catalogue.targets()
    shown = [_status(context, target) for target in targets]
    context.emit({"targets": shown}, "\n\n".join(_status_text(entry) for entry in shown))


def _status(context: Context, target: Target) -> dict[str, Any]:
    store = context.application.store
    store.abandon_dead()
    last = store.deployments(Filter(target.fraise, target.environment, limit=1))
    placed = store.placements(target.fraise, target.environment)
    held = store.held(target.fraise, target.environment)
    return status_json(target, last[0] if last else None, placed, held)


def _hosts(row: dict[str, Any]) -> str:
    named = row["inventory"]
    return f"{named['group']} of {named['inventory']}" if named else ", ".join(row["hosts"])


def _status_text(entry: dict[str, Any]) -> str:
    last = entry["last_deployment"]
    happened = f"{last['id']} {last['status']}" if last else "never deployed"
    reason = f"\n  {last['reason']}" if last and last["reason"] else ""
    held = f"\n  held by {entry['held_by']}: see fraisier unlock" if entry["held_by"] else ""
    rows = [
        {**host, "version": short(host["version"] or "-"), "release": host["release"] or "-"}
        for host in entry["hosts"]
    ]
    columns = ("host", "version", "release", "seen_at")
    lines = table(rows, columns).replace("\n", "\n  ")
    return f"{entry['fraise']} {entry['environment']}: {happened}{reason}{held}\n  {lines}"


@click.command()
@click.argument("fraise", required=False)
@click.argument("environment", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True,
              help="Show at most this many.")  # fmt: skip
@click.option("--since", metavar="TIME", help="A date (2026-11-23) or an age (30m, 12h, 7d).")
@click.option("--status", "wanted", type=click.Choice([status.value for status in Status]),
              help="Only deployments in this state.")  # fmt: skip
@click.pass_obj
def history(
    context: Context,
    fraise: str | None,
    environment: str | None,
    limit: int,
    since: str | None,
    wanted: str | None,
) -> None:
    """List deployments, newest first."""
    if fraise and environment:
        context.application.catalogue.target(fraise, environment)
    elif fraise:
        context.application.catalogue.fraise(fraise)
    start = _since(since) if since else None
    context.application.store.abandon_dead()
    found = context.application.store.deployments(Filter(fraise, environment, wanted, start, limit))
    data = {"deployments": [deployment_json(deployment) for deployment in found]}
    columns = ("id", "target", "kind", "status", "version", "when", "took", "by")
    context.emit(data, table([deployment_row(deployment) for deployment in found], columns))


def _since(text: str) -> int:
    age = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if age:
        return now() - int(age[1]) * UNITS[age[2]] * 1_000_000
    try:
        return int(time.mktime(time.strptime(text, "%Y-%m-%d"))) * 1_000_000
    except (ValueError, OverflowError):
        raise UsageError(f'"{text}" is no time', "write 2026-11-23, 30m, 12h or 7d") from None


@click.command()
@click.argument("deployment_id", metavar="ID")
@click.pass_obj
def show(context: Context, deployment_id: str) -> None:
    """Show one deployment: its end, its reason, and each host's part."""
    store = context.application.store
    store.abandon_dead()
    deployment = store.deployment(deployment_id)
    hosts = store.host_records(deployment_id)
    data = deployment_json(deployment, hosts)
    lines = [
        f"{name.replace('_', ' ')}: {value}"
        for name, value in data.items()
        if name != "hosts" and value is not None and value != ""
    ]
    for host in hosts:
        lines.append(f"\n{host.host}: {host.state}")
        lines.append(f"  release {host.release or '-'}, before {host.previous or '-'}")
        if host.error:
            lines.append(f"  {host.error['message']}\n  {host.error['hint']}")
    context.emit(data, "\n".join(lines))


@click.command()
@click.argument("deployment_id", metavar="ID")
@click.pass_obj
def events(context: Context, deployment_id: str) -> None:
    """List a deployment's events, in order."""
    found = context.application.store.events(deployment_id)
    rows = [
        {**vars(event), "at": (timestamp(event.at) or "")[11:23], "host": event.host or ""}
        for event in found
    ]
    text = table(rows, ("sequence", "at", "type", "host"))
    context.emit({"events": [event_json(event) for event in found]}, text)


@click.command()
@click.argument("deployment_id", metavar="ID")
@click.pass_obj
def logs(context: Context, deployment_id: str) -> None:
    """Print what the build, the service and the host said during a deployment."""
    found = [
        event
        for event in context.application.store.events(deployment_id)
        if event.type == "log.line"
    ]
    lines = [
        f"{event.host or 'here'} {event.data.get('step')}: {line}"
        for event in found
        for line in str(event.data.get("text", "")).splitlines()
    ]
    context.emit({"logs": [event_json(event) for event in found]}, "\n".join(lines))
