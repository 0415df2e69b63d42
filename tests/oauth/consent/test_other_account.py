"""Another address signs in than was expected: the mailbox is renamed only if a person says so, and may be the same."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gmail_warmup.core.errors import InvalidInputError, MailboxBusyError
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.oauth.consent.errors import ConsentRefusedError, Evidence
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.token_endpoint import TokenEndpoint
from gmail_warmup.web.views.consent_errors import describe_evidence
from support.leftovers import find_columns_with
from support.mail_kit import ADA, POOL
from support.removal_kit import make_busy
from support.world import CLIENT_ID, CLIENT_SECRET, World
from web.kit import at_google

NEW, BOB = "ada.byron@other.example", "bob@other.example"
URI = "http://localhost/callback"
OP = BrowserSession(user="op", browser="browser")


def flow_of(world: World) -> ConsentFlow:
    world.sandbox.put_client(CLIENT_ID, client_secrets=[CLIENT_SECRET], redirect_uris=[URI])
    return ConsentFlow(world.store, lambda _: TokenEndpoint(world.client), redirect_uri=URI)


def sign_in(world: World, address: str, *, add: bool = False) -> ConsentRefusedError:
    """Start a consent for Ada, sign in with another account, and return the refusal."""
    flow = flow_of(world)
    settings = MailboxSettings(kind="pool", display_name="Ada")
    url = flow.start_addition(ADA, settings, OP) if add else flow.start_reauthentication(ADA, OP)
    query = {name: values[0] for name, values in parse_qs(urlsplit(at_google(url, address)).query).items()}
    with pytest.raises(ConsentRefusedError) as refused:
        flow.finish(state=query["state"], code=query["code"], error="", session=OP)
    assert refused.value.refusal == "wrong_account"
    return refused.value


def accept(world: World, consent_id: int = 1, session: BrowserSession = OP) -> Any:
    return flow_of(world).accept_account(consent_id, session)


def kept(world: World) -> list[Any]:
    return world.rows(
        "SELECT kept_result IS NOT NULL, actual_address FROM gmail_warmup.consent WHERE kept_until > now()"
    )


def test_an_account_that_was_renamed_is_recognized_by_its_mails_and_keeps_everything(world: World):
    make_busy(world)
    world.sql("DELETE FROM gmail_warmup.consent")
    before = world.rows("SELECT * FROM gmail_warmup.ledger ORDER BY id")
    world.sandbox.rename_mailbox(ADA, NEW)
    refused = sign_in(world, NEW)
    assert (refused.actual, refused.evidence) == (NEW, Evidence.CONFIRMED)
    assert world.mailbox(ADA).address == ADA  # nothing changes before a person has decided
    consent_id = refused.request.consent_id if refused.request else 0
    assert accept(world, consent_id).address == NEW
    assert world.grant(NEW).mailbox_id == 1
    assert world.rows("SELECT * FROM gmail_warmup.ledger ORDER BY id") == before
    assert world.tokens().get_token(NEW).token
    assert kept(world) == []
    with pytest.raises(ConsentRefusedError) as over:
        accept(world, consent_id)
    assert over.value.refusal == "decision_over"


def test_another_account_is_recognized_by_the_lack_of_its_mails(world: World):
    make_busy(world)
    world.sandbox.put_mailbox(BOB)
    assert sign_in(world, BOB).evidence is None
    assert kept(world) == []


def test_without_recorded_mail_a_person_has_to_know_it(world: World):
    world.add(ADA)
    world.sandbox.put_mailbox(NEW)
    assert sign_in(world, NEW).evidence is Evidence.NONE
    assert accept(world).address == NEW
    assert world.rows("SELECT address FROM gmail_warmup.mailbox") == [(NEW,)]


def test_an_alias_that_was_entered_is_added_under_the_primary_address(world: World):
    world.sandbox.put_mailbox(NEW)
    assert sign_in(world, NEW, add=True).evidence is Evidence.NONE
    assert world.rows("SELECT address FROM gmail_warmup.mailbox") == []
    assert accept(world).purpose == "add"
    assert world.rows("SELECT address, display_name FROM gmail_warmup.mailbox") == [(NEW, "Ada")]


def test_a_mailbox_that_was_added_meanwhile_is_not_overwritten(world: World):
    world.sandbox.put_mailbox(NEW)
    sign_in(world, NEW, add=True)
    world.add(NEW, display_name="Another")
    before = world.grant(NEW).version
    with pytest.raises(InvalidInputError, match="is a mailbox here by now"):
        accept(world)
    assert world.rows("SELECT address, display_name FROM gmail_warmup.mailbox") == [(NEW, "Another")]
    assert world.grant(NEW).version == before


def test_an_address_of_another_mailbox_is_never_offered(world: World):
    world.add(ADA)
    world.add(POOL[0])
    assert sign_in(world, POOL[0]).evidence is None
    assert kept(world) == []


def test_the_kept_tokens_are_encrypted_and_deleted_when_nobody_decides(world: World):
    world.add(ADA)
    world.sandbox.put_mailbox(NEW)
    sign_in(world, NEW)
    assert kept(world) == [(True, NEW)]
    assert find_columns_with(world.store.engine, "ya29.", "1//0") == []
    world.sql("UPDATE gmail_warmup.consent SET kept_until = now() - interval '1 second'")
    with pytest.raises(ConsentRefusedError):
        accept(world)
    sign_in(world, NEW)  # the next one deletes it
    assert world.rows("SELECT kept_result FROM gmail_warmup.consent WHERE id = 1") == [(None,)]


@pytest.mark.parametrize(
    "session", [BrowserSession(user="eve", browser="browser"), BrowserSession(user="op", browser="other")]
)
def test_only_the_user_and_the_browser_of_the_consent_decide(world: World, session: BrowserSession):
    world.add(ADA)
    world.sandbox.put_mailbox(NEW)
    sign_in(world, NEW)
    with pytest.raises(ConsentRefusedError):
        accept(world, session=session)
    assert world.mailbox(ADA).address == ADA


def test_a_mailbox_in_use_is_renamed_a_little_later(world: World):
    world.add(ADA)
    world.sandbox.put_mailbox(NEW)
    sign_in(world, NEW)
    world.sql("UPDATE gmail_warmup.mailbox SET lease_until = now() + interval '1 minute'")
    with pytest.raises(MailboxBusyError):
        accept(world)
    world.sql("UPDATE gmail_warmup.mailbox SET lease_until = NULL")
    assert accept(world).address == NEW


SILENT: dict[str, dict[str, Any]] = {
    "gmail fails": {"name": "gmail.unavailable_503"},
    "no answer": {"close": True},
    "too many requests": {"answer": {"status": 429, "body": "slow down"}},
    "a page of somebody else": {"answer": {"status": 404, "body": "<p>Welcome to the hotel network</p>"}},
    "a page with the status of success": {"answer": {"status": 200, "body": "<p>Welcome</p>"}},
    "a bad gateway": {"answer": {"status": 502, "body": "bad gateway"}},
}
"""Answers that do not say whether a message is in an account."""


@pytest.mark.parametrize("fault", SILENT.values(), ids=SILENT)
@pytest.mark.parametrize("times", [1, 3])
def test_an_answer_that_does_not_say_whether_a_mail_is_there_is_no_evidence(
    world: World, fault: dict[str, Any], times: int
):
    make_busy(world)
    world.sandbox.put_mailbox(BOB)
    world.sandbox.add_fault("gmail.users.messages.get", times=times, **fault)
    refused = sign_in(world, BOB)
    assert refused.evidence is Evidence.UNKNOWN
    assert "did not answer" in describe_evidence(refused)
    assert kept(world) == [(True, BOB)]


def test_one_mail_that_is_there_is_evidence_whatever_the_others_say(world: World):
    make_busy(world)
    world.sandbox.rename_mailbox(ADA, NEW)
    world.sandbox.add_fault("gmail.users.messages.get", times=1, name="gmail.unavailable_503")
    assert sign_in(world, NEW).evidence is Evidence.CONFIRMED
