"""One database: opened, and of the schema that this Fraisier knows before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from fraisier.domain.errors import StoreError
from fraisier.store.engines import CONNECTIONS, USUAL, Patience, new_engine
from fraisier.store.faults import store_error
from fraisier.store.urls import kind, parse, shown

__all__ = ["HEAD", "connect", "open_database", "revision", "store_error"]

#: The newest revision in migrations/versions; a test holds the two together.
HEAD = "0011"


def open_database(url: str, pool: int = CONNECTIONS) -> Engine:
    """Open a database whose schema is the newest, with at most `pool` connections.

    A SQLite file is made and migrated where needed; another database is refused until
    `fraisier db migrate` has done it. Raise StoreError, and StoreUnavailable where the server
    does not answer.
    """
    engine = connect(url, pool)
    with translated(engine.url):
        found = revision(engine)
        refuse_newer(found)
        if found != HEAD and kind(engine.url) != "sqlite":
            raise _not_migrated(engine.url, found)
        if found != HEAD:
            from fraisier.store.migrate import upgrade  # Alembic is slow to import, rarely needed

            upgrade(engine)
    return engine


def connect(url: str, pool: int = CONNECTIONS, patience: Patience = USUAL) -> Engine:
    """Return an engine for a database whatever its schema; raise StoreError for a bad URL."""
    parsed = parse(url)
    if kind(parsed) == "sqlite":
        folder = Path(parsed.database or "").parent
        if not folder.is_dir():
            raise StoreError(
                f"the folder of the database does not exist: {folder}",
                "create it, or set FRAISIER_DATABASE_URL",
            )
    return new_engine(parsed, pool, patience)


def revision(engine: Engine) -> str | None:
    """Return the schema revision of a database, None where it is empty."""
    with engine.connect().execution_options(reading=True) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return None if found is None else str(found)


def refuse_newer(found: str | None) -> None:
    """Raise StoreError for a schema that a newer Fraisier made."""
    if found is not None and found > HEAD:
        raise StoreError(
            f"the database is of a newer Fraisier (schema {found}; this one knows {HEAD})",
            "upgrade Fraisier here, or restore a backup of the database",
        )


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn a driver's errors into ours, with where the database is."""
    where = url.database if kind(url) == "sqlite" else shown(url.render_as_string(False))
    try:
        yield
    except DBAPIError as error:
        raise store_error(error, str(where)) from error


def _not_migrated(url: URL, found: str | None) -> StoreError:
    where = shown(url.render_as_string(hide_password=False))
    if found is None:
        return StoreError(f"{where}: the database is empty", "make its tables: fraisier db migrate")
    return StoreError(
        f"{where}: the database is of an older Fraisier (schema {found}; this one needs {HEAD})",
        "back it up and bring it up to date: fraisier db migrate",
    )
