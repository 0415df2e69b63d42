"""The removal of a mailbox: nothing stays, partners keep their counts, and whatever happens it is finished."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy.exc import DBAPIError

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import GmailWarmupError, InvalidInputError, UnknownMailboxError
from gmail_warmup.db.models import Base
from gmail_warmup.mailboxes import removals, repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.removals import MailboxBeingRemovedError, Removal
from gmail_warmup.oauth.consent import invites
from gmail_warmup.oauth.consent.errors import ConsentRefusedError
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import TokenEndpoint
from gmail_warmup.warmup.actions.run import run_action
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.warmup.removal import steps
from gmail_warmup.warmup.removal.text import describe_removal
from support.interleaving import holding
from support.leftovers import find_columns_with
from support.mail_kit import ADA, POOL, act, due, everybody, labels, ledger
from support.removal_kit import NAME, OWNER, SIGNATURE, go_on, make_busy, remove, request
from support.workers import hook
from support.world import CLIENT_ID, CLIENT_SECRET, World
from web.kit import at_google

GOES_ON = "It continues automatically with the next run of gmail_monitor."
SECRETS = "SELECT refresh_token, access_token FROM gmail_warmup.oauth_grant WHERE mailbox_id = 1"
OTHERS_DAYS = "SELECT * FROM gmail_warmup.mailbox_day WHERE mailbox_id <> 1 ORDER BY 1, 2"
SUMS = "SELECT sum(claimed), sum(sent), sum(inbox), sum(replied) FROM gmail_warmup.domain_day"
RECEIVED = "SELECT id, placement, read_at, claimed_at FROM gmail_warmup.ledger WHERE recipient_id = 2 ORDER BY id"


@pytest.fixture
def busy(world: World) -> World:
    make_busy(world)
    return world


def test_nothing_about_the_mailbox_stays_in_any_column(busy: World):
    (secrets,) = busy.rows(SECRETS)
    subjects = {row.subject for row in ledger(busy) if 1 in (row.sender_id, row.recipient_id)}
    ids = {row.rfc_message_id.strip("<>") for row in ledger(busy) if row.rfc_message_id and row.sender_id == 1}
    needles = (ADA, ADA.replace("@", "%40"), NAME, SIGNATURE, OWNER, *secrets, *subjects, *ids)
    assert len(find_columns_with(busy.store.engine, ADA, ADA.replace("@", "%40"))) >= 9
    assert remove(busy).is_done
    left = find_columns_with(busy.store.engine, *needles)
    assert left == ["alert.body: ada@warm.example"]  # as a part of another address
    assert busy.rows("SELECT body FROM gmail_warmup.alert ORDER BY id")[0] == ("see\n(gone), xada@warm.example",)


def test_no_row_of_any_table_refers_to_the_mailbox(busy: World):
    remove(busy)
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            is_key = any(key.column.table.name == "mailbox" for key in column.foreign_keys)
            if is_key or column.name in ("sender_id", "recipient_id"):
                assert busy.rows(f"SELECT 1 FROM {table} WHERE {column.name} = 1") == [], (table.name, column.name)
    assert busy.rows("SELECT failed_mailbox_ids FROM gmail_warmup.breaker") == [([7],)]


def test_partners_keep_their_counts(busy: World):
    days, sums, received = busy.rows(OTHERS_DAYS), busy.rows(SUMS), busy.rows(RECEIVED)
    assert received
    remove(busy)
    assert (busy.rows(OTHERS_DAYS), busy.rows(SUMS), busy.rows(RECEIVED)) == (days, sums, received)
    assert everybody(busy, *Action) == {}
    assert [due(busy, action) for action in Action] == [[], [], [], [], []]


def test_the_receipt_counts_what_was_deleted(busy: World):
    mails = len(ledger(busy))
    removal = remove(busy)
    assert removal.address is None
    assert removal.receipt["deleted"]["mailbox"] == 1
    assert removal.receipt["deleted"]["consent"] == 1
    assert removal.receipt["deleted"]["grant_event"] >= 1
    assert removal.receipt["anonymized"] == {"ledger": mails}
    assert removal.receipt["redacted"] == {"alert": 2, "audit": 1, "halt": 1, "incident": 1, "mailbox": 1}
    assert "Deleted: " in describe_removal(removal)
    assert ADA not in str(busy.rows("SELECT * FROM gmail_warmup.mailbox_removal"))


def test_mails_between_two_removed_mailboxes_are_deleted(busy: World):
    for address in (ADA, *POOL):
        remove(busy, address)
    assert ledger(busy) == []


def test_mails_of_the_history_are_anonymized_too(busy: World):
    busy.sql("UPDATE gmail_warmup.ledger SET claimed_at = claimed_at - interval '60 days', trash_due_at = NULL")
    busy.rows("SELECT gmail_warmup.move_mails(0, now(), 1000)")
    moved = busy.rows("SELECT count(*) FROM gmail_warmup.ledger_history")[0][0]
    assert moved
    assert remove(busy).receipt["anonymized"]["ledger_history"] == moved
    assert busy.rows("SELECT subject FROM gmail_warmup.ledger_history WHERE subject <> ''") == []


def lease(world: World, mailbox_id: int, holder: str = "task") -> None:
    """Lease a mailbox, as a task does."""
    world.sql(
        "UPDATE gmail_warmup.mailbox SET lease_holder = :holder, lease_until = now() + interval '1 minute'"
        " WHERE id = :id",
        id=mailbox_id,
        holder=holder,
    )


def test_from_the_request_on_nothing_uses_the_mailbox(world: World):
    world.add(ADA, kind="warmup")
    with world.store.engine.begin() as connection:
        invites.create_invites(connection, [ADA], actor="op", days=7)
    lease(world, 1)
    assert request(world) == request(world)  # it is begun once
    removal = go_on(world)
    assert (removal.is_done, removal.problem) == (False, "mailbox_busy")
    assert "A task uses the mailbox." in describe_removal(removal)
    with world.store.engine.begin() as connection:
        assert repository.resume_mailboxes(connection, [ADA], actor="op") == 0
        with pytest.raises(MailboxBeingRemovedError, match="is being removed"):
            removals.require_kept(connection, [ADA])
        with pytest.raises(MailboxBeingRemovedError, match="is being removed"):
            invites.create_invites(connection, [ADA], actor="op", days=7)
    assert [due(world, action) for action in Action] == [[], [], [], [], []]
    assert world.rows("SELECT revoked_by FROM gmail_warmup.invite") == [("op",)]


def test_it_waits_for_the_task_that_uses_the_mailbox_and_says_so(world: World):
    world.add(ADA)
    lease(world, 1)
    told: list[str] = []

    def end_task(removal: Removal) -> None:
        told.append(describe_removal(removal))
        world.sql("UPDATE gmail_warmup.mailbox SET lease_holder = NULL, lease_until = NULL")

    request(world)
    assert go_on(world, wait=60, on_wait=end_task, sleep=lambda _: None).is_done
    assert told == [f"The removal of {ADA} waits. A task uses the mailbox. {GOES_ON}"]


def test_it_waits_for_a_partner_that_is_sending_to_the_mailbox(world: World):
    make_busy(world)
    world.sql("UPDATE gmail_warmup.ledger SET status = 'drafted', draft_id = 'd' WHERE sender_id = 1 AND id = 1")
    lease(world, 1)
    pool = world.rows("SELECT address FROM gmail_warmup.mailbox JOIN gmail_warmup.ledger l ON l.recipient_id ="
                      " mailbox.id WHERE l.id = 1")[0][0]  # fmt: skip
    removal_id = request(world, pool)[0]
    assert go_on(world, removal_id).problem == "partner_busy"
    world.sql("UPDATE gmail_warmup.mailbox SET lease_until = NULL")
    assert go_on(world, removal_id).is_done
    assert world.rows("SELECT status, failure, recipient_id FROM gmail_warmup.ledger WHERE id = 1") == [
        ("failed", "mailbox_removed", None)
    ]


def read_refresh_token(world: World) -> str:
    grant = world.grant(ADA)
    return world.store.cipher.decrypt(grant.secret_owner, grant.refresh_token or "")


def test_the_grant_is_revoked_at_google(world: World):
    world.add(ADA)
    token = read_refresh_token(world)
    removal = remove(world, revoke_grant=True)
    assert removal.revoke_outcome == "done"
    assert "Google revoked the grant." in describe_removal(removal)
    assert TokenEndpoint(world.client).refresh_access_token(token).reason.code == "expired_or_revoked"


def test_a_grant_is_kept_at_google_unless_its_end_is_asked_for(world: World):
    world.add(ADA)
    token = read_refresh_token(world)
    assert remove(world).revoke_outcome is None
    assert TokenEndpoint(world.client).refresh_access_token(token).reason.code == "ok"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"close": True}, "unreachable"),
        ({"answer": {"status": 503, "body": "unavailable"}}, "server_error"),
        ({"answer": {"status": 200, "body": "<p>Welcome to the hotel network</p>"}}, "not_json"),
        ({"answer": {"status": 429, "body": "slow down"}}, "throttled"),
    ],
)
def test_an_endpoint_that_fails_does_not_lose_the_removal(world: World, fault: dict[str, Any], code: str):
    world.add(ADA)
    world.sandbox.add_fault("revoke", **fault)
    removal = remove(world, revoke_grant=True)
    assert (removal.is_done, removal.step, removal.problem) == (False, "revoke", code)
    assert ADA in describe_removal(removal)
    world.sandbox.clear_faults()
    assert go_on(world).revoke_outcome == "done"


def test_after_a_day_of_failures_the_receipt_names_what_is_left_to_do(world: World):
    world.add(ADA)
    world.sandbox.add_fault("revoke", close=True)
    removal_id = request(world, revoke_grant=True)[0]
    world.sql("UPDATE gmail_warmup.mailbox_removal SET requested_at = now() - interval '25 hours'")
    removal = go_on(world, removal_id)
    assert (removal.is_done, removal.revoke_outcome) == (True, "unreachable")
    assert "The grant was not revoked: Google could not be reached. The owner" in describe_removal(removal)


def test_a_grant_that_cannot_be_decrypted_does_not_stop_the_removal(world: World):
    world.add(ADA)
    world.sql("UPDATE gmail_warmup.oauth_grant SET refresh_token = 'gAAAAAB'")
    assert remove(world, revoke_grant=True).revoke_outcome == "undecryptable"


def test_its_warmup_mail_and_only_that_is_moved_to_the_trash(world: World):
    make_busy(world)
    foreign = world.sandbox.deliver(ADA, sender="friend@other.example", subject="Hello").message_id
    own = [row.gmail_id if row.sender_id == 1 else row.recipient_gmail_id for row in ledger(world)]
    partner = [row.recipient_gmail_id for row in ledger(world) if row.recipient_id == 2 and row.recipient_gmail_id]
    removal = remove(world, trash_mail=True)
    assert (removal.trash_outcome, removal.trashed) == ("done", len(own))
    world.add(ADA)  # a new mailbox, to look into it
    assert all("TRASH" in labels(world, ADA, message_id) for message_id in own)
    assert "TRASH" not in labels(world, ADA, foreign)
    assert all("TRASH" not in labels(world, POOL[0], message_id) for message_id in partner)


def test_moving_mail_goes_on_where_it_was_interrupted(world: World, monkeypatch: pytest.MonkeyPatch):
    make_busy(world)
    monkeypatch.setattr(steps, "TRASH_BATCH_SIZE", 5)
    world.sandbox.add_fault("gmail.users.messages.batchModify", name="gmail.unavailable_503", times=1)
    removal = remove(world, trash_mail=True)
    assert (removal.step, removal.problem) == ("trash", "backendError")
    world.sandbox.add_fault("gmail.users.messages.batchModify", name="gmail.unavailable_503", when="after", times=1)
    assert not go_on(world).is_done
    assert go_on(world).trashed == len(ledger(world))


def test_a_run_whose_time_is_up_leaves_the_rest_to_the_next_one_at_once(world: World, monkeypatch: pytest.MonkeyPatch):
    make_busy(world)
    monkeypatch.setattr(steps, "TRASH_BATCH_SIZE", 5)
    request(world, trash_mail=True)
    now = time.monotonic()
    removal = go_on(world, ends=now)
    assert (removal.is_done, removal.step, removal.problem) == (False, "trash", "time_is_up")
    assert "It takes longer than one run." in describe_removal(removal)
    with world.store.engine.begin() as connection:
        assert removals.find_due(connection) == [removal.id]
    assert go_on(world, ends=now + 600).is_done


def test_what_the_database_refuses_for_one_is_stored_and_stops_no_other(world: World):
    world.add(ADA)
    world.add(POOL[0])
    first, second = request(world)[0], request(world, POOL[0])[0]
    world.sql("CREATE FUNCTION gmail_warmup.refuse() RETURNS trigger LANGUAGE plpgsql AS"
              " $$ BEGIN RAISE check_violation; END $$;"
              " CREATE TRIGGER refuse BEFORE DELETE ON gmail_warmup.mailbox FOR EACH ROW WHEN (OLD.id = 1)"
              " EXECUTE FUNCTION gmail_warmup.refuse()")  # fmt: skip
    removal = go_on(world, first)
    assert (removal.is_done, removal.problem) == (False, "database_refused")
    assert "the log of the task 'removals' has the error" in describe_removal(removal)
    assert go_on(world, second).is_done
    world.sql("DROP TRIGGER refuse ON gmail_warmup.mailbox; DROP FUNCTION gmail_warmup.refuse")
    assert go_on(world, first).is_done


def test_mail_of_a_mailbox_that_needs_a_person_stays(world: World):
    world.add(ADA)
    world.add(POOL[0])
    world.sql(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned) VALUES (1, '2026-11-02', 1);"
        "INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, slot, due_at, status, subject,"
        " gmail_id) VALUES ('t', 1, 2, '2026-11-02', 0, now(), 'sent', 'Hello', 'g1')"
    )
    world.sandbox.revoke_grants(ADA)
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked'")
    removal = remove(world, trash_mail=True, revoke_grant=True)
    assert (removal.is_done, removal.trash_outcome, removal.revoke_outcome) == (True, "expired_or_revoked", "done")


def test_the_kill_switch_stops_the_work_at_gmail(world: World):
    world.add(ADA)
    with world.store.engine.begin() as connection:
        kill_switch.begin_halt(connection, by="op", reason="test")
    assert remove(world, trash_mail=True).problem == "stopped"


def test_the_same_address_added_later_is_a_new_mailbox(world: World):
    world.add(ADA, kind="warmup", display_name=NAME)
    world.sql("UPDATE gmail_warmup.mailbox SET warmup_days = 20")
    remove(world)
    world.add(ADA, kind="warmup")
    assert world.rows("SELECT id, warmup_days, display_name, paused_at FROM gmail_warmup.mailbox") == [
        (2, 0, None, None)
    ]


def test_an_unknown_address_is_refused_and_nothing_begins(world: World):
    world.add(ADA)
    with pytest.raises(UnknownMailboxError, match="eve@"):
        request(world, ADA, "eve@warm.example")
    assert world.mailbox(ADA).paused_at is None


@pytest.mark.parametrize(
    ("addresses", "typed", "accepted"),
    [
        ([ADA], ADA, True), ([ADA], " Ada@Warm.example ", True),
        (["ada@xn--bcher-kva.example"], "ada@Bücher.example", True), ([ADA], "1", False), ([ADA], "", False),
        ([ADA, POOL[0]], "2", True), ([ADA, POOL[0]], ADA, False), ([ADA, POOL[0]], "02", False), ([], "0", False),
    ],
)  # fmt: skip
def test_a_removal_is_confirmed_with_the_address_or_the_number(addresses: list[str], typed: str, accepted: bool):
    if accepted:
        removals.require_confirmation(addresses, typed)
    else:
        with pytest.raises(InvalidInputError, match="Nothing was changed"):
            removals.require_confirmation(addresses, typed)


def test_a_late_task_recreates_nothing(world: World):
    make_busy(world)
    gmail, mailbox = hook(world, ADA), world.mailbox(ADA)
    gmail.get_profile()
    tokens, grant = world.tokens(), world.grant(ADA)
    remove(world)
    before = {table: world.rows(f"SELECT count(*) FROM {table}") for table in Base.metadata.sorted_tables}
    for attempt in (
        lambda: act(world, Action.SEND),
        lambda: tokens.get_token(ADA),
        lambda: tokens.get_token(ADA, known=grant),
        lambda: run_action(Action.SEND, mailbox, engine=world.store.engine, settings=world.settings, gmail=gmail),
        lambda: store_gmail_retry_time(world),
        lambda: world.store.record_refusal(grant, REASONS["expired_or_revoked"], actor=world.actor),
        lambda: world.store.record_gmail_success(grant, actor=world.actor),
    ):
        with suppress(GmailWarmupError):
            attempt()
    after = {table: world.rows(f"SELECT count(*) FROM {table}") for table in Base.metadata.sorted_tables}
    assert after == before


def store_gmail_retry_time(world: World) -> None:
    with world.store.engine.begin() as connection:
        repository.store_gmail_retry_time(connection, ADA, seconds=60)


def begin_consent(world: World, purpose: str) -> tuple[ConsentFlow, dict[str, Any]]:
    """Go through Google's page; return the flow, and what its callback is called with."""
    world.sandbox.put_client(CLIENT_ID, client_secrets=[CLIENT_SECRET], redirect_uris=["http://localhost/callback"])
    flow = ConsentFlow(world.store, lambda _: TokenEndpoint(world.client), redirect_uri="http://localhost/callback")
    session = BrowserSession(user="op", browser="browser")
    if purpose == "add":
        url = flow.start_addition(ADA, MailboxSettings(kind="pool"), session)
    else:
        url = flow.start_reauthentication(ADA, session)
    query = parse_qs(urlsplit(at_google(url, ADA)).query)
    return flow, {"state": query["state"][0], "code": query["code"][0], "error": "", "session": session}


@pytest.mark.parametrize("purpose", ["add", "reauth"])
def test_a_consent_that_comes_back_late_does_not_bring_the_mailbox_back(world: World, purpose: str):
    world.add(ADA)
    flow, callback = begin_consent(world, purpose)
    remove(world)
    with pytest.raises(ConsentRefusedError):
        flow.finish(**callback)
    assert world.rows("SELECT address FROM gmail_warmup.mailbox") == []


@pytest.mark.parametrize("purpose", ["add", "reauth"])
def test_a_consent_gives_no_grant_to_a_mailbox_whose_removal_has_begun(world: World, purpose: str):
    world.add(ADA)
    flow, callback = begin_consent(world, purpose)
    request(world)
    before = world.grant(ADA).version
    with pytest.raises(ConsentRefusedError) as refused:
        flow.finish(**callback)
    assert refused.value.refusal == "mailbox_removed"
    assert world.grant(ADA).version == before


@pytest.mark.parametrize("purpose", ["add", "reauth"])
def test_neither_does_one_that_is_at_googles_token_endpoint_meanwhile(world: World, purpose: str):
    world.add(ADA)
    flow, callback = begin_consent(world, purpose)
    with ThreadPoolExecutor(1) as pool:
        with holding(world.sandbox, "token") as until_held:
            finished = pool.submit(flow.finish, **callback)
            until_held()
            assert remove(world).is_done
        with pytest.raises(ConsentRefusedError) as refused:
            finished.result()
    assert refused.value.refusal == "mailbox_removed"
    assert world.rows("SELECT address FROM gmail_warmup.mailbox") == []


def test_the_database_deletes_only_what_a_removal_has_prepared(world: World):
    world.add(ADA)
    with world.store.engine.begin() as connection, pytest.raises(DBAPIError, match="no removal 99"):
        removals.erase_batch(connection, 99)
    request(world)
    with world.store.engine.begin() as connection, pytest.raises(DBAPIError, match="not prepared"):
        removals.erase_batch(connection, 1)
    world.sql("UPDATE gmail_warmup.mailbox_removal SET step = 'erase'")
    with world.store.engine.begin() as connection, pytest.raises(DBAPIError, match="not prepared"):
        removals.erase_batch(connection, 1)
    assert world.mailbox(ADA)


@pytest.mark.parametrize(
    ("first", "second", "step"),
    [
        ({}, {"trash_mail": True, "revoke_grant": True}, "trash"),
        ({"revoke_grant": True}, {"trash_mail": True}, "revoke"),
        ({"trash_mail": True}, {"revoke_grant": True}, "trash"),
        ({"trash_mail": True, "revoke_grant": True}, {}, "trash"),
    ],
)
def test_a_second_request_adds_what_it_chooses_to_the_removal_in_progress(
    world: World, first: dict[str, bool], second: dict[str, bool], step: str
):
    make_busy(world)
    request(world, **first)
    world.sql("UPDATE gmail_warmup.mailbox_removal SET step = :step", step=step)
    assert request(world, **second) == [1]
    removal = go_on(world)
    assert (removal.is_done, removal.trash_outcome, removal.revoke_outcome) == (True, "done", "done")
    assert removal.trashed > 0


def test_the_change_log_has_a_second_request_only_if_it_adds_something(world: World):
    world.add(ADA)
    for options in ({}, {"revoke_grant": True}, {"revoke_grant": True}, {}):
        request(world, **options)
    query = "SELECT after FROM gmail_warmup.change_log WHERE action = 'mailbox_remove' ORDER BY id"
    assert [after["revoke_grant"] for (after,) in world.rows(query)] == [False, True]


@pytest.mark.parametrize("choice", ["trash_mail", "revoke_grant"])
def test_a_choice_that_comes_too_late_is_refused_and_names_the_removal(world: World, choice: str):
    world.add(ADA)
    request(world)
    world.sql("UPDATE gmail_warmup.mailbox_removal SET step = 'erase'")
    before = world.rows("SELECT * FROM gmail_warmup.mailbox_removal")
    with pytest.raises(InvalidInputError, match=f"Removal 1 of {ADA} already deletes the data"):
        request(world, **{choice: True})
    assert world.rows("SELECT * FROM gmail_warmup.mailbox_removal") == before
    assert request(world) == [1]


def test_what_is_added_while_a_run_is_at_a_step_is_not_lost(world: World):
    make_busy(world)
    request(world, revoke_grant=True)
    with ThreadPoolExecutor(1) as pool:
        with holding(world.sandbox, "revoke") as until_held:
            finished = pool.submit(go_on, world)
            until_held()
            request(world, trash_mail=True)
        removal = finished.result()
    assert (removal.is_done, removal.revoke_outcome) == (True, "done")
    assert removal.trash_outcome is not None  # the grant was revoked first, so Gmail may have refused it
