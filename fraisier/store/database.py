"""One SQLite database: opened durably, and brought to the newest schema before it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from fraisier.domain.errors import StoreError

#: The newest revision in migrations/versions; a test holds the two together.
HEAD = "0002"
BUSY_SECONDS = 20
#: Connections kept open for the threads of a server.
CONNECTIONS = 20


def open_database(url: str) -> Engine:
    """Open the database at a `sqlite:///path` URL, creating and migrating it; raise StoreError."""
    path = Path(url.removeprefix("sqlite:///"))
    if not path.parent.is_dir():
        raise StoreError(
            f"the folder of the database does not exist: {path.parent}",
            "create it, or set FRAISIER_DATABASE_URL",
        )
    connections = {"pool_size": CONNECTIONS, "pool_timeout": BUSY_SECONDS}
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **connections)
    event.listen(engine, "connect", _set_up_connection)
    event.listen(engine, "begin", _begin)
    _translated(path, lambda: _migrate_if_needed(engine))
    return engine


def revision(engine: Engine) -> str | None:
    """Return the schema revision of a database, None where it is empty."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _migrate_if_needed(engine: Engine) -> None:
    found = revision(engine)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise StoreError(
            f"the database is of a newer Fraisier (schema {found}; this one knows {HEAD})",
            "upgrade Fraisier here, or restore a backup of the database",
        )
    from fraisier.store.migrate import upgrade  # Alembic is slow to import and rarely needed

    upgrade(engine)


def _set_up_connection(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, below
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _translated(path: Path, action: Callable[[], None]) -> None:
    try:
        action()
    except (OperationalError, DatabaseError) as error:
        raise store_error(error, str(path)) from error


def store_error(error: Exception, where: str = "the database") -> StoreError:
    """Turn a driver's error into ours, with what to do next."""
    said = str(getattr(error, "orig", error))
    hints = {
        "readonly": "make the file and its folder writable for this user",
        "unable to open": "check that its folder exists and is writable for this user",
        "disk": "free some space on its disk",
        "full": "free some space on its disk",
        "locked": "another process held it for too long; try again",
        "not a database": "the file is not SQLite: name another with FRAISIER_DATABASE_URL",
        "malformed": "the file is damaged: restore a backup",
    }
    hint = next((text for word, text in hints.items() if word in said.lower()), "")
    return StoreError(f"{where}: {said}", hint)
