"""Mails to owners: one digest, two reminders, an end after the reconnect, and no flood whatever happens."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gmail_warmup.alerts.outbox import SendCounts
from gmail_warmup.alerts.owner_mails.delivery import OwnerMessage, send_due_mails
from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.mailboxes.renaming import rename_mailbox
from gmail_warmup.oauth.consent.invites import find_open_invite
from support.owner_mail_kit import OLIVIA, PETER, Post, flag, flag_again, pass_time, recover, tokens_in
from support.world import World

ADA, BOB, EVE = "ada@warm.example", "bob@warm.example", "eve@pool.example"


def run(world: World, post: Post) -> SendCounts:
    return send_due_mails(world.store.engine, post.mailer)


def add_owners(world: World, number: int) -> list[str]:
    """Flag one mailbox of each of some owners; return the owners in the order of their mails."""
    owners = [f"owner{each}@example.com" for each in range(number)]
    for each, owner in enumerate(owners):
        flag(world, f"box{each}@pool.example", owner=owner)
    return owners


def open_addresses(world: World, post: Post) -> list[list[str]]:
    """Return the mailboxes that the links of each mail open."""
    with world.store.engine.begin() as connection:
        found = [[find_open_invite(connection, token) for token in tokens_in(mail)] for mail in post.mails]
    return [[invite.address for invite in invites if invite] for invites in found]


def test_each_owner_gets_one_mail_with_a_link_for_each_mailbox(world: World):
    flag(world, ADA, BOB)
    flag(world, EVE, owner=PETER)
    flag(world, "nobody@pool.example", owner=None)
    post = Post()
    assert run(world, post) == SendCounts(sent=2)
    assert post.owners == [OLIVIA, PETER]
    assert open_addresses(world, post) == [[ADA, BOB], [EVE]]
    assert post.mails[0].subject == "Please sign in again: 2 mailboxes"
    assert ADA in post.mails[0].text
    assert EVE not in post.mails[0].text
    assert run(world, post) == SendCounts()


def test_who_needs_no_sign_in_again_gets_no_mail(world: World):
    flag(world, ADA, BOB, EVE)
    world.sql("UPDATE gmail_warmup.mailbox SET paused_at = now() WHERE address = :address", address=ADA)
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'blocked_by_admin' WHERE mailbox_id = 2")
    world.sql("UPDATE gmail_warmup.oauth_grant SET reason = 'never_granted' WHERE mailbox_id = 3")
    world.add("fine@pool.example", owner_email=OLIVIA)
    assert run(world, Post()) == SendCounts()


def test_reminders_follow_after_two_and_seven_days_and_no_more(world: World):
    flag(world, ADA)
    post = Post()
    days_of_mails = []
    for hour in range(24 * 12):
        if run(world, post).sent:
            days_of_mails.append(hour / 24)
        pass_time(world, hours=1)
    assert days_of_mails == [0, 2, 7]
    assert len({token for mail in post.mails for token in tokens_in(mail)}) == 3


def test_mailboxes_that_are_due_within_a_day_share_a_mail(world: World):
    flag(world, ADA)
    post = Post()
    run(world, post)
    pass_time(world, hours=12)
    flag(world, BOB)
    run(world, post)
    pass_time(world, days=1.5)
    run(world, post)
    assert [len(tokens_in(mail)) for mail in post.mails] == [1, 1, 2]


def test_a_reconnect_ends_the_mails(world: World):
    flag(world, ADA, BOB)
    post = Post()
    run(world, post)
    recover(world, ADA)
    pass_time(world, days=2)
    run(world, post)
    assert open_addresses(world, post)[1] == [BOB]
    recover(world, BOB)
    pass_time(world, days=7)
    assert run(world, post) == SendCounts()


def test_another_revocation_begins_again_but_not_within_six_hours(world: World):
    flag(world, ADA)
    post = Post()
    run(world, post)
    for _ in range(5):
        recover(world, ADA)
        flag_again(world, ADA)
        pass_time(world, hours=1)
        assert run(world, post) == SendCounts()
    pass_time(world, hours=1)
    assert run(world, post) == SendCounts(sent=1)
    pass_time(world, days=2)
    assert run(world, post) == SendCounts(sent=1)


def test_a_new_owner_is_mailed_from_the_start(world: World):
    flag(world, ADA)
    post = Post()
    run(world, post)
    world.sql("UPDATE gmail_warmup.mailbox SET owner_email = :owner", owner=PETER)
    run(world, post)
    assert post.owners == [OLIVIA, PETER]
    pass_time(world, days=2)
    run(world, post)
    assert post.owners == [OLIVIA, PETER, PETER]


GMAIL, GOOGLEMAIL = CONSUMER_DOMAINS


@pytest.mark.parametrize(
    ("address", "owner"),
    [
        (ADA, ADA),
        (ADA, "ada+mail@warm.example"),
        (ADA, "ada+@warm.example"),
        (f"ada.l@{GMAIL}", f"adal@{GMAIL}"),
        (f"ada.l@{GMAIL}", f"a.dal+mail@{GOOGLEMAIL}"),
    ],
)
def test_no_mail_goes_to_a_mailbox_that_needs_repair(world: World, address: str, owner: str):
    flag(world, address, owner=owner)
    flag(world, BOB, owner=address)
    post = Post()
    assert run(world, post) == SendCounts()
    recover(world, address)
    run(world, post)
    assert open_addresses(world, post) == [[BOB]]


@pytest.mark.parametrize("owner", ["ada.byron@warm.example", ADA, "ada+mail@warm.example"])
def test_none_goes_to_an_address_that_it_had_before_it_was_renamed(world: World, owner: str):
    flag(world, "ada.byron@warm.example", owner=owner)
    flag(world, BOB, owner=owner)
    with world.store.engine.begin() as connection:
        rename_mailbox(connection, "ada.byron@warm.example", ADA, actor="op")
    post = Post()
    assert run(world, post) == SendCounts()
    recover(world, ADA)
    run(world, post)
    assert open_addresses(world, post) == [[BOB]]


class KilledError(BaseException):
    """The process was killed."""


def test_a_process_that_dies_after_sending_causes_no_flood(world: World):
    flag(world, ADA)
    post = Post(error=KilledError())
    for _ in range(24 * 6):  # a day of runs, each of which dies once it has sent
        try:
            run(world, post)
        except KilledError:
            pass
        pass_time(world, minutes=10)
    assert 2 <= len(post.mails) <= 5
    post.error = None
    pass_time(world, days=1)
    assert run(world, post) == SendCounts(sent=1)
    assert open_addresses(world, post)[-1] == [ADA]


def test_a_mail_that_is_refused_is_tried_again_with_new_links(world: World, caplog: pytest.LogCaptureFixture):
    flag(world, ADA)
    post = Post(error=RuntimeError("with https://airflow.example.com/gmail-warmup/invite#secret"))
    assert run(world, post) == SendCounts(failed=1)
    assert open_addresses(world, post) == [[]], "the links of a mail that was not sent are revoked"
    assert run(world, post) == SendCounts()
    assert "RuntimeError" in caplog.text
    assert "invite#" not in caplog.text
    post.error = None
    pass_time(world, minutes=16)
    assert run(world, post) == SendCounts(sent=1)
    assert open_addresses(world, post)[1] == [ADA]


def test_a_server_that_is_down_costs_three_attempts_and_not_one_per_owner(world: World):
    add_owners(world, 6)
    post = Post(error=OSError())
    assert run(world, post) == SendCounts(failed=3)
    post.error = None
    assert run(world, post) == SendCounts(sent=3)


def test_owners_who_cannot_be_mailed_stop_no_later_one(world: World, caplog: pytest.LogCaptureFixture):
    owners = add_owners(world, 5)
    world.sql(  # as if a removal began between the two statements of a claim
        "INSERT INTO gmail_warmup.mailbox_removal (mailbox_id, requested_by, revoke_grant, trash_mail)"
        " SELECT id, 'op', false, false FROM gmail_warmup.mailbox WHERE id <= 4"
    )
    post = Post()
    assert run(world, post) == SendCounts(sent=1, failed=4)
    assert post.owners == owners[4:]
    assert "owner0@example.com gets no mail in this run: box0@pool.example is being removed." in caplog.text


@pytest.mark.parametrize(
    "fate",
    ["UPDATE gmail_warmup.invite SET used_at = now() WHERE id = 1", "DELETE FROM gmail_warmup.invite WHERE id = 1"],
)
def test_a_link_that_cannot_be_revoked_stops_no_later_one(world: World, fate: str):
    flag(world, ADA, BOB)
    flag(world, EVE, owner=PETER)
    post = Post()

    def send(message: OwnerMessage) -> None:
        post.send(message)
        if message.owner == OLIVIA:  # the mail arrived, the answer of the server did not
            world.sql(fate)
            raise OSError

    mailer = replace(post.mailer(), send=send)
    assert send_due_mails(world.store.engine, lambda: mailer) == SendCounts(sent=1, failed=1)
    assert open_addresses(world, post) == [[], [EVE]]


def test_processes_at_once_send_each_mail_once(world: World):
    owners = add_owners(world, 4)
    post = Post()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run(world, post), range(4)))
    assert sorted(post.owners) == owners


def test_what_was_mailed_is_recorded_without_a_link(world: World, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    flag(world, ADA)
    post = Post()
    run(world, post)
    (token,) = tokens_in(post.mails[0])
    assert f"Mailed {OLIVIA} the links to sign in again with {ADA}" in caplog.text
    assert world.rows("SELECT created_by FROM gmail_warmup.invite") == [("mail to the owner",)]
    recorded = world.rows("SELECT subject, after FROM gmail_warmup.change_log WHERE action = 'owner_mail'")
    assert recorded == [(ADA, {"owner_email": OLIVIA, "invite_id": 1})]
    tables = ("owner_mail", "invite", "change_log", "grant_event")
    stored = "".join(str(world.rows(f"SELECT to_jsonb(t)::text FROM gmail_warmup.{table} t")) for table in tables)
    assert token not in caplog.text + stored
