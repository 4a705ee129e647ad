"""The database: made, brought up to date, looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fraisier.cli.context import Context
from fraisier.cli.database import chosen, file_url, of_kind, shown, url_option
from fraisier.cli.records import backup, prune, restore
from fraisier.config.database import SQLITE
from fraisier.domain.errors import ConfigurationError, UsageError

KINDS = ("sqlite", "postgresql", "mysql")


@click.group()
def db() -> None:
    """Make the database, look after it, and copy it."""


@db.command()
@click.option("--database", default="sqlite", show_default=True, metavar="KIND",
              help="The kind of database: sqlite, postgresql or mysql (MariaDB).")  # fmt: skip
@click.option("--path", default="fraisier.db", show_default=True, metavar="FILE",
              help="Where the SQLite file is to be.")  # fmt: skip
@url_option
@click.pass_obj
def init(context: Context, database: str, path: str, url: str | None) -> None:
    """Create the tables of a database; one that has them is brought up to date."""
    if database not in KINDS:
        raise UsageError(f'there is no database "{database}"', f"use one of: {', '.join(KINDS)}")
    named = url is not None or database != "sqlite"
    made = of_kind(context, database, url) if named else file_url(path)
    _migrate(context, made)
    used = _used_later(context)
    if made != used:
        setting = f"export FRAISIER_DATABASE_URL={shown(made)}"
        context.say(f"commands here use {shown(used)}; for this one: {setting}")


@db.command()
@url_option
@click.pass_obj
def migrate(context: Context, url: str | None) -> None:
    """Bring a database to the newest schema; one that was interrupted goes on."""
    _migrate(context, chosen(context, url))


@db.command(name="status")
@url_option
@click.pass_obj
def status_(context: Context, url: str | None) -> None:
    """Show a database: its schema, size, and whether what it confirms is safe on the disk."""
    from fraisier.store.database import open_database
    from fraisier.store.status import look

    database, settings = chosen(context, url), context.application.settings
    if database.startswith(SQLITE):
        open_database(database).dispose()  # made where it is missing, as any command does
    facts = look(database, settings.database_pool)
    context.emit(facts, _facts_text(facts))
    for warning in facts["warnings"]:
        context.say(f"warning: {warning}")


def _used_later(context: Context) -> str:
    """Return the database of later commands, also where there is no configuration yet."""
    from fraisier.config.locate import FILE_NAME

    try:
        return context.application.database_url
    except ConfigurationError:
        return context.application.settings.database_for(Path.cwd() / FILE_NAME)


def _migrate(context: Context, url: str) -> None:
    from fraisier.store.database import HEAD
    from fraisier.store.migrate import migrate as bring_up

    had = bring_up(url)
    data = {"url": shown(url), "revision": HEAD, "had": had}
    context.emit(data, f"{shown(url)}: schema {HEAD}, up to date")


def _facts_text(facts: dict[str, Any]) -> str:
    state = _state(facts)
    counts = ", ".join(f"{count} {name}" for name, count in facts["counts"].items())
    lines = [
        f"{facts['url']}: {state}",
        f"  server    {facts['server']}, answers in {facts['milliseconds']} ms",
        f"  records   {counts or 'none'}, {facts['bytes'] / 1_048_576:.1f} MiB",
        f"  durable   {', '.join(f'{n} {value}' for n, value in facts['settings'].items())}",
        f"  pool      at most {facts['pool']} connections of each process",
    ]
    return "\n".join(lines)


def _state(facts: dict[str, Any]) -> str:
    if facts["revision"] is None:
        return "empty; make its tables: fraisier db migrate"
    if facts["revision"] == facts["newest"]:
        return f"schema {facts['revision']}, up to date"
    newer = facts["revision"] > facts["newest"]
    said = "upgrade Fraisier here" if newer else "bring it up to date: fraisier db migrate"
    return f"schema {facts['revision']}, this Fraisier needs {facts['newest']}; {said}"


for command in (backup, restore, prune):
    db.add_command(command)
