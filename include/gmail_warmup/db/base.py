"""Declarative base of the package's tables, which have their own schema."""

from __future__ import annotations

from sqlalchemy import DDL, MetaData, event
from sqlalchemy.orm import DeclarativeBase

SCHEMA = "gmail_warmup"

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(schema=SCHEMA, naming_convention=NAMING_CONVENTION)

# A fresh `airflow db migrate` creates the metadata and stamps, without running migrations. The schema has to exist.
event.listen(metadata, "before_create", DDL(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))  # type: ignore[no-untyped-call]


class Base(DeclarativeBase):
    """Base of every model of this package; separate from Airflow's own metadata."""

    metadata = metadata
