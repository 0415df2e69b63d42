"""Every row of the error tables, and answers that come slowly, cut, with a wrong length or never, at every call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from bench.grants.outage import NO_OUTAGE
from bench.ground import Ground
from chaos.faults import NewFault
from chaos.forms import forms
from chaos.jobs import refresh
from chaos.runs import SETTINGS, Scene, names, task
from gmail_sandbox.fault_catalog import CATALOGUE
from gmail_warmup.core.enums import Action
from gmail_warmup.db.models import GrantState
from gmail_warmup.oauth.answers import Party
from oauth.answer_examples import list_examples, read

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "slow": {"delay_ms": 400},
    "too slow": {"delay_ms": 2_500},
    "cut in the middle": {"cut_after_bytes": 20},
    "too long a length": {"content_length": 5_000},
    "too short a length": {"content_length": 10},
}
"""What an answer can suffer that is right in itself."""

CLIENT = frozenset(
    {"token.invalid_client", "token.client_not_found", "token.deleted_client", "token.disabled_client",
     "token.invalid_scope", "token.invalid_request", "token.unsupported_grant_type"}
)  # fmt: skip
ABOUT_GRANTS = NO_OUTAGE - CLIENT | {
    "gmail.auth_error", "gmail.insufficient_scope", "gmail.domain_policy", "gmail.mail_service_not_enabled",
    "gmail.failed_precondition",
}  # fmt: skip
"""Rows that say something about a grant, so that they may flag it."""
UNKNOWN_OUTCOME = frozenset(
    {"gmail.cut", "gmail.hang", "gmail.backend_500", "gmail.html_502", "gmail.unavailable_503", "gmail.html_503",
     "gmail.timeout_504", "gmail.200_not_json", "gmail.200_foreign_json", "gmail.html_499"}
)  # fmt: skip
"""Rows after which the work may have been done all the same."""
REFUSED = frozenset({"badRequest", "invalidArgument", "delegationDenied", "thread_gone"})
"""Why a mail is given up for good: Gmail says that the request is wrong, or that the thread is gone."""

CALLS: Mapping[Action, tuple[str, ...]] = {
    Action.SEND: ("labels.list", "drafts.create", "drafts.send", "messages.get", "messages.modify"),
    Action.RESCUE: ("messages.list", "messages.get", "messages.modify"),
    Action.READ: ("messages.modify",),
    Action.REPLY: ("drafts.create", "drafts.send", "messages.get", "messages.modify"),
    Action.COLLECT: ("messages.list", "messages.get", "messages.modify"),
}
"""What each action asks of Gmail."""


@dataclass(frozen=True)
class Strike:
    """One answer that goes wrong."""

    where: str
    what: str
    when: str = "before"

    @property
    def fault(self) -> dict[str, Any]:
        """Return it as the stand-in takes it."""
        how = SHAPES.get(self.what, {"name": self.what})
        return {"where": self.where, "when": self.when, **how}


def strikes(action: Action, step: int) -> list[Strike]:
    rows = [(name, "before") for name, row in CATALOGUE.items() if row.edge == "gmail"]
    rows += [(name, "after") for name in (*UNKNOWN_OUTCOME, *SHAPES)]
    every = itertools.product(CALLS[action], rows)
    return [Strike(f"gmail.users.{call}", what, when) for call, (what, when) in every][::step]


def hits(scene: Scene) -> int:
    struck = sum(fault.hits for fault in scene.world.sandbox.faults())
    scene.world.sandbox.clear_faults()
    return struck


def repair(scene: Scene, address: str, strike: Strike) -> None:
    """Do what a person does after an answer that is about a grant or the client; nothing after any other."""
    if scene.world.grant(address).state is not GrantState.ACTIVE and strike.what in ABOUT_GRANTS:
        scene.invariants.suspects.add(address)
        scene.invariants.tokens[address] = scene.world.reauthenticate(address)
    scene.world.sql("DELETE FROM gmail_warmup.breaker")
    scene.world.sql(
        "UPDATE gmail_warmup.mailbox SET deferred_until = NULL, deferred_reason = NULL, half_volume_on = NULL, "
        "gmail_retry_at = NULL"
    )


@pytest.mark.parametrize("step", forms(1, 1))
def test_every_row_of_the_table_of_answers(step: int, record_property: Callable[[str, object], None]):
    """Count what was tried: each row for each party, as the product reads it. The rest of this file goes further."""
    examples = list_examples(*Party)[::step]
    wrong = [example.name for example in examples if read(example) != example.row.code]
    assert wrong == []
    record_property("answers_tried", len(examples))


@pytest.mark.parametrize("step", forms(11, 1))
def test_every_answer_of_the_token_endpoint(ground: Ground, fault: NewFault, step: int):
    every = [Strike("token", name) for name, row in CATALOGUE.items() if row.edge == "token"]
    every += [Strike("token", what, "after") for what in SHAPES]
    chosen = every[::step]
    scene = Scene.set(ground, fault("token endpoint: each answer"), names("asked", len(chosen)))
    scene.expire()
    for address, strike in zip(names("asked", len(chosen)), chosen, strict=True):
        # Two tries are made where an outage may be over at once.
        scene.world.sandbox.add_fault(address=address, times=2, **strike.fault)
        refresh(scene.world, address=address)
        scene.fault.struck(hits(scene))
        repair(scene, address, strike)
    scene.recover()
    scene.fault.hold()


@pytest.mark.parametrize("step", forms(17, 3))
def test_every_answer_of_gmail_at_every_call(ground: Ground, fault: NewFault, step: int):
    by_action = {action: strikes(action, step) for action in Action}
    count = max(map(len, by_action.values()))
    scene = Scene.set(ground, fault("Gmail API: each answer at each call"), names("struck", count), pool=count)
    scene.invariants.refused = REFUSED
    scene.world.sandbox.set(spam_chance=1.0)
    scene.world.settings = SETTINGS
    for action in Action:
        for address, strike in zip(scene.due(action), by_action[action], strict=False):
            scene.world.sandbox.add_fault(address=address, times=1, **strike.fault)
            task(scene.world, action, address)
            scene.fault.struck(hits(scene))
            repair(scene, address, strike)
        scene.catch_up(action)
    scene.recover()
    scene.fault.hold()
