"""Which database a command is about: named with it, or set, or beside the configuration file."""

from __future__ import annotations

from pathlib import Path

import click

from fraisier.cli.context import Context
from fraisier.config.database import SQLITE, database_problem
from fraisier.domain.errors import UsageError

url_option = click.option(
    "--url",
    metavar="URL",
    help="The database; FRAISIER_DATABASE_URL where it is not given. Others on this machine can "
    "see a password that stands here.",
)


def file_url(path: str) -> str:
    """Return the URL of a SQLite file."""
    return f"{SQLITE}{Path(path).absolute()}"


def of_kind(context: Context, database: str, url: str | None) -> str:
    """Return the URL of a database of this kind, or raise UsageError."""
    given = url or context.application.settings.database_url
    if given is None:
        raise UsageError(
            f"which {database} database is not said",
            "say --url, or better set FRAISIER_DATABASE_URL",
        )
    scheme = given.partition(":")[0].partition("+")[0].replace("mariadb", "mysql")
    if scheme != database:
        raise UsageError(
            f"the URL is of a {scheme} database, not of {database}", "correct one of the two"
        )
    return _checked(given)


def chosen(context: Context, url: str | None) -> str:
    """Return the database to work on: as said, or as set, or beside the configuration file."""
    settings = context.application.settings
    if url is not None:
        return _checked(url)
    if settings.database_url is not None and not settings.database_url.startswith(SQLITE):
        return settings.database_url
    return context.application.database_url


def _checked(url: str) -> str:
    problem = database_problem(url)
    if problem is not None:
        raise UsageError(f"--url: {problem}")
    return file_url(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else url


def shown(url: str) -> str:
    """Return a URL as it may be shown: without its password."""
    from fraisier.store import urls

    return urls.shown(url)
