"""Looking: what is configured, what happened, what runs."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import Any

import click

from fraisier.cli.arguments import deployment_argument, optional_target
from fraisier.cli.context import Context, table
from fraisier.cli.control import Json
from fraisier.cli.harmless import harmless
from fraisier.cli.present import deployment_row, short
from fraisier.domain.deployment import Status
from fraisier.domain.errors import UsageError
from fraisier.domain.ids import now
from fraisier.domain.ports import Filter

WATCH_SECONDS = 2.0
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command(name="list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the configured fraises and where each is deployed."""
    rows = context.control.targets()
    words = [{**row, "hosts": _hosts(row)} for row in rows]
    columns = ("fraise", "environment", "type", "provider", "strategy", "hosts")
    context.emit({"targets": rows}, table(words, columns))


@click.command()
@optional_target
@click.option("--watch", is_flag=True, help="Show it again whenever it changes, until Ctrl-C.")
@click.pass_obj
def status(context: Context, fraise: str | None, environment: str | None, watch: bool) -> None:
    """Show what each target runs, its last deployment, and whether it is held."""
    shown = context.control.status(fraise, environment)
    if not watch:
        context.emit({"targets": shown}, _all_text(shown))
        return
    with suppress(KeyboardInterrupt):
        _watch(context, fraise, environment, shown)


def _watch(
    context: Context, fraise: str | None, environment: str | None, shown: list[Json]
) -> None:
    while True:
        if not context.json:
            click.clear()
        context.stream({"targets": shown}, _all_text(shown))
        before = shown
        while shown == before:
            time.sleep(WATCH_SECONDS)
            shown = context.control.status(fraise, environment)


def _all_text(shown: list[Json]) -> str:
    return "\n\n".join(_status_text(entry) for entry in shown)


def _hosts(row: dict[str, Any]) -> str:
    named = row["inventory"]
    return f"{named['group']} of {named['inventory']}" if named else ", ".join(row["hosts"])


def _status_text(entry: dict[str, Any]) -> str:
    last = entry["last_deployment"]
    paused = " (paused; see fraisier resume)" if last and last.get("paused") else ""
    happened = f"{last['id']} {last['status']}{paused}" if last else "never deployed"
    reason = f"\n  {last['reason']}" if last and last["reason"] else ""
    waits = f"\n  waiting: {entry['waiting_for']}" if entry.get("waiting_for") else ""
    held = f"\n  held by {entry['held_by']}: see fraisier unlock" if entry["held_by"] else ""
    coming = _coming(entry["promotion"]) if entry.get("promotion") else ""
    rows = [
        {
            **host,
            "version": _version(host),
            "release": host["release"] or "-",
            "health": _health(host.get("monitoring")),
        }
        for host in entry["hosts"]
    ]
    monitored = any(host.get("monitoring") for host in entry["hosts"])
    columns = ("host", "version", "release", "seen_at", *(("health",) if monitored else ()))
    lines = table(rows, columns).replace("\n", "\n  ")
    more = f"{reason}{waits}{held}{coming}"
    return f"{entry['fraise']} {entry['environment']}: {happened}{more}\n  {lines}"


def _coming(promotion: Json) -> str:
    what = f"{short(promotion['version'])} of {promotion['source']}"
    if promotion["blocked"]:
        return f"\n  {what} does not come by itself: {harmless(promotion['blocked'])}"
    return f"\n  {what} comes by itself, once a server or worker looks"


def _version(host: Json) -> str:
    """Return what a host serves; with a mark where something may have been done there since."""
    seen = short(host["version"] or "-")
    return seen if host["known"] else f"unknown (was {seen})"


def _health(monitoring: Json | None) -> str:
    """Return how a host is by the looks at it between deployments, and why."""
    if not monitoring:
        return "-"
    reason = harmless(monitoring["reason"]) if monitoring["reason"] else ""
    return f"{monitoring['health']}{f': {reason}' if reason else ''}"


@click.command()
@optional_target
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
    start = moment(since) if since else None
    found = context.control.deployments(Filter(fraise, environment, wanted, start, limit))
    columns = ("id", "target", "kind", "status", "version", "when", "took", "by")
    rows = [deployment_row(deployment) for deployment in found]
    context.emit({"deployments": found}, table(rows, columns))


def moment(text: str) -> int:
    """Return a date or an age as UTC microseconds since 1970, or raise UsageError."""
    age = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if age:
        return now() - int(age[1]) * UNITS[age[2]] * 1_000_000
    try:
        return int(time.mktime(time.strptime(text, "%Y-%m-%d"))) * 1_000_000
    except (ValueError, OverflowError):
        raise UsageError(f'"{text}" is no time', "write 2026-11-23, 30m, 12h or 7d") from None


@click.command()
@deployment_argument
@click.pass_obj
def show(context: Context, deployment_id: str) -> None:
    """Show one deployment: its end, its reason, and each host's part."""
    found = context.control.deployment(deployment_id)
    facts = {**found, "targets": ", ".join(found["targets"]), "hosts": None}
    lines = [
        f"{name.replace('_', ' ')}: {value}"
        for name, value in facts.items()
        if value is not None and value != "" and value is not False
    ]
    context.emit(found, "\n".join([*lines, *map(_host_text, found["hosts"])]))


def _host_text(host: Json) -> str:
    error = host["error"] or {}
    said = "".join(f"\n  {error[part]}" for part in ("message", "hint") if error.get(part))
    releases = f"release {host['release'] or '-'}, before {host['previous'] or '-'}"
    return f"\n{host['host']}: {host['state']}\n  {releases}{said}"


@click.command()
@deployment_argument
@click.pass_obj
def events(context: Context, deployment_id: str) -> None:
    """List a deployment's events, in order."""
    found = context.control.events(deployment_id)
    rows = [{**event, "at": event["at"][11:23]} for event in found]
    context.emit({"events": found}, table(rows, ("sequence", "at", "type", "host")))
