"""The engine that tasks inherit: it knows their statements, and connects to the database that the task names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import CacheStats, ExecutionContext

from gmail_warmup.db import statement_cache
from gmail_warmup.mailboxes import repository
from support.mail_kit import ADA
from support.world import World


@pytest.fixture
def inherited(world: World) -> Iterator[sa.Engine]:
    """Prepare an engine, and take it for the database of the test as a task does."""
    statement_cache.compile_statements()
    engine = statement_cache.take_prepared_engine(world.store.engine.url)
    yield engine
    engine.dispose()


def test_its_statements_are_compiled_before_the_first_connection(world: World, inherited: sa.Engine):
    world.add(ADA)
    hits = []

    @sa.event.listens_for(inherited, "before_cursor_execute")
    def note(_: object, __: object, ___: object, ____: object, context: ExecutionContext, _____: bool) -> None:
        hits.append(context.cache_hit)

    with inherited.begin() as connection:
        assert repository.get_mailbox(connection, ADA).address == ADA
    assert hits == [CacheStats.CACHE_HIT]


def test_a_process_takes_it_once(world: World, inherited: sa.Engine):
    url = world.store.engine.url
    assert inherited.url == url  # what an error names
    assert statement_cache.take_prepared_engine(url) is not inherited


def test_a_statement_is_built_once_for_the_same_arguments():
    built: list[str] = []

    @statement_cache.cache_statement
    def build(name: str) -> sa.Select[int]:
        built.append(name)
        return sa.select(sa.column(name))

    assert build("id") is build("id") is not build("address")
    assert built == ["id", "address"]
