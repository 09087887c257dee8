"""Run by Alembic: upgrade the database of the connection that it was given, in that connection's transaction."""

from alembic import context

from core.catalog.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
