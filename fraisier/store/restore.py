"""Restoring a backup: all of it or nothing, and read again before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, table, text
from sqlalchemy.exc import DBAPIError

from fraisier.domain.errors import Refused, StoreError
from fraisier.domain.ids import now
from fraisier.store import archive
from fraisier.store.audit import note
from fraisier.store.copying import TABLES, Digest, read, tables_there, write
from fraisier.store.database import HEAD, connect, refuse_newer, revision, translated
from fraisier.store.engines import LONG
from fraisier.store.migrate import locked, upgrade_on
from fraisier.store.reading import LIVE
from fraisier.store.sql import SqlStore
from fraisier.store.tables import deployments, pauses
from fraisier.store.urls import kind

PAUSED = "the records were restored from a backup, and what they call unfinished is from then"


def holds(url: str) -> int:
    """Return how many deployments a database has, 0 for an empty one; raise StoreError."""
    engine = connect(url, 2)
    try:
        with (
            translated(engine.url),
            engine.connect().execution_options(reading=True) as connection,
        ):
            if "deployments" not in tables_there(connection):
                return 0
            return connection.scalar(select(func.count()).select_from(table("deployments"))) or 0
    finally:
        engine.dispose()


def restore(url: str, path: Path, by: str = "") -> dict[str, Any]:
    """Replace the records of the database at a URL by those of a backup; return what there is.

    `unfinished` is how many deployments had not ended: the queue is then paused. Where it is said
    who does it, the audit trail that was restored has a row about that. Raise StoreError
    where the backup is damaged or cannot be restored, Refused while workers use the database; it
    then has what it had before.
    """
    head = archive.verify(path)
    refuse_newer(head["schema"])
    engine = connect(url, 2, LONG)
    try:
        with translated(engine.url):
            _check_schema(engine, head["schema"])
            _refuse_workers(engine)
            with locked(engine) as connection:
                _replace(connection, path, head)
                upgrade_on(connection)
                unfinished = _pause(connection)
                if by:
                    note(connection, by, "db.restore", "records", path.name)
        return {
            "file": str(path),
            "schema": HEAD,
            "rows": {name: digest["rows"] for name, digest in head["digests"].items()},
            "unfinished": unfinished,
        }
    finally:
        engine.dispose()


def _check_schema(engine: Engine, schema: str) -> None:
    """Refuse what cannot be undone: MySQL has no transaction for changes of tables."""
    found = revision(engine)
    if kind(engine.url) != "mysql" or found in (None, schema):
        return
    with engine.connect() as connection:
        if _has_records(connection):
            raise StoreError(
                f"the backup has the schema {schema} and the database {found}",
                "restore it into a new, empty database, and use that one",
            )


def _has_records(connection: Connection) -> bool:
    counted = (name for name in tables_there(connection) if name != "installation")
    query = (select(func.count()).select_from(table(name)) for name in counted)
    return any(connection.scalar(each) for each in query)


def _refuse_workers(engine: Engine) -> None:
    """Raise Refused where a worker lives: it would go on in the midst of older records."""
    if revision(engine) != HEAD:
        return
    names = [worker.name for worker in SqlStore(engine).workers() if worker.alive]
    if names:
        raise Refused(
            f"the database is in use by {', '.join(names)}",
            "stop every server, worker and command first; one that was killed may count for 30 s",
        )


def _replace(connection: Connection, path: Path, head: dict[str, Any]) -> None:
    """Put the rows of a backup in place of all others, at its own schema, and read them again."""
    if connection.dialect.name != "mysql" or not _has_records(connection):
        for name in reversed(tables_there(connection)):
            connection.execute(text(f"DROP TABLE {name}"))
        for name in ("workers", "alembic_version"):
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
    upgrade_on(connection, head["schema"])
    for name in reversed([*tables_there(connection), "workers"]):
        if connection.dialect.has_table(connection, name):
            connection.execute(delete(table(name)))
    for each in archive.tables(path):
        if each.name not in TABLES:
            raise StoreError(f"{path}: it has a table that is unknown here: {each.name}")
        _fill(connection, each, head["digests"][each.name])


def _fill(connection: Connection, source: archive.Table, wanted: dict[str, Any]) -> None:
    try:
        write(connection, source.name, source.columns, source.rows)
    except DBAPIError as error:
        said = " ".join(str(error.orig).split())
        raise StoreError(f"table {source.name} cannot be restored here: {said}") from error
    digest = Digest()
    for row in read(connection, source.name, source.columns):
        digest.add(row)
    if digest.as_json() != wanted:
        raise StoreError(
            f"table {source.name} was read back with other rows than were restored: nothing is kept"
        )


def _pause(connection: Connection) -> int:
    """Pause the queue where deployments had not ended; return how many those are."""
    live = deployments.c.status.in_(LIVE)
    unfinished = connection.scalar(select(func.count()).select_from(deployments).where(live)) or 0
    paused = connection.scalar(select(func.count()).select_from(pauses))
    if unfinished and not paused:
        row = {"id": 1, "by": "db restore", "reason": PAUSED, "at": now()}
        connection.execute(pauses.insert().values(**row))
    return unfinished
