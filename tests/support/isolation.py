"""A database without check constraints, for tests that store values that break a rule."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.models import Base

_DROP_CHECKS = f"""
DO $$ DECLARE found record; BEGIN
    FOR found IN
        SELECT conrelid::regclass AS owner, conname FROM pg_constraint
        WHERE contype = 'c' AND connamespace = '{SCHEMA}'::regnamespace AND conrelid <> 0
    LOOP
        EXECUTE format('ALTER TABLE %%s DROP CONSTRAINT %%I', found.owner, found.conname);
    END LOOP;
END $$
"""


def make_unchecked_database(postgres: str, name: str) -> sa.Engine:
    """Make a database with the tables of the product, which accept every value that their types accept."""
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine = sa.create_engine(sa.make_url(postgres).set(database=name), poolclass=sa.pool.NullPool)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(_DROP_CHECKS)
    return engine
