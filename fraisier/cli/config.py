"""The configuration file: checked, shown, described, begun."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from fraisier.cli.context import Context
from fraisier.domain.errors import Refused
from fraisier.engine.redacted import config_json


@click.group()
def config() -> None:
    """Check, show, describe or begin a fraises.yaml."""


@config.command()
@click.pass_obj
def validate(context: Context) -> None:
    """Check the file and report every problem at once, with file, line and path."""
    catalogue = context.application.catalogue
    count = len(catalogue.targets())
    word = "target" if count == 1 else "targets"
    context.emit({"path": catalogue.path, "targets": count}, f"{catalogue.path}: {count} {word}")


@config.command()
@click.pass_obj
def show(context: Context) -> None:
    """Print the configuration as it is understood: defaults filled in, secrets as references.

    What may be a secret and is written out, such as a header, is not shown.
    """
    shown = [config_json(target) for target in context.application.catalogue.targets()]
    context.emit({"targets": shown}, json.dumps(shown, indent=2))


@config.command()
@click.pass_obj
def schema(context: Context) -> None:
    """Print the JSON Schema of fraises.yaml, for editors."""
    from fraisier.config.schema import published_schema

    click.echo(json.dumps(published_schema(context.application.providers), indent=2))


@config.command()
@click.pass_obj
def init(context: Context) -> None:
    """Write a commented fraises.yaml to begin with; an existing file is never overwritten."""
    from fraisier.config import example_config

    path = Path(context.config_path or "fraises.yaml")
    if path.exists():
        raise Refused(f"{path} exists already", "name another file with --config")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(example_config())
    context.emit({"path": str(path)}, f"wrote {path}: edit it, then fraisier config validate")
