"""Processes that die in the midst of changing a database, and what they leave to compare."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from fraisier.store.copying import Digest, columns_of, read, tables_there
from fraisier.store.database import connect
from fraisier.store.migrate import migrate, upgrade

CHANGES = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE", "RENAME")
LIMIT_SECONDS = 60

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["fraisier.store.migrate", "fraisier.store.sql"])


def start(action: Callable[..., None], *arguments: Any) -> Any:
    """Begin an action of this module in a process of its own."""
    process = _CONTEXT.Process(target=action, args=arguments)
    process.start()
    return process


def end_of(process: Any) -> int:
    """Wait for a process and return its exit code; a signal's is negative."""
    process.join(LIMIT_SECONDS)
    assert process.exitcode is not None, "it hangs"
    return int(process.exitcode)


def migrated(url: str) -> None:
    """Migrate a database."""
    migrate(url)


@contextmanager
def changes() -> Iterator[list[str]]:
    """Collect the statements of this process that change a database, in their order."""
    found: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if _is_change(statement):
            found.append(statement)

    event.listen(Engine, "after_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "after_cursor_execute", note)


def first_of_each_kind(made: Sequence[str]) -> list[int]:
    """Return the numbers of changes that stand for all: the first of each kind, and the last."""
    kinds = [_kind(statement.split()) for statement in made]
    return sorted({*(kinds.index(kind) + 1 for kind in kinds), len(made)})


def migrated_until(url: str, changes: int, target: str = "head") -> None:
    """Migrate a database up to `target`, and die by SIGKILL right after so many changes."""
    left = [changes]

    def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if _is_change(statement):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", count)
    upgrade(connect(url), target)


def _is_change(statement: str) -> bool:
    return statement.lstrip().upper().startswith(CHANGES)


def _kind(words: Sequence[str]) -> tuple[str, ...]:
    """Return what a change does: `ALTER TABLE x ADD COLUMN` is not what `DROP COLUMN` is."""
    return (*words[:2], *words[3:5]) if words[0] == "ALTER" else (*words[:2],)


def contents(url: str) -> dict[str, dict[str, Any]]:
    """Return the number of rows and the digest of each table."""
    engine = connect(url)
    found: dict[str, dict[str, Any]] = {}
    with engine.connect().execution_options(reading=True) as connection:
        for name in tables_there(connection):
            digest = Digest()
            for row in read(connection, name, columns_of(connection, name)):
                digest.add(row)
            found[name] = digest.as_json()
    engine.dispose()
    return found
