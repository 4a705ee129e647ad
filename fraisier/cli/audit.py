"""The audit trail: who did what to what, why and when."""

from __future__ import annotations

import click

from fraisier.cli.context import Context, table
from fraisier.cli.look import moment
from fraisier.cli.present import named
from fraisier.domain.audit import DONE, AuditFilter


@click.command()
@click.option("--actor", metavar="NAME", help="Only what this token or person did: cli:ana.")
@click.option("--action", metavar="ACTION", help="Only this action: deploy, freeze, unlock, …")
@click.option("--subject", metavar="ID", help="Only what was done to this.")
@click.option("--since", metavar="TIME", help="A date (2026-11-23) or an age (30m, 12h, 7d).")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True,
              help="Show at most this many, the newest.")  # fmt: skip
@click.pass_obj
def audit(
    context: Context,
    actor: str | None,
    action: str | None,
    subject: str | None,
    since: str | None,
    limit: int,
) -> None:
    """Show who did what to what, why and when, newest first."""
    start = moment(since) if since else None
    found = context.control.audit(AuditFilter(actor, action, subject, start, limit))
    rows = [
        {
            **each,
            "when": each["at"][:19].replace("T", " "),
            "who": named(each["actor"], each.get("actor_name")),
            "why": each["reason"],
            "result": "" if each["result"] == DONE else each["result"],
        }
        for each in found
    ]
    columns = ("when", "who", "action", "subject", "result", "why")
    context.emit({"audit": found}, table(rows, columns))
