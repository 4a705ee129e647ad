"""Backups: one consistent picture of a database in use, in a file that any kind can restore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from fraisier import __version__
from fraisier.domain.errors import StoreError
from fraisier.domain.ids import now
from fraisier.store import archive
from fraisier.store.copying import Digest, columns_of, read, tables_there
from fraisier.store.database import connect, refuse_newer, revision, translated
from fraisier.store.engines import LONG
from fraisier.store.migrate import lock
from fraisier.store.urls import kind


def back_up(url: str, path: Path) -> dict[str, Any]:
    """Write a backup of the database at a URL to a file; return what is in it.

    The database may be in use, and of an older schema. Raise StoreError.
    """
    engine = connect(url, 2, LONG)
    try:
        with translated(engine.url):
            found = revision(engine)
            refuse_newer(found)
            if found is None:
                raise StoreError("there is nothing to back up: the database is empty")
            with archive.writing(path) as file, _snapshot(engine) as connection:
                head = {
                    "fraisier_backup": archive.FORMAT,
                    "schema": found,
                    "made_by": __version__,
                    "made_at": now(),
                    "kind": kind(engine.url),
                }
                archive.put(file, head)
                digests = {name: _dump(connection, file, name) for name in tables_there(connection)}
                archive.put(file, {"digests": digests})
        counts = {name: digest["rows"] for name, digest in digests.items()}
        return {"file": str(path), "schema": found, "rows": counts}
    finally:
        engine.dispose()


def _dump(connection: Connection, file: Any, name: str) -> dict[str, Any]:
    columns, digest = columns_of(connection, name), Digest()
    archive.put(file, {"table": name, "columns": columns})
    for row in read(connection, name, columns):
        digest.add(row)
        archive.put(file, row)
    return digest.as_json()


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees the database as it is now, whatever others commit."""
    level = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    options = {"reading": True, "postgresql_readonly": True, **level}
    with engine.connect().execution_options(**options) as connection:
        if engine.dialect.name == "mysql":
            lock(connection)  # no transaction keeps MySQL's tables from being changed
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        connection.execute(text("SELECT count(*) FROM alembic_version"))
        yield connection
