"""A mailbox that is being removed refuses every change, also one that begins before the removal or while it ends."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.alerts import asset_changes
from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.mailboxes import bulk_edit, pause_end, removals, renaming, repository
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges
from gmail_warmup.mailboxes.change_log import Subject, record_change
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.removals import MailboxBeingRemovedError
from gmail_warmup.oauth.clients import moving
from gmail_warmup.oauth.consent import invites, repair_queue
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import TokenEndpoint
from gmail_warmup.transfer import import_preview, importer, parser
from gmail_warmup.warmup.health import monitor
from support.interleaving import until_waiting
from support.leftovers import find_columns_with
from support.world import World

ADA, NEW = "ada@warm.example", "new@warm.example"
SETTINGS = MailboxSettings(kind="warmup", daily_target=7)
SESSION = BrowserSession(user="op", browser="browser")


def consent_flow(world: World) -> ConsentFlow:
    return ConsentFlow(world.store, lambda _: TokenEndpoint(world.client), redirect_uri="https://airflow.example/back")


def import_file(world: World) -> Any:
    incoming = parser.parse_mailboxes(json.dumps([{"address": ADA, "kind": "warmup"}]))
    return importer.import_mailboxes(world.store, incoming, actor=world.actor)


WRITES: dict[str, Callable[[sa.Connection], Any]] = {
    "add or change": lambda c: repository.add_or_update(c, ADA, SETTINGS, actor="op"),
    "rename": lambda c: renaming.rename_mailbox(c, ADA, NEW, actor="op"),
    "invite": lambda c: invites.create_invites(c, [ADA], actor="op", days=7),
    "change": lambda c: bulk_edit.change_settings(c, [ADA], MailboxChanges(open_rate=7, add_tags=("x",)), actor="op"),
    "pause": lambda c: repository.pause_mailboxes(c, [ADA], actor="op", reason="rest"),
    "resume": lambda c: repository.resume_mailboxes(c, [ADA], actor="op"),
    "requalify": lambda c: monitor.requalify_mailboxes(c, [ADA], actor="op"),
    "queue": lambda c: repair_queue.start_queue(c, "op", [1]),
    "history": lambda c: record_change(
        c, ChangeAction.OWNER_MAIL, actor="op", subject=Subject.of_mailbox(1, ADA), after={"owner_email": ADA}
    ),
    "asset": lambda c: asset_changes.record_reported(c, flagged=[1], recovered=[]),
}
"""What writes to a mailbox, or a row that refers to it, in the caller's transaction."""
_REFUSING = ("add or change", "rename", "invite")
_SKIPPING = ("change", "pause", "resume", "requalify", "queue")

CALLS: dict[str, Callable[[World], Any]] = {
    "start a consent": lambda world: consent_flow(world).start_reauthentication(ADA, SESSION),
    "start an addition": lambda world: consent_flow(world).start_addition(ADA, SETTINGS, SESSION),
    "import": import_file,
    "refusal": lambda world: world.store.record_refusal(
        world.grant(ADA), REASONS["expired_or_revoked"], actor=world.actor
    ),
}
"""What does the same in transactions of its own."""


def in_transaction(world: World, write: Callable[[sa.Connection], Any]) -> Any:
    with write_transaction(world.store.engine) as connection:
        return write(connection)


def request(connection: sa.Connection) -> int:
    (removal_id,) = removals.request_removals(connection, [ADA], revoke_grant=False, trash_mail=False, actor="op")
    return removal_id


def erase(connection: sa.Connection) -> None:
    """Request a removal and take all of its steps, in one transaction."""
    removal_id = request(connection)
    for statement in (
        "UPDATE gmail_warmup.mailbox_removal SET step = 'erase'",
        "UPDATE gmail_warmup.mailbox SET lease_holder = :holder, lease_until = now() + interval '1 minute'"
        " WHERE id = 1",
    ):
        connection.execute(sa.text(statement), {"holder": removals.build_lease_holder(removal_id, "x")})
    while not removals.erase_batch(connection, removal_id):
        pass


@pytest.fixture
def ada(world: World) -> World:
    world.add(ADA, kind="warmup")
    world.sql("UPDATE gmail_warmup.mailbox SET band = 'blocked'")
    return world


def read_settings(world: World) -> list[Any]:
    return world.rows(
        "SELECT m.*, (SELECT count(*) FROM gmail_warmup.mailbox_tag), (SELECT count(*) FROM gmail_warmup.repair),"
        " (SELECT count(*) FROM gmail_warmup.invite), (SELECT count(*) FROM gmail_warmup.consent)"
        " FROM gmail_warmup.mailbox m"
    )


@pytest.mark.parametrize("name", [*WRITES, *CALLS])
def test_from_the_request_on_nothing_is_changed(ada: World, name: str):
    in_transaction(ada, request)
    before = read_settings(ada)
    if name in _SKIPPING:
        assert not in_transaction(ada, WRITES[name])
    elif name in _REFUSING or (name in CALLS and name != "refusal"):
        with pytest.raises(MailboxBeingRemovedError, match=rf"^{ADA} is being removed\. .* added again\.$"):
            in_transaction(ada, WRITES[name]) if name in WRITES else CALLS[name](ada)
    else:
        return  # a process records what happened
    assert read_settings(ada) == before


def test_a_dry_run_of_an_import_refuses_as_the_import_does(ada: World):
    in_transaction(ada, request)
    incoming = parser.parse_mailboxes(json.dumps([{"address": ADA, "kind": "warmup"}]))
    with pytest.raises(MailboxBeingRemovedError):
        importer.import_mailboxes(ada.store, incoming, actor=ada.actor, dry_run=True)


def test_the_preview_of_an_import_names_the_line(ada: World):
    in_transaction(ada, request)
    table = io.StringIO()
    csv.writer(table).writerows([("address", "kind"), (ADA, "warmup"), (NEW, "warmup")])
    with ada.store.engine.connect() as connection:
        preview = import_preview.build_preview(connection, parser.parse_file(table.getvalue().encode()))
    assert preview.token is None
    ((problem,),) = [line.problems for line in preview.lines if line.problems]
    assert (problem.number, problem.address, problem.field) == (2, ADA, "address")
    assert "is being removed" in str(problem)


def test_a_queue_loses_the_mailbox_and_no_move_takes_it(ada: World):
    with write_transaction(ada.store.engine) as connection:
        repair_queue.start_queue(connection, "op", [1])
        request(connection)
        assert repair_queue.load_queue(connection, "op").items == []
        connection.execute(sa.text("INSERT INTO gmail_warmup.oauth_client (conn_id, client_id) VALUES ('two', 'two')"))
        assert moving.plan_move(connection, "two", [], default="gmail_oauth_client").matching == 0


def test_a_pause_with_an_end_does_not_resume_it(ada: World):
    until = datetime.now(UTC).date() + timedelta(days=5)
    with write_transaction(ada.store.engine) as connection:
        repository.pause_mailboxes(connection, [ADA], actor="op", reason="rest", until=until)
        connection.execute(sa.text("UPDATE gmail_warmup.mailbox SET paused_until = current_date - 1"))
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(ada.store.engine) as connection:
            request(connection)
            running = pool.submit(in_transaction, ada, pause_end.resume_ended_pauses)
            until_waiting(ada, running)
        assert running.result() == 0
    assert ada.mailbox(ADA).paused_at is not None


@pytest.mark.parametrize("name", [*WRITES, *CALLS])
def test_what_begins_while_the_mailbox_is_erased_writes_nothing_about_it(ada: World, name: str):
    work = CALLS.get(name) or (lambda world: in_transaction(world, WRITES[name]))
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(ada.store.engine) as connection:
            erase(connection)
            running = pool.submit(work, ada)
            until_waiting(ada, running)
        error = running.exception()
    assert error is None or isinstance(error, GmailWarmupError), repr(error)
    if name in ("add or change", "import", "start an addition"):  # it is a new mailbox
        assert error is None
    else:
        assert find_columns_with(ada.store.engine, ADA) == []


@pytest.mark.parametrize("name", WRITES)
def test_what_was_written_before_the_removal_is_removed_with_the_mailbox(ada: World, name: str):
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(ada.store.engine) as connection:
            connection.execute(sa.text("SELECT 1"))
            WRITES[name](connection)
            if name == "rename":
                return  # the removal of the former address then finds no mailbox
            running = pool.submit(in_transaction, ada, erase)
            until_waiting(ada, running)
        running.result()
    assert find_columns_with(ada.store.engine, ADA) == []
    assert ada.rows("SELECT 1 FROM gmail_warmup.mailbox") == []


def test_an_owner_who_follows_an_invite_while_the_mailbox_is_erased_is_told_that_it_is_over(ada: World):
    (invite,) = in_transaction(ada, WRITES["invite"])
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(ada.store.engine) as connection:
            erase(connection)
            running = pool.submit(consent_flow(ada).start_from_invite, invite.token, browser="b")
            until_waiting(ada, running)
        assert running.result() is None
    assert ada.rows("SELECT 1 FROM gmail_warmup.consent") == []
