"""Helpers for tests of removals: a mailbox about which something is stored in every table, and its removal."""

from __future__ import annotations

from typing import Any

from gmail_warmup.core.enums import Action
from gmail_warmup.mailboxes import removals
from gmail_warmup.mailboxes.removals import Removal
from gmail_warmup.oauth.consent import invites
from gmail_warmup.warmup.removal.run import continue_removal
from support.mail_kit import ADA, AT_ONCE, POOL, act, everybody, use
from support.workers import services
from support.world import World

NAME, SIGNATURE, OWNER = "Ada Lovelace-Byron", "Ada of the Analytical Engine", "annabella@owners.example"
_TEXTS = """
INSERT INTO gmail_warmup.alert (kind, title, body, sent_at) VALUES
    ('changes', 'Re-authenticate ada@warm.example', E'see\nADA@warm.example, xada@warm.example', now()),
    ('changes', 'one', 'http://airflow.example/x?q=ada%40warm.example', NULL);
INSERT INTO gmail_warmup.audit (run_id, actor, healthy, report) VALUES
    ('run-1', 'op', 3, '{"attention": [{"address": "ada@warm.example", "step": "sign in:\\nada@warm.example"}]}');
INSERT INTO gmail_warmup.halt (started_by, reason, ended_at) VALUES ('op', 'ada@warm.example sends too much', now());
INSERT INTO gmail_warmup.breaker (client_id, failed_mailbox_ids) VALUES ('client', '{1, 7}');
INSERT INTO gmail_warmup.incident (kind, reason, detail, closed_at) VALUES
    ('outage', 'unreachable', '{"mailboxes": ["ada@warm.example"]}', now());
INSERT INTO gmail_warmup.consent (state_hash, purpose, address, mailbox_settings, code_verifier, airflow_user,
    browser_hash, expires_at) VALUES ('h1', 'add', 'ada@warm.example', '{"display_name": "Ada Lovelace-Byron"}', 'x',
    'op', 'b', now());
INSERT INTO gmail_warmup.repair (airflow_user, mailbox_id, position) VALUES ('op', 1, 1);
INSERT INTO gmail_warmup.mailbox_failure (mailbox_id, not_working_at, reason, detail) VALUES (1, now(), 'x', 'y');
INSERT INTO gmail_warmup.mailbox_tag (mailbox_id, tag) VALUES (1, 'countess');
INSERT INTO gmail_warmup.change_log (actor, action, subject_kind, subject, mailbox_id, before, after) VALUES
    ('op', 'mailbox_change', 'mailbox', 'ada@warm.example', 1, '{"display_name": "Ada Lovelace-Byron"}',
    '{"owner_email": "annabella@owners.example"}');
UPDATE gmail_warmup.mailbox SET pause_reason = 'stands in for ada@warm.example', paused_by = 'op' WHERE id = 2;
UPDATE gmail_warmup.ledger SET bounce_text = '550 ada@warm.example' WHERE id = 1;
"""


def make_busy(world: World) -> None:
    """Add Ada and a pool, let them exchange mail, and store something about Ada in every place that can hold it."""
    world.add(ADA, kind="warmup", expired=False)
    for address in POOL:
        world.add(address, expired=False)
    fill(world)


def fill(world: World) -> None:
    """Let Ada, the first mailbox, exchange mail with the pool, and store something about her in every place."""
    use(world, **(AT_ONCE.model_dump() | {"audit_rate": 1000, "rescue_rate": 100}))
    world.sql(
        "UPDATE gmail_warmup.mailbox SET reply_rate = 100, open_rate = 100, display_name = :name,"
        " signature = :signature, owner_email = :owner WHERE id = 1",
        owner=OWNER,
        name=NAME,
        signature=SIGNATURE,
    )
    pool = [address for (address,) in world.rows("SELECT address FROM gmail_warmup.mailbox WHERE kind = 'pool'")]
    act(world, Action.SEND)
    everybody(world, Action.RESCUE, Action.READ, Action.REPLY, addresses=pool)
    act(world, Action.COLLECT)
    with world.store.engine.begin() as connection:
        invites.create_invites(connection, [ADA], actor="op", days=7)
    for statement in _TEXTS.split(";\n"):
        world.sql(statement.replace(":", r"\:")) if statement.strip() else None


def request(world: World, *addresses: str, revoke_grant: bool = False, trash_mail: bool = False) -> list[int]:
    """Begin to remove mailboxes."""
    with world.store.engine.begin() as connection:
        return removals.request_removals(
            connection, addresses or (ADA,), revoke_grant=revoke_grant, trash_mail=trash_mail, actor="op"
        )


def go_on(world: World, removal_id: int = 1, **options: Any) -> Removal:
    """Continue a removal."""
    return continue_removal(services(world).removal_tools, removal_id, **options)


def remove(world: World, address: str = ADA, **options: bool) -> Removal:
    """Remove a mailbox."""
    return go_on(world, request(world, address, **options)[0])
