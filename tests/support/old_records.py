"""The records of earlier versions, in a database of any kind."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from fraisier.store.copying import columns_of, read, tables_there, write
from fraisier.store.database import connect
from fraisier.store.migrate import upgrade

FOLDER = Path(__file__).parents[1] / "contract"
RELEASED = ("0001",)


def fill(url: str, revision: str) -> None:
    """Bring an empty database to a released revision and give it the records of that version."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/old.db"
        with closing(sqlite3.connect(file)) as made:
            made.executescript((FOLDER / f"records_{revision}.sql").read_text())
        source, target = connect(f"sqlite:///{file}"), connect(url)
        upgrade(target, revision)
        reading = source.connect().execution_options(reading=True)
        with reading as old, target.begin() as connection:
            for name in tables_there(old):
                columns = columns_of(old, name)
                write(connection, name, columns, read(old, name, columns))
        source.dispose()
        target.dispose()
