"""The backups of a service, on its hosts: list, take, restore."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from fraisier.cli.app import BUSY, UNWELL, host_option
from fraisier.cli.arguments import target_arguments
from fraisier.cli.context import Context, table
from fraisier.cli.exits import FAILED, GENERAL, REFUSED
from fraisier.cli.harmless import harmless
from fraisier.cli.live import MARKS
from fraisier.cli.present import short
from fraisier.domain.errors import UsageError
from fraisier.engine.tending import Where

#: What a host answers when a backup or its way back did not work.
BROKEN = UNWELL | {"backup_failed", "backup_damaged", "restore_failed"}

Json = dict[str, Any]


@click.group()
def backups() -> None:
    """See, take or put back what is saved of a service."""


@backups.command(name="list")
@target_arguments
@host_option
@click.pass_obj
def list_(context: Context, fraise: str, environment: str, host_name: str | None) -> None:
    """Show the backups on each host, newest first."""
    _show(context, context.control.backups(Where(fraise, environment, host_name)))


@backups.command()
@target_arguments
@host_option
@click.pass_obj
def take(context: Context, fraise: str, environment: str, host_name: str | None) -> None:
    """Take a backup now, as a deployment does before it changes anything."""
    _show(context, context.control.take_backup(Where(fraise, environment, host_name)), "taken")


@backups.command()
@target_arguments
@click.argument("backup_id", metavar="[ID]", required=False)
@host_option
@click.option("-y", "--yes", is_flag=True, help="Yes, what is there now is replaced.")
@click.pass_obj
def restore(
    context: Context,
    fraise: str,
    environment: str,
    backup_id: str | None,
    host_name: str | None,
    yes: bool,
) -> None:
    """Put a backup back, the newest where no ID is given; the service is stopped meanwhile.

    It is read and its digest compared before anything changes; the service must be healthy after.
    """
    if not yes:
        raise UsageError(
            f"this replaces the data of {fraise} {environment} by those of a backup",
            "see fraisier backups list, then say it again with --yes",
        )
    where = Where(fraise, environment, host_name)
    _show(context, context.control.restore_backup(where, backup_id or ""), "restored")


def _show(context: Context, found: Sequence[Json], done: str = "") -> None:
    """Print what the hosts said and end with its exit code; `done`: what was done with each."""
    rows = [_row(host, backup) for host in found for backup in host.get("backups", ())]
    columns = ("host", "id", "taken", "by", "version", "size", "paths")
    lines = [f"{done} on {row['host']}: {row['id']}" for row in rows if done]
    listed = table(rows, columns) if rows else f"{done or 'there is'} no backup".strip()
    context.emit({"hosts": found}, "\n".join([listed, *lines]))
    for host in found:
        if host["error"]:
            mark, color = MARKS[False]
            said = harmless(host["error"]["message"])
            hint = f"\n    {host['error']['hint']}" if host["error"].get("hint") else ""
            context.say(f"{context.style(mark, fg=color)} {host['host']}  {said}{hint}")
    sys.exit(_code(found))


def _row(host: Json, backup: Json) -> Json:
    at = datetime.fromtimestamp(backup["at"]).isoformat(" ", "seconds")
    return {
        "host": host["host"],
        "id": backup["id"],
        "taken": at,
        "by": backup["deployment"] if backup["why"] == "deployment" else "asked for",
        "version": short(backup["version"] or "-"),
        "size": f"{backup['bytes'] / 2**20:.1f} MiB",
        "paths": harmless(", ".join(backup["paths"]) or "-"),
    }


def _code(found: Sequence[Json]) -> int:
    codes = {host["error"]["code"] for host in found if host["error"]}
    if codes & BROKEN:
        return FAILED
    return REFUSED if BUSY in codes else GENERAL if codes else 0
