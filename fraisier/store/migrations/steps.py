"""Steps of a migration that were perhaps taken already.

MySQL commits each change of the schema by itself, so a migration that was killed half-way begins
again: every step here does nothing where it is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

#: Text of more than MySQL's 64 KiB.
LONG_TEXT = sa.Text().with_variant(MEDIUMTEXT(), "mysql")
#: Names differ by their case and by every space, as on the other databases.
_MARIADB: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}
_MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_0900_bin"}


def create_table(name: str, *elements: Any) -> None:
    """Create a table."""
    dialect = op.get_bind().dialect
    collation = _MARIADB if getattr(dialect, "is_mariadb", False) else _MYSQL
    if not _look().has_table(name):
        op.create_table(name, *elements, mysql_engine="InnoDB", **collation)


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column."""
    if column.name not in _columns(table):
        op.add_column(table, column)


def drop_column(table: str, name: str) -> None:
    """Remove a column and what it holds."""
    if name in _columns(table):
        op.drop_column(table, name)


def create_index(name: str, table: str, columns: Sequence[str], unique: bool = False) -> None:
    """Create an index."""
    if name not in _indexes(table):
        op.create_index(name, table, list(columns), unique=unique)


def only_partial(name: str, table: str, columns: Sequence[str], where: str) -> None:
    """Create a unique index over some rows; MySQL, which has no such index, goes without."""
    if op.get_bind().dialect.name != "mysql" and name not in _indexes(table):
        part = sa.text(where)
        op.create_index(
            name, table, list(columns), unique=True, sqlite_where=part, postgresql_where=part
        )


def drop_index(name: str, table: str) -> None:
    """Remove an index."""
    if name in _indexes(table):
        op.drop_index(name, table)


def _look() -> sa.Inspector:
    return sa.inspect(op.get_bind())


def _columns(table: str) -> set[str]:
    return {column["name"] for column in _look().get_columns(table)}


def _indexes(table: str) -> set[str | None]:
    return {index["name"] for index in _look().get_indexes(table)}
