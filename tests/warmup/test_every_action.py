"""A member of ``Action`` is complete: a function performs it, and a query finds the mailboxes with something due.

Its tasks in the DAG, its metrics and its row of the backlog are derived from the enum.
"""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import IncompleteActionError
from gmail_warmup.warmup.actions import run
from gmail_warmup.warmup.planning import due
from gmail_warmup.warmup.planning.backlog import _build_count_query


@pytest.mark.parametrize("action", Action)
def test_every_action_has_its_work(action: Action):
    assert callable(run._get_action_function(action))


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.SEND])
def test_every_action_becomes_due(action: Action):
    """Sending has no query: it follows the plan."""
    assert due.get_waiting_queries(action)


@pytest.mark.parametrize(
    ("table", "get_part", "missing", "place"),
    [
        (run._ACTION_FUNCTIONS, run._get_action_function, "function", "_ACTION_FUNCTIONS in warmup/actions/run.py"),
        (due.WAITING_QUERIES, due.get_waiting_queries, "query", "WAITING_QUERIES in warmup/planning/due.py"),
        (due.WAITING_QUERIES, _build_count_query.__wrapped__, "query", "WAITING_QUERIES in warmup/planning/due.py"),
    ],
)
def test_an_incomplete_action_is_reported_with_the_missing_part_and_its_place(
    monkeypatch: pytest.MonkeyPatch, table: dict[Action, Any], get_part: Any, missing: str, place: str
):
    monkeypatch.delitem(table, Action.READ)
    with pytest.raises(IncompleteActionError, match=f"The action 'read' is incomplete: the {missing} .* {place}"):
        get_part(Action.READ)
