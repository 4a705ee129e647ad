"""Changing a target: deploy, rollback, unlock."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Callable

import click

from fraisier.cli.context import Context
from fraisier.cli.exits import STATUSES, TIMED_OUT
from fraisier.cli.live import Live
from fraisier.cli.stopping import Stopping
from fraisier.domain.deployment import Deployment
from fraisier.domain.errors import Refused
from fraisier.engine.deployments import Wish
from fraisier.engine.views import deployment_json


def target_arguments(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the two arguments that name a target."""
    return click.argument("fraise")(click.argument("environment")(command))


@click.command()
@target_arguments
@click.option("--version", help="Branch, tag or full SHA; default: the newest of git_branch.")
@click.option("--strategy", help="recreate or rolling; default: as configured.")
@click.option("--health-check-delay", type=click.FloatRange(0, 3600), metavar="SECONDS",
              help="Wait this long before the first health check.")  # fmt: skip
@click.option("--wait", is_flag=True, help="Wait for the end (without a server: always).")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
              help="Wait at most this long; the deployment is then cancelled.")  # fmt: skip
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
    wait: bool,
    timeout: float | None,
    force: bool,
    idempotency_key: str | None,
) -> None:
    """Bring a version of FRAISE to ENVIRONMENT; an unhealthy one is rolled back."""
    wish = Wish(
        fraise,
        environment,
        _who(),
        version=version,
        strategy=strategy,
        health_check_delay=health_check_delay,
        force=force,
        idempotency_key=idempotency_key,
    )
    context.application.runner.prepare()
    _carry_out(context, context.application.deployments.deploy(wish), timeout)


@click.command()
@target_arguments
@click.option("--to-version", metavar="VERSION",
              help="A version that was good here; default: the last other one.")  # fmt: skip
@click.option("--reason", default="", metavar="TEXT", help="Why, for the history.")
@click.option("--strategy", help="recreate or rolling; default: as configured.")
@click.option("--wait", is_flag=True, help="Wait for the end (without a server: always).")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
              help="Wait at most this long; the rollback is then cancelled.")  # fmt: skip
@click.option("--force", is_flag=True, help="Take hosts that another installation holds.")
@click.pass_obj
def rollback(
    context: Context,
    fraise: str,
    environment: str,
    to_version: str | None,
    reason: str,
    strategy: str | None,
    wait: bool,
    timeout: float | None,
    force: bool,
) -> None:
    """Go back to an earlier version of FRAISE in ENVIRONMENT, with its own configuration."""
    wish = Wish(
        fraise,
        environment,
        _who(),
        version=to_version,
        strategy=strategy,
        force=force,
        reason=reason,
    )
    context.application.runner.prepare()
    _carry_out(context, context.application.deployments.rollback(wish), timeout)


@click.command()
@target_arguments
@click.option("--reason", required=True, metavar="TEXT", help="What you found, for the record.")
@click.pass_obj
def unlock(context: Context, fraise: str, environment: str, reason: str) -> None:
    """Release a target that is held after a failed rollback or an interruption."""
    application = context.application
    application.catalogue.target(fraise, environment)
    held = application.store.unlock(fraise, environment, reason, _who())
    if held is None:
        raise Refused(f"{fraise} {environment} is not held")
    context.emit({"released": held}, f"{fraise} {environment} is released; {held} had held it")


def _carry_out(context: Context, deployment: Deployment, timeout: float | None) -> None:
    live = Live(context, deployment)
    deadline = time.monotonic() + timeout if timeout else None
    with Stopping(context.say, deadline) as stopping:
        ended = context.application.worker.carry_out(
            deployment, live.tell, stopping.wanted, live.waiting
        )
    hosts = context.application.store.host_records(ended.id)
    context.emit(deployment_json(ended, hosts), live.verdict(ended))
    sys.exit(TIMED_OUT if stopping.timed_out else STATUSES[ended.status])


def _who() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli:unknown"
