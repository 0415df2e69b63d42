"""Bad values in one column after the other: what else stops is counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from chaos.faults import NewFault
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.db.engine import make_engine
from gmail_warmup.oauth.grant_store import GrantStore
from support.isolation import make_unchecked_database
from support.poison import poisons, settable_columns
from support.poisoned_world import PoisonedWorld
from support.world import World


@pytest.fixture(scope="module")
def schema(postgres: str) -> sa.Engine:
    """Return a database whose tables accept every value that their types accept."""
    return make_unchecked_database(postgres, "chaos_isolation")


@pytest.fixture
def store(database: sa.Engine, cipher: Cipher) -> GrantStore:
    return GrantStore(make_engine(database.url), cipher)


@pytest.mark.chaos
@pytest.mark.parametrize(("table", "column"), settable_columns())
def test_bad_values_in_a_column_stop_nobody_else(
    world: World, fault: NewFault, record_property: Callable[[str, object], None], table: str, column: str
):
    poisoned = PoisonedWorld(world)
    poisoned.prepare()
    poisoned.store(poisons(table, column))
    stopped = poisoned.find_stopped()
    found = fault("rows: values that break a rule")
    found.struck(len(poisoned.victims))
    found.found([f"{table}.{column}: {what}" for what in stopped], checked=1)
    record_property("poisoned_columns", 1)
    record_property("others_stopped", len(stopped))
    assert stopped == []
