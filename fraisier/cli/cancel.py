"""Stopping a deployment from anywhere."""

from __future__ import annotations

import click

from fraisier.cli.arguments import deployment_argument
from fraisier.cli.context import Context
from fraisier.cli.control import ended


@click.command()
@deployment_argument
@click.pass_obj
def cancel(context: Context, deployment_id: str) -> None:
    """Stop a deployment: one that waits at once, one under way once its hosts went back."""
    found = context.control.cancel(deployment_id)
    asked = f"is asked to stop; how it ended: fraisier show {deployment_id}"
    said = f"is {found['status']}" if ended(found) else asked
    context.emit(found, f"{deployment_id} {said}")
