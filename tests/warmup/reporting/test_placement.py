"""Placement: read before anything is modified, and counted by provider, domain and category."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.warmup.reporting.placement import count_placements
from support.mail_kit import ADA, POOL, act, copy_of, counted, due, everybody, find_at_night, labels, ledger, past, use
from support.workers import hook
from support.world import World


@pytest.mark.parametrize(
    ("scene", "placement", "counted_as"),
    [
        ({}, "inbox", "inbox"),
        ({"spam_chance": 1}, "spam", "spam"),
        ({"category_chances": {"CATEGORY_PROMOTIONS": 1}}, "promotions", "elsewhere"),
        ({"category_chances": {"CATEGORY_SOCIAL": 1}}, "social", "elsewhere"),
        ({"category_chances": {"CATEGORY_UPDATES": 1}}, "updates", "elsewhere"),
        ({"category_chances": {"CATEGORY_FORUMS": 1}}, "forums", "elsewhere"),
        ({"category_chances": {"CATEGORY_PERSONAL": 1}}, "inbox", "inbox"),
    ],
)
def test_the_placement_is_what_gmail_decided(warm: World, scene: dict[str, object], placement: str, counted_as: str):
    warm.sandbox.set(**scene)
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE)
    assert [row.placement for row in ledger(warm)] == [placement] * 6
    assert counted(warm, counted_as) == (6,)


def test_it_is_read_before_anything_is_touched(warm: World):
    """In the order of Gmail's log, each message is found and read before it is modified."""
    warm.sandbox.set(spam_chance=0.5)
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ)
    for address in POOL:
        calls = warm.sandbox.calls(address)
        touched = [call.target for call in calls if call.method == "messages.modify"]
        assert touched
        log = [(call.method, call.target) for call in calls]
        for message_id in set(touched):
            assert log.index(("messages.get", message_id)) < log.index(("messages.modify", message_id))


def test_a_mail_that_does_not_come_is_missing_after_a_while(warm: World):
    use(warm, missing_after=3600)
    warm.sandbox.set(delivery_delay_seconds=86400 * 30)
    act(warm, Action.SEND)
    past(warm, days=0.02)
    assert everybody(warm, Action.RESCUE) == {"not_there_yet": 6}
    assert counted(warm, "missing") == (0,)
    assert everybody(warm, Action.RESCUE) == {}, "it is looked for ever later, not all the time"
    past(warm, days=0.1)
    warm.sql("UPDATE gmail_warmup.ledger SET locate_due_at = now()")
    assert everybody(warm, Action.RESCUE) == {"missing": 6}
    assert everybody(warm, Action.RESCUE) == {}
    assert counted(warm, "missing", "inbox") == (6, 0)
    assert due(warm, Action.RESCUE) == []


def test_one_that_comes_late_but_in_time_is_placed(warm: World):
    warm.sandbox.set(delivery_delay_seconds=3600)
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE)
    warm.sandbox.advance(3601)
    warm.sql("UPDATE gmail_warmup.oauth_grant SET access_token = NULL, access_expires_at = NULL")
    warm.sql("UPDATE gmail_warmup.ledger SET locate_due_at = now()")
    assert everybody(warm, Action.RESCUE)["placed_inbox"] == 6


def test_what_only_looks_like_warmup_mail_is_never_touched(warm: World):
    """A mail without the token is not a warmup mail, even with the same sender, subject, thread and Message-ID."""
    act(warm, Action.SEND)
    mail = warm.sandbox.mails()[0]
    box, headers = mail.to[0], {"References": mail.rfc_message_id}
    strangers = [
        warm.sandbox.deliver(box, sender=ADA, subject=mail.subject, text="A real question."),
        warm.sandbox.deliver(box, sender=ADA, subject=f"Re: {mail.subject}", text="And?", headers=headers),
        warm.sandbox.deliver(box, sender=ADA, subject=mail.subject, headers={"Message-ID": mail.rfc_message_id}),
        warm.sandbox.deliver(box, sender=ADA, subject=mail.subject, labels=["SPAM"], headers={"X-Warmup-Id": "f" * 32}),
    ]
    before = [labels(warm, box, stranger.message_id) for stranger in strangers]
    seen = len(warm.sandbox.calls(box))
    everybody(warm, Action.RESCUE, Action.READ, Action.REPLY, Action.COLLECT)
    assert [labels(warm, box, stranger.message_id) for stranger in strangers] == before
    changes = [call for call in warm.sandbox.calls(box)[seen:] if call.method == "messages.modify"]
    assert {call.target for call in changes}.isdisjoint(stranger.message_id for stranger in strangers)
    assert all(row.placement == "inbox" for row in ledger(warm) if row.turn == 1)


def test_a_mail_that_the_person_deleted_meanwhile_is_let_go(warm: World):
    act(warm, Action.SEND)
    find_at_night(warm)
    warm.sql("UPDATE gmail_warmup.ledger SET recipient_gmail_id = 'gone'")
    assert everybody(warm, Action.READ) == {}
    assert due(warm, Action.READ) == []
    assert counted(warm, "read") == (0,)


def test_placements_by_provider_and_domain(warm: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gmail_warmup.warmup.reporting.placement.CONSUMER_DOMAINS", ("consumer.example",))
    mia = "mia@consumer.example"
    warm.add(mia, kind="pool", expired=False)
    warm.sandbox.set(category_chances={"CATEGORY_PROMOTIONS": 0.5})
    warm.sandbox.put_mailbox(mia, spam_chance=1)
    use(warm, ramp_start=20)
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, addresses=(*POOL, mia))
    week_ago = datetime.now(UTC) - timedelta(days=7)
    with warm.store.engine.begin() as connection:
        found = count_placements(connection, since=week_ago)
        assert count_placements(connection, since=week_ago, sender_ids=[warm.mailbox(ADA).id]) == found
        assert count_placements(connection, since=week_ago, sender_ids=[]) == []
        assert count_placements(connection, since=datetime.now(UTC) + timedelta(days=1)) == []
    seen = Counter((mail.to[0].rpartition("@")[2], copy_of(mail).placement) for mail in warm.sandbox.mails())
    assert {(row.provider, row.domain, row.placement): row.mails for row in found} == {
        ("consumer", "consumer.example", "spam"): seen["consumer.example", "SPAM"],
        ("workspace", "pool.example", "inbox"): seen["pool.example", "INBOX"],
        ("workspace", "pool.example", "promotions"): seen["pool.example", "CATEGORY_PROMOTIONS"],
    }


def test_identity_survives_a_hook_without_help(warm: World):
    """The Message-ID that Gmail assigns is read back, so that the recipient finds the mail by it."""
    act(warm, Action.SEND)
    for row, mail in zip(ledger(warm), warm.sandbox.mails(), strict=True):
        assert row.rfc_message_id == mail.rfc_message_id
        found = hook(warm, mail.to[0]).find_message(mail.rfc_message_id, row.token)
        assert found
        assert hook(warm, mail.to[0]).find_message(mail.rfc_message_id, "0" * 32) is None
