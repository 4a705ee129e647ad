"""Shell completion: commands, options, and the names of fraises, environments and deployments."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes `fraisier` in a shell; its shell sources it."""
    kind = get_completion_class(shell)
    assert kind is not None
    root = ctx.find_root()
    variable = f"_{root.info_name}_COMPLETE".upper()  # as click itself reads it
    click.echo(kind(root.command, {}, str(root.info_name), variable).source())
