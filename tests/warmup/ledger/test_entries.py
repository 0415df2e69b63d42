"""The ledger's rows: updates under a condition, and no health decision in the ledger."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from gmail_warmup.core.enums import Action, Placement
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.warmup.ledger import daily_counters, entries
from gmail_warmup.warmup.ledger.daily_counters import Outcome, get_placement_counter
from support.mail_kit import act, ledger, use
from support.world import World


def test_the_ledger_imports_nothing_of_health():
    modules = Path(entries.__file__).parent.glob("*.py")
    assert [
        path.name for path in modules if re.search(r"import .*warmup\.health|from .*warmup\.health", path.read_text())
    ] == []


def test_an_update_sets_values_times_and_delays_only_under_its_condition(warm: World):
    use(warm, ramp_start=1)
    act(warm, Action.SEND)
    with warm.store.engine.begin() as connection:
        changes = {"read_at": entries.NOW, "mark_due_at": timedelta(hours=1), "starred": True}
        assert entries.update_entry(connection, 1, L.read_at.is_(None), **changes)
        assert not entries.update_entry(connection, 1, L.read_at.is_(None), starred=False)
    (row,) = ledger(warm)
    assert row.mark_due_at - row.read_at == timedelta(hours=1)
    assert row.starred


def test_an_outcome_affects_health_if_it_tells_about_placement_or_a_bounce(warm: World):
    use(warm, ramp_start=1)
    act(warm, Action.SEND)
    with warm.store.engine.begin() as connection:
        first = entries.get_entry(connection, 1)
        affects = {outcome for outcome in Outcome if daily_counters.count_outcome(connection, first, outcome)}
    assert affects == {get_placement_counter(placement) for placement in Placement} | {Outcome.BOUNCED}
