"""Alembic, kept to one module: bringing a database to the newest schema."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

from fraisier.domain.errors import StoreUnavailable
from fraisier.store.database import connect, refuse_newer, revision, translated
from fraisier.store.engines import LONG

#: Two processes that migrate at once take turns by this name.
LOCK = "fraisier schema"
LOCK_SECONDS = 600


def configuration() -> Config:
    """Return Alembic's configuration for the migrations that ship with Fraisier."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def migrate(url: str) -> str | None:
    """Create or upgrade the database at a URL; return the revision it had, or raise StoreError.

    Where it was interrupted before, it goes on. Another process that migrates is waited for.
    """
    engine = connect(url, 2, LONG)
    try:
        with translated(engine.url):
            found = revision(engine)
            refuse_newer(found)
            upgrade(engine)
        return found
    finally:
        engine.dispose()


def upgrade(engine: Engine, target: str = "head") -> None:
    """Run every missing migration up to `target`: in one transaction, but for MySQL."""
    with locked(engine) as connection:
        upgrade_on(connection, target)


def upgrade_on(connection: Connection, target: str = "head") -> None:
    """Do so in the transaction of a connection whose lock is held."""
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, target)


@contextmanager
def locked(engine: Engine) -> Iterator[Connection]:
    """Return a transaction during which nobody else changes the schema; raise as `lock`.

    Where the lock is not of the transaction (MySQL), it is let go after the commit: whoever has it
    next sees all that was written.
    """
    with engine.connect() as connection:
        try:
            with connection.begin():
                lock(connection)
                yield connection
        finally:
            _unlock(connection)


def lock(connection: Connection) -> None:
    """Wait until no other process changes the schema; raise StoreUnavailable after 10 minutes."""
    if connection.dialect.name == "postgresql":
        # Ends with the transaction. SQLite's transaction is such a lock itself.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        number = int.from_bytes(hashlib.sha256(LOCK.encode()).digest()[:7])
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
    if connection.dialect.name == "mysql":
        # Of the server, not of one database; ends with the connection.
        query = text("SELECT GET_LOCK(SHA2(CONCAT(DATABASE(), :name), 224), :seconds)")
        if connection.scalar(query, {"name": LOCK, "seconds": LOCK_SECONDS}) != 1:
            raise StoreUnavailable("another process has been changing the schema for 10 minutes")


def _unlock(connection: Connection) -> None:
    if connection.dialect.name == "mysql" and not connection.invalidated:
        query = text("SELECT RELEASE_LOCK(SHA2(CONCAT(DATABASE(), :name), 224))")
        connection.scalar(query, {"name": LOCK})
