"""Changing a target: deploy, rollback, unlock."""

from __future__ import annotations

import sys
from typing import Any

import click

from fraisier.cli.arguments import (
    break_glass_option,
    break_glass_reason,
    target_arguments,
    waiting_options,
)
from fraisier.cli.context import Context
from fraisier.cli.control import ended, who
from fraisier.cli.exits import STATUSES, TIMED_OUT
from fraisier.cli.live import Live
from fraisier.cli.plan import report_plan
from fraisier.cli.stopping import Stopping
from fraisier.domain.deployment import Status
from fraisier.engine.deployments import Wish


@click.command()
@target_arguments
@click.option("--version", help="Branch, tag or full SHA; default: the newest of git_branch.")
@click.option("--strategy", help="recreate, rolling, blue-green or canary; default: as configured.")
@click.option("--health-check-delay", type=click.FloatRange(0, 3600), metavar="SECONDS",
              help="Wait this long before the first health check.")  # fmt: skip
@waiting_options
@click.option("--dry-run", is_flag=True, help="Show what would change, as `plan` does.")
@click.option("--no-backup", is_flag=True, help="Leave the configured backup out, this once.")
@break_glass_option
@click.option("--force", is_flag=True, help="Take hosts that another installation holds.")
@click.option("--idempotency-key", metavar="KEY", help="The same key gives the same deployment.")
@click.pass_obj
def deploy(
    context: Context,
    fraise: str,
    environment: str,
    version: str | None,
    strategy: str | None,
    health_check_delay: float | None,
    dry_run: bool,
    no_backup: bool,
    break_glass: str | None,
    force: bool,
    idempotency_key: str | None,
    wait: bool,
    follow: bool,
    timeout: float | None,
) -> None:
    """Bring a version of FRAISE to ENVIRONMENT; an unhealthy one is rolled back."""
    wish = Wish(
        fraise,
        environment,
        who(),
        version=version,
        strategy=strategy,
        health_check_delay=health_check_delay,
        force=force,
        idempotency_key=idempotency_key,
        backup=not no_backup,
        break_glass=break_glass_reason(break_glass),
    )
    if dry_run:
        report_plan(context, wish)
    else:
        stay(context, context.control.deploy(wish), wait, follow, timeout)


@click.command()
@target_arguments
@click.option("--to-version", metavar="VERSION",
              help="A version that was good here; default: the last other one.")  # fmt: skip
@click.option("--reason", default="", metavar="TEXT", help="Why, for the history.")
@click.option("--strategy", help="recreate, rolling, blue-green or canary; default: as configured.")
@waiting_options
@click.option("--force", is_flag=True, help="Take hosts that another installation holds.")
@click.pass_obj
def rollback(
    context: Context,
    fraise: str,
    environment: str,
    to_version: str | None,
    reason: str,
    strategy: str | None,
    force: bool,
    wait: bool,
    follow: bool,
    timeout: float | None,
) -> None:
    """Go back to an earlier version of FRAISE in ENVIRONMENT, with its own configuration."""
    wish = Wish(
        fraise,
        environment,
        who(),
        version=to_version,
        strategy=strategy,
        force=force,
        reason=reason,
    )
    stay(context, context.control.rollback(wish), wait, follow, timeout)


@click.command()
@target_arguments
@click.option("--reason", required=True, metavar="TEXT", help="What you found, for the record.")
@click.pass_obj
def unlock(context: Context, fraise: str, environment: str, reason: str) -> None:
    """Release a target that is held after a failed rollback or an interruption."""
    held = context.control.unlock(fraise, environment, reason)
    context.emit({"released": held}, f"{fraise} {environment} is released; {held} had held it")


def stay(
    context: Context, deployment: dict[str, Any], wait: bool, follow: bool, timeout: float | None
) -> None:
    """Stay with a deployment as long as was asked for, and end with its exit code."""
    live = Live(context, deployment, max(context.verbose, int(follow)))
    if not (context.control.alone or wait or follow or timeout):
        sys.exit(_accepted(context, deployment, live))
    alone = context.control.alone
    said = "stopping: what was changed goes back first" if alone else "no longer waiting"
    with Stopping(lambda: context.say(said), timeout) as stopping:
        now = context.control.carry_out(deployment["id"], live, stopping.wanted)
    context.conclude(now, live.verdict(now))
    sys.exit(_code(context, now, stopping.timed_out))


def _accepted(context: Context, deployment: dict[str, Any], live: Live) -> int:
    told = f"follow it with: fraisier logs {deployment['id']} --follow"
    context.conclude(deployment, f"{deployment['id']}  {live.verdict(deployment)}\n  {told}")
    return STATUSES[Status(deployment["status"])]


def _code(context: Context, deployment: dict[str, Any], timed_out: bool) -> int:
    status = Status(deployment["status"])
    if not ended(deployment):
        context.say(f"it goes on; to stop it: fraisier cancel {deployment['id']}")
        return TIMED_OUT
    return TIMED_OUT if timed_out and status is Status.CANCELLED else STATUSES[status]
