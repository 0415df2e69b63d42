"""What a person without a login reads of an error: nothing of the installation, whichever error it is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from starlette.requests import Request

from gmail_warmup.core.errors import ConfigurationError, GmailWarmupError, TooManyConsentsError
from gmail_warmup.mailboxes.removals import MailboxBeingRemovedError
from gmail_warmup.oauth.consent.errors import ConsentRefusal, ConsentRefusedError, get_refusal
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.web import errors, problems
from gmail_warmup.web.views.consent_errors import REFUSAL_TEXTS, describe_refusal

DETAIL = "The Airflow Connection 'gmail_client_b' of ada@example.com is missing; run gmail-warmup clients set."
INSIDE = ("airflow", "gmail-warmup", "gmail accounts", "connection", "client_b", "console", "ada@")


def list_kinds(kind: type[GmailWarmupError] = GmailWarmupError) -> Iterator[type[GmailWarmupError]]:
    yield kind
    for derived in kind.__subclasses__():
        yield from list_kinds(derived)


KINDS = sorted({kind for kind in list_kinds() if kind.__module__.startswith("gmail_warmup.")}, key=lambda k: k.__name__)


def answer(error: GmailWarmupError, *, path: str = "/invite/start") -> tuple[int, str]:
    """Return status and text of the answer to a request of a person without a login."""
    request = Request({"type": "http", "method": "POST", "path": path, "root_path": "", "headers": [], "state": {}})
    problem = problems.problem_from_error(error) or problems.internal_error(error)
    response = errors.problem_response(request, problem)
    return response.status_code, json.loads(bytes(response.body))["detail"]


@pytest.mark.parametrize("path", ["/invite/look", "/invite/start", "/shared-report/look"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_error_tells_a_person_without_a_login_what_is_inside(kind: type[GmailWarmupError], path: str):
    error = kind.__new__(kind)
    error.args = (DETAIL,)
    status, text = answer(error, path=path)
    if kind is TooManyConsentsError:
        assert (status, text) == (429, DETAIL), "its own text is meant for that person"
        return
    assert [word for word in INSIDE if word in text.lower()] == []
    assert "tell the person who sent you the link" in text


def test_the_kinds_include_those_of_every_folder():
    assert {ConfigurationError, MailboxBeingRemovedError, ConsentRefusedError} <= set(KINDS)


def test_a_user_with_a_login_reads_the_details():
    assert answer(ConfigurationError(DETAIL), path="/api/v1/consents") == (503, DETAIL)


def test_the_log_keeps_what_the_person_does_not_read(caplog: pytest.LogCaptureFixture):
    answer(MailboxBeingRemovedError("ada@example.com"))
    assert "ada@example.com" in caplog.text


@pytest.mark.parametrize("code", [*REASONS, ""])
def test_no_refused_consent_tells_an_invited_owner_what_is_inside(code: str):
    # An unknown link is the one of no invite, so it is shown to a user only.
    known = set(REFUSAL_TEXTS) - {ConsentRefusal.UNKNOWN_LINK}
    refusals = [get_refusal(REASONS[code])] if code else sorted(known)
    for refusal in refusals:
        refused = ConsentRefusedError(refusal, code=code, redirect_uri="https://airflow.example.com/callback")
        text = describe_refusal(refused, invited=True)
        shown = f"{text.title} {text.happened} {text.step}".lower().replace("myaccount.google.com/connections", "")
        assert [word for word in INSIDE if word in shown] == []
