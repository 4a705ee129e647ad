"""The records in SQL: tables, migrations, and one public method per transaction."""

from fraisier.store.sql import SqlStore

__all__ = ["SqlStore"]
