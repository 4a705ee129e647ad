"""Letting a deployment go on that waits, in the middle of its roll-out, for a person."""

from __future__ import annotations

import click

from fraisier.cli.arguments import deployment_argument
from fraisier.cli.context import Context


@click.command()
@deployment_argument
@click.pass_obj
def resume(context: Context, deployment_id: str) -> None:
    """Let a paused deployment go on with its next step; to stop it instead: fraisier cancel."""
    found = context.control.go_on(deployment_id)
    context.emit(found, f"{deployment_id} goes on; how far it is: fraisier show {deployment_id}")
