"""Renaming: the address changes everywhere at once, and nothing else does."""

from __future__ import annotations

import pytest

from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.core.errors import InvalidInputError, MailboxBusyError, UnknownMailboxError
from gmail_warmup.mailboxes import removals, repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.renaming import rename_mailbox
from gmail_warmup.warmup.reporting.domain_days import merge_domain_days
from support.leftovers import find_columns_with
from support.mail_kit import ADA, POOL
from support.removal_kit import make_busy
from support.world import World

NEW = "ada.byron@other.example"
HISTORY = {
    # What was said or reported at that time keeps the address of that time.
    "alert.body", "alert.title", "audit.report", "change_log.before", "change_log.subject",
    "halt.reason", "incident.detail", "ledger.bounce_text",
    "mailbox.pause_reason",
}  # fmt: skip
KEPT = (
    "SELECT kind, warmup_days, band, mails_placed, label_id, history_id FROM gmail_warmup.mailbox WHERE id = 1",
    "SELECT * FROM gmail_warmup.oauth_grant WHERE mailbox_id = 1",
    "SELECT * FROM gmail_warmup.grant_event ORDER BY id",
    "SELECT * FROM gmail_warmup.mailbox_day ORDER BY 1, 2",
    "SELECT * FROM gmail_warmup.ledger ORDER BY id",
    "SELECT sum(sent), sum(inbox), sum(replied) FROM gmail_warmup.domain_day",
)


def rename(world: World, old: str = ADA, new: str = NEW) -> None:
    with world.store.engine.begin() as connection:
        rename_mailbox(connection, old, new, actor="op")


def test_every_place_changes_at_once_and_everything_else_is_kept(world: World):
    make_busy(world)
    world.sql("UPDATE gmail_warmup.consent SET mailbox_id = 1")
    before = [world.rows(query) for query in KEPT]
    rename(world)
    left = {found.partition(":")[0] for found in find_columns_with(world.store.engine, ADA, ADA.replace("@", "%40"))}
    assert left <= HISTORY
    assert [world.rows(query) for query in KEPT] == before
    assert world.rows("SELECT address, domain, identity FROM gmail_warmup.mailbox WHERE id = 1") == [
        (NEW, "other.example", NEW)
    ]
    assert world.rows("SELECT address FROM gmail_warmup.consent") == [(NEW,)]


def test_the_sums_of_the_days_follow_the_mailbox_to_its_new_domain(world: World):
    make_busy(world)
    rename(world)
    with world.store.engine.begin() as connection:
        merge_domain_days(connection)
    sums = "SELECT domain, sum(sent) FROM {} GROUP BY 1 HAVING sum(sent) <> 0 ORDER BY 1"
    days = "gmail_warmup.mailbox_day d JOIN gmail_warmup.mailbox m ON m.id = d.mailbox_id"
    counted = world.rows(sums.format(days))
    assert world.rows(sums.format("gmail_warmup.domain_day WHERE domain IS NOT NULL")) == counted
    assert [domain for domain, _ in counted] == ["other.example"]


def test_an_owner_with_the_former_address_gets_the_new_one(world: World):
    pia = POOL[0]
    world.add(ADA, owner_email=ADA)
    world.add(pia, kind="pool", owner_email=ADA)
    world.add("bob@warm.example", owner_email="bob@warm.example")
    rename(world)
    assert world.rows("SELECT address, owner_email FROM gmail_warmup.mailbox ORDER BY id") == [
        (NEW, NEW), (pia, NEW), ("bob@warm.example", "bob@warm.example"),
    ]  # fmt: skip
    changes = "SELECT subject, before, after FROM gmail_warmup.change_log WHERE action = 'mailbox_change' ORDER BY 1"
    assert world.rows(changes) == [
        (address, {"owner_email": ADA}, {"owner_email": NEW}) for address in (NEW, pia)
    ]  # fmt: skip


def test_another_spelling_of_the_same_mailbox_is_a_new_name_too(world: World):
    old, new = (f"{name}@{CONSUMER_DOMAINS[0]}" for name in ("adal", "ada.l"))
    with world.store.engine.begin() as connection:
        repository.add_or_update(connection, old, MailboxSettings(kind="pool"), actor="test")
    rename(world, old, new)
    assert world.mailbox(new).address == new


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("eve@warm.example", NEW, UnknownMailboxError, "eve@warm.example"),
        (ADA, "no address", InvalidInputError, "not a mail address"),
        (ADA, ADA, InvalidInputError, "is the present address"),
        (ADA, POOL[0], InvalidInputError, "Nothing was renamed: remove one of the two"),
    ],
)
def test_a_name_that_is_not_possible_is_refused(world: World, old: str, new: str, error: type[Exception], message: str):
    world.add(ADA)
    world.add(POOL[0])
    with pytest.raises(error, match=message):
        rename(world, old, new)
    assert world.mailbox(ADA).address == ADA


def test_a_mailbox_in_use_is_not_renamed(world: World):
    world.add(ADA)
    world.sql("UPDATE gmail_warmup.mailbox SET lease_until = now() + interval '1 minute'")
    with pytest.raises(MailboxBusyError, match="try again"):
        rename(world)


def test_a_mailbox_that_is_being_removed_is_not_renamed(world: World):
    world.add(ADA)
    with world.store.engine.begin() as connection:
        removals.request_removals(connection, [ADA], revoke_grant=False, trash_mail=False, actor="op")
    with pytest.raises(InvalidInputError, match="is being removed"):
        rename(world)
