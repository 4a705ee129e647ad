"""Alembic's entry: it runs in the transaction it is handed, where the database has such."""

from alembic import context

from fraisier.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=connection.dialect.name != "mysql",
)
context.run_migrations()
