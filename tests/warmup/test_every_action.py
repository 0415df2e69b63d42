"""An action is whole: it has work, something that makes it due, and a task in the DAG."""

from __future__ import annotations

import ast
from pathlib import Path

from gmail_warmup.core.enums import Action
from gmail_warmup.warmup.actions import run
from gmail_warmup.warmup.planning.due import WAITING_QUERIES

DAG = Path(__file__).parents[2] / "dags" / "gmail_warmup.py"


def test_every_action_has_its_work():
    assert set(run._ACTION_FUNCTIONS) == set(Action)


def test_every_action_becomes_due():
    assert set(WAITING_QUERIES) == set(Action) - {Action.SEND}, "what waits for an action; sending goes by the plan"


def test_every_action_is_a_task_of_the_dag():
    assigned = [node for node in ast.parse(DAG.read_text()).body if isinstance(node, ast.Assign)]
    actions = next(node.value for node in assigned if ast.unparse(node.targets[0]) == "ACTIONS")
    assert ast.literal_eval(actions) == tuple(action.value for action in Action)
