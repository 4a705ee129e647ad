"""Alembic's entry: it runs in the transaction it is handed."""

from alembic import context

from fraisier.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
