"""The providers that can be used here."""

from __future__ import annotations

import click

from fraisier.cli.context import Context, table


@click.command()
@click.pass_obj
def providers(context: Context) -> None:
    """List the providers, what they can do and where they were found."""
    data = context.control.providers()
    rows = [{**entry, "strategies": ", ".join(entry["strategies"])} for entry in data]
    context.emit({"providers": data}, table(rows, ("name", "strategies", "role", "description")))
