"""Gmail's refusals by reason, through googleapiclient and real HTTP, and what they do to a grant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gmail_sandbox.fault_catalog import CATALOGUE
from gmail_warmup.airflow.gmail_hook import GmailHook
from gmail_warmup.db.models import GrantState
from gmail_warmup.gmail import errors
from support.workers import hook
from support.world import World

ADA = "ada@warm.example"

CASES = {
    "gmail.cut": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.bad_request": (errors.BadGmailRequestError, GrantState.ACTIVE),
    "gmail.invalid_argument": (errors.BadGmailRequestError, GrantState.ACTIVE),
    "gmail.mail_service_not_enabled": (errors.MailboxUnusableError, GrantState.DISABLED),
    "gmail.failed_precondition": (errors.PreconditionFailedError, GrantState.SUSPECT),
    "gmail.auth_error": (errors.AccessRejectedError, GrantState.SUSPECT),
    "gmail.daily_limit": (errors.ProjectQuotaError, GrantState.ACTIVE),
    "gmail.domain_policy": (errors.BlockedByPolicyError, GrantState.BLOCKED_BY_ADMIN),
    "gmail.rate_limit_403": (errors.GmailRateLimitError, GrantState.ACTIVE),
    "gmail.rate_limit_429": (errors.GmailRateLimitError, GrantState.ACTIVE),
    "gmail.user_rate_limit_403": (errors.GmailRateLimitError, GrantState.ACTIVE),
    "gmail.user_rate_limit_429": (errors.GmailRateLimitError, GrantState.ACTIVE),
    "gmail.insufficient_scope": (errors.ScopeMissingError, GrantState.NEEDS_REAUTH),
    "gmail.access_not_configured": (errors.GmailApiDisabledError, GrantState.ACTIVE),
    "gmail.delegation_denied": (errors.BadGmailRequestError, GrantState.ACTIVE),
    "gmail.not_found": (errors.NotFoundError, GrantState.ACTIVE),
    "gmail.mail_sending_429": (errors.SendingLimitError, GrantState.ACTIVE),
    "gmail.concurrent_429": (errors.GmailRateLimitError, GrantState.ACTIVE),
    "gmail.backend_500": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.html_502": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.html_503": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.200_not_json": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.unavailable_503": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.timeout_504": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.redirect_302": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.html_400": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.html_401": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.html_403": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.html_404": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.html_407": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.html_499": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.empty_400": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.empty_403": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.foreign_json_400": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.forbidden": (errors.GmailUnavailableError, GrantState.ACTIVE),
    "gmail.retry_after_text": (errors.GmailRateLimitError, GrantState.ACTIVE),
}
SLOW = {"gmail.hang"}
LACKS_VALUES = {"gmail.200_foreign_json"}
"""A 200 that a search takes for an empty result, but no other call for a success."""


def test_every_row_of_the_table_is_a_case_here():
    assert {name for name in CATALOGUE if name.startswith("gmail.")} == CASES.keys() | SLOW | LACKS_VALUES


@pytest.mark.parametrize(("fault", "kind", "state"), [(name, *expected) for name, expected in CASES.items()])
def test_a_refusal_has_its_own_error_and_flags_only_what_it_must(
    world: World, fault: str, kind: type[errors.GmailError], state: GrantState
):
    world.add(ADA, expired=False)
    world.sandbox.add_fault("gmail", name=fault)
    with pytest.raises(errors.GmailError) as caught:
        hook(world, ADA).search_messages("in:inbox", limit=1)
    assert type(caught.value) is kind
    assert ADA in str(caught.value)
    assert world.grant(ADA).state is state


def test_a_call_that_hangs_is_cut_off(world: World):
    world.add(ADA, expired=False)
    world.settings = world.settings.model_copy(update={"read_timeout": 0.3})
    # httpx would wait 5 s by itself, and have the answer.
    world.sandbox.add_fault("gmail", delay_ms=4000)
    with pytest.raises(errors.GmailUnavailableError):
        hook(world, ADA).get_profile()


@pytest.mark.parametrize(
    "call",
    [
        lambda gmail: gmail.get_profile(),
        lambda gmail: gmail.create_draft("VG86IHBpYUBwb29sLmV4YW1wbGUNCg0KaGk="),
        lambda gmail: gmail.send_draft("r1"),
        lambda gmail: gmail.get_message("1"),
        lambda gmail: gmail.get_raw_message("1"),
        lambda gmail: gmail.ensure_label("Warmup"),
        lambda gmail: gmail.list_new_messages("1"),
    ],
)
def test_a_success_without_its_values_is_no_answer_of_gmail(world: World, call: Callable[[GmailHook], object]):
    world.add(ADA, expired=False)
    world.sandbox.add_fault("gmail", name="gmail.200_foreign_json")
    with pytest.raises(errors.GmailUnavailableError):
        call(hook(world, ADA))


def test_a_send_is_never_repeated_by_the_transport(world: World):
    """httplib2 would send again when the answer is lost; the mail goes out once and the caller hears of it."""
    world.add(ADA, expired=False)
    world.add("pia@pool.example")
    gmail = hook(world, ADA)
    draft = gmail.create_draft("VG86IHBpYUBwb29sLmV4YW1wbGUNCg0KaGk=")
    world.sandbox.add_fault("gmail.users.drafts.send", close=True, when="after", times=1)
    with pytest.raises(errors.GmailUnavailableError):
        gmail.send_draft(draft.id)
    assert len(world.sandbox.mails()) == 1
    calls = world.sandbox.stats().mailboxes[ADA].calls
    assert sum(count for name, count in calls.items() if name.endswith("drafts.send")) == 1, calls


def test_the_credentials_hold_no_refresh_token(world: World):
    world.add(ADA, expired=False)
    assert hook(world, ADA)._load_credentials().refresh_token is None
