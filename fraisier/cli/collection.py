"""The Ansible collection that comes with Fraisier."""

from __future__ import annotations

import click

from fraisier.cli.context import Context


@click.group()
def collection() -> None:
    """Find the Ansible collection that ships with Fraisier."""


@collection.command()
@click.pass_obj
def path(context: Context) -> None:
    """Print the folder to put on ANSIBLE_COLLECTIONS_PATH of an Ansible installed elsewhere."""
    from fraisier.runner.invocation import collections_root

    found = str(collections_root())
    context.emit({"path": found}, found)
