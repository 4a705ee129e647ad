"""New records for unit tests: copies of one database that is migrated once in each process."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from fraisier.store import SqlStore


def open_records(path: Path) -> SqlStore:
    """Open the database at a path; where there is none yet, it begins empty and migrated."""
    if not path.exists():
        path.write_bytes(migrated())
    return SqlStore.open(f"sqlite:///{path}")


@cache
def migrated() -> bytes:
    """Return an empty database as a file: nine migrations cost more than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.db"
        SqlStore.open(f"sqlite:///{path}")._engine.dispose()  # moves all from the log to the file
        return path.read_bytes()
