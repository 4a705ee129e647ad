"""What succeeded in one environment goes to another."""

from __future__ import annotations

import click

from fraisier.cli.arguments import break_glass_option, break_glass_reason, waiting_options
from fraisier.cli.context import Context
from fraisier.cli.control import who
from fraisier.cli.deploy import stay
from fraisier.engine.deployments import Wish


@click.command()
@click.argument("fraise")
@click.argument("source", metavar="FROM")
@click.argument("environment", metavar="TO")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the history.")
@click.option("--strategy", help="As `deploy` takes it; default: as configured.")
@waiting_options
@click.option("--no-backup", is_flag=True, help="Leave the configured backup out, this once.")
@break_glass_option
@click.option("--force", is_flag=True, help="Take hosts that another installation holds.")
@click.option("--idempotency-key", metavar="KEY", help="The same key gives the same deployment.")
@click.pass_obj
def promote(
    context: Context,
    fraise: str,
    source: str,
    environment: str,
    reason: str,
    strategy: str | None,
    wait: bool,
    follow: bool,
    timeout: float | None,
    no_backup: bool,
    break_glass: str | None,
    force: bool,
    idempotency_key: str | None,
) -> None:
    """Bring to TO exactly the version of FRAISE that last succeeded in FROM.

    It is refused where nothing did, or where what came after it in FROM failed.
    """
    wish = Wish(
        fraise,
        environment,
        who(),
        strategy=strategy,
        force=force,
        idempotency_key=idempotency_key,
        reason=reason,
        backup=not no_backup,
        break_glass=break_glass_reason(break_glass),
    )
    stay(context, context.control.promote(wish, source), wait, follow, timeout)
