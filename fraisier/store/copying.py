"""Rows as they are carried from one kind of database to another: plain values, and a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Boolean, Connection, Text, cast, column, inspect, select, table

from fraisier.store.tables import metadata
from fraisier.store.words import plain, to_json

#: What is kept of a database, what others refer to first. Workers are processes, no records.
TABLES = tuple(each.name for each in metadata.sorted_tables if each.name != "workers")
#: JSON columns of earlier schemas.
_OLD_JSON = {("deployments", "owner")}
CHUNK = 500
_MODULUS = 1 << 256

Row = list[Any]


@dataclass
class Digest:
    """How many rows there are, and a sum of their SHA-256 that no order of theirs changes."""

    rows: int = 0
    total: int = 0

    def add(self, row: Sequence[Any]) -> None:
        """Count a row."""
        text = json.dumps(row, sort_keys=True, separators=(",", ":"))
        number = int.from_bytes(hashlib.sha256(text.encode()).digest())
        self.rows, self.total = self.rows + 1, (self.total + number) % _MODULUS

    def as_json(self) -> dict[str, Any]:
        """Return it as it is written into a backup."""
        return {"rows": self.rows, "sha256": f"{self.total:064x}"}


def tables_there(connection: Connection) -> list[str]:
    """Return those of our tables that a database has, what others refer to first."""
    there = set(inspect(connection).get_table_names())
    return [name for name in TABLES if name in there]


def columns_of(connection: Connection, name: str) -> list[str]:
    """Return a table's columns without those that the database computes."""
    return [
        each["name"] for each in inspect(connection).get_columns(name) if not each.get("computed")
    ]


def read(connection: Connection, name: str, columns: Sequence[str]) -> Iterator[Row]:
    """Yield a table's rows as values of JSON; a JSON column's is a list of one, SQL's NULL None."""
    makers = [_maker(name, each) for each in columns]
    query: Any = select(*(_raw(connection, name, each) for each in columns)).select_from(
        table(name)
    )
    streamed = query.execution_options(stream_results=True, yield_per=CHUNK)
    for row in connection.execute(streamed):
        pairs = zip(makers, row, strict=True)
        yield [None if value is None else make(value) for make, value in pairs]


def write(connection: Connection, name: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows as `read` gave them."""
    statement = table(name, *map(column, columns)).insert()
    chunk: list[dict[str, Any]] = []
    for row in rows:
        values = (to_json(each[0]) if isinstance(each, list) else each for each in row)
        chunk.append(dict(zip(columns, values, strict=True)))
        if len(chunk) == CHUNK:
            connection.execute(statement, chunk)
            chunk = []
    if chunk:
        connection.execute(statement, chunk)


def _raw(connection: Connection, name: str, column_name: str) -> Any:
    """Return a column; JSON as text, where `null` is not NULL as it is to psycopg2."""
    as_text = connection.dialect.name == "postgresql" and _is_json(name, column_name)
    return cast(column(column_name), Text) if as_text else column(column_name)


def _is_json(name: str, column_name: str) -> bool:
    known = metadata.tables[name].columns.get(column_name)
    return (name, column_name) in _OLD_JSON or (known is not None and isinstance(known.type, JSON))


def _maker(name: str, column_name: str) -> Any:
    known = metadata.tables[name].columns.get(column_name)
    if _is_json(name, column_name):
        return _json
    if known is not None and isinstance(known.type, Boolean):
        return bool
    return _value


def _json(value: Any) -> Row:
    return [json.loads(to_json(json.loads(value)))]


def _value(value: Any) -> Any:
    return plain(value) if isinstance(value, str) else value
