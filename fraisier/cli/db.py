"""The database: made, brought up to date, looked at."""

from __future__ import annotations

from pathlib import Path

import click

from fraisier.cli.context import Context
from fraisier.domain.errors import ConfigurationError, UsageError


@click.group()
def db() -> None:
    """Make the database, or see which one is in use."""


@db.command()
@click.option("--database", default="sqlite", show_default=True, metavar="KIND",
              help="The kind of database; this version has sqlite.")  # fmt: skip
@click.option("--path", default="fraisier.db", show_default=True, metavar="FILE",
              help="Where the SQLite file is to be.")  # fmt: skip
@click.pass_obj
def init(context: Context, database: str, path: str) -> None:
    """Create a database with the newest schema; an existing one is brought up to date."""
    if database != "sqlite":
        raise UsageError(
            f'database "{database}" is not supported by this version', "use --database sqlite"
        )
    url = f"sqlite:///{Path(path).absolute()}"
    _report(context, url)
    used = _used_later(context)
    if url != used:
        context.say(f"commands here use {used}; for this one: export FRAISIER_DATABASE_URL={url}")


@db.command()
@click.pass_obj
def migrate(context: Context) -> None:
    """Bring the configured database to the newest schema."""
    _report(context, context.application.database_url)


@db.command(name="status")
@click.pass_obj
def status_(context: Context) -> None:
    """Show which database is used and its schema revision; it is made if it is missing."""
    _report(context, context.application.database_url)


def _used_later(context: Context) -> str:
    """Return the database of later commands, also where there is no configuration yet."""
    from fraisier.config.locate import FILE_NAME

    try:
        return context.application.database_url
    except ConfigurationError:
        return context.application.settings.database_for(Path.cwd() / FILE_NAME)


def _report(context: Context, url: str) -> None:
    from fraisier.store.database import open_database, revision

    found = revision(open_database(url))
    context.emit({"url": url, "revision": found}, f"{url}: schema {found}, up to date")
