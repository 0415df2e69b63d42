"""The table of answers: every row, for every party that it concerns, in task, audit and consent."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from gmail_sandbox.gmail.errors import error_body
from gmail_warmup.audit.pipeline import Audit
from gmail_warmup.core.enums import GrantState, ResponseCategory
from gmail_warmup.gmail.errors import GmailError, GmailUnavailableError, error_from_answer
from gmail_warmup.oauth.answers import API_PARTIES, ROWS, Answer, Body, Party, find_reason, find_row, read_api_answer
from gmail_warmup.oauth.consent.errors import ConsentRefusedError, get_refusal
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.errors import GrantError
from gmail_warmup.oauth.token_endpoint import TokenEndpoint, TokenResponse, classify_response, parse_response
from oauth.answer_examples import PAGE, Example, list_examples, read
from support.workers import hook
from support.world import CLIENT_ID, CLIENT_SECRET, World
from web.kit import at_google

ADA = "ada@warm.example"
REDIRECT_URI = "http://localhost/callback"
TRANSIENT = (ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED)
each_example = pytest.mark.parametrize("example", list_examples(*Party), ids=lambda example: example.name)


def examples(*parties: Party) -> pytest.MarkDecorator:
    """Parametrize a test by the rows of these parties that are refusals."""
    found = [example for example in list_examples(*parties) if example.row.code != "ok"]
    return pytest.mark.parametrize("example", found, ids=lambda example: example.name)


@each_example
def test_each_row_is_found_by_the_response_that_it_describes(example: Example):
    assert read(example) == example.row.code


def test_no_row_is_hidden_by_an_earlier_one():
    found = {(example.number, example.party) for example in list_examples(*Party)}
    expected = {(number, party) for number, row in enumerate(ROWS) for party in row.parties if not row.transport}
    made_up = {ROWS.index(row) for row in ROWS if row.bodies == (Body.UNUSABLE,)}
    assert expected - found == {(number, party) for number in made_up for party in API_PARTIES}


@pytest.mark.parametrize("code", ["unreachable", "tls_untrusted", "proxy_failed"])
@pytest.mark.parametrize("party", Party)
def test_a_transport_error_means_the_same_to_every_party(party: Party, code: str):
    assert find_row(Answer(party=party, status=None, transport=code)).code == code
    if party not in API_PARTIES:
        assert classify_response(TokenResponse(status=None, transport=code), party).reason.code == code


FOREIGN = [
    b"",
    b"<html>",
    b"[]",
    b'"text"',
    b"7",
    b"null",
    b"{",
    b'{"error": "login required"}',
    b'{"error": {}}',
    b"{}",
]


@pytest.mark.parametrize("status", [200, 204, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 407, 410, 413, 418,
                                    421, 451, 499, 500, 502, 503, 504, 511, 520, 599])  # fmt: skip
@pytest.mark.parametrize("content", FOREIGN)
def test_what_is_not_from_gmail_is_transient(status: int, content: bytes):
    answer = read_api_answer(status, {"content-type": "application/json"}, content)
    assert find_reason(answer).category is ResponseCategory.TRANSIENT
    assert type(error_from_answer(ADA, answer)) is GmailUnavailableError


@pytest.mark.parametrize("status", [200, 204, 302, 307, 400, 401, 403, 404, 407, 410, 418, 499, 502, 511])
@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"7", b"{}"])
@pytest.mark.parametrize("party", sorted(set(Party) - set(API_PARTIES)))
def test_what_is_not_from_the_token_endpoint_is_transient(party: Party, status: int, content: bytes):
    result = classify_response(parse_response(status, {}, content), party)
    assert result.reason.category in TRANSIENT


def test_json_in_a_page_is_not_from_google():
    revoked = b'{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}'
    assert classify_response(parse_response(400, {"Content-Type": "text/html"}, revoked)).reason.code == "not_json"
    refused = json.dumps(error_body(400, "Bad Request", "badRequest")).encode()
    assert find_reason(read_api_answer(400, {"content-type": "text/html"}, refused)).code == "not_json"


@pytest.mark.parametrize("reason", ["forbidden", "newReason", "backendError", "aborted", "conditionNotMet"])
@pytest.mark.parametrize("status", [400, 403, 409, 412])
def test_a_reason_that_no_row_knows_gives_up_no_mail(status: int, reason: str):
    content = json.dumps(error_body(status, "Something new", reason)).encode()
    answer = read_api_answer(status, {"content-type": "application/json"}, content)
    assert find_reason(answer).category is ResponseCategory.TRANSIENT


UNUSABLE = [
    {"access_token": "ya29.\x00"}, {"access_token": "ya29.\u00e9"}, {"access_token": "ya29.a b"}, {"access_token": 7},
    {"access_token": "ya29.\r\nX: y"}, {"access_token": "ya29.\ud800"}, {"access_token": "x" * 10_000},
    {"refresh_token": "1//\x00"}, {"refresh_token": "1//\u2028"}, {"refresh_token": ["1//a"]},
    {"scope": "openid\x00"}, {"scope": "a\nb"}, {"scope": "\u00e9"}, {"scope": "\ud800"}, {"scope": ["openid"]},
    {"scope": 'a"b'}, {"scope": "a\\b"}, {"expires_in": -1}, {"expires_in": 10**12}, {"expires_in": "soon"},
    {"expires_in": float("inf")}, {"expires_in": float("nan")}, {"expires_in": True}, {"expires_in": {}},
    {"refresh_token_expires_in": -1}, {"refresh_token_expires_in": 10**18}, {"refresh_token_expires_in": "x"},
]  # fmt: skip


@pytest.mark.parametrize("party", sorted(set(Party) - set(API_PARTIES)))
@pytest.mark.parametrize("changed", UNUSABLE, ids=repr)
def test_a_value_that_cannot_be_stored_or_sent_is_unusable(changed: dict[str, object], party: Party):
    body = {"access_token": "ya29.a", "expires_in": 3599} | changed
    result = classify_response(parse_response(200, {}, json.dumps(body).encode()), party)
    assert (result.reason.code, result.access_token) == ("unusable_answer", "")


@pytest.mark.parametrize("text", ["Precondition check failed.", "", "Something else"])
def test_only_a_mail_service_that_is_off_disables_at_once(text: str):
    def code(message: str) -> str:
        content = json.dumps(error_body(400, message, "failedPrecondition", status="FAILED_PRECONDITION"))
        return find_reason(read_api_answer(400, {}, content)).code

    assert code("Mail service not enabled") == "gmail_disabled"
    assert code(text) == "precondition_failed"
    assert find_row(Answer(party=Party.GMAIL, status=400, errors=("failedPrecondition",))).reason.state is (
        GrantState.SUSPECT
    )


@examples(Party.REFRESH)
def test_a_task_reads_the_table(world: World, example: Example):
    world.add(ADA)
    world.sandbox.add_fault("token", answer=example.fault)
    with pytest.raises(GrantError) as caught:
        world.tokens().get_token(ADA)
    assert caught.value.reason.code == example.row.code
    assert world.grant(ADA).state is (example.row.reason.state or GrantState.ACTIVE)


@examples(Party.REFRESH)
def test_the_audit_reads_the_table(world: World, example: Example):
    mailbox_id = world.add(ADA)
    world.sandbox.add_fault("token", answer=example.fault, times=2 if example.row.reason.category in TRANSIENT else 1)
    settings = world.settings.model_copy(update={"audit_rate": 1000})
    Audit(world.store, world.client, settings, actor=world.actor).run([mailbox_id])
    state, reason = world.grant(ADA).state, world.grant(ADA).reason
    expected = example.row.reason
    assert (state, reason) == ((expected.state, expected.code) if expected.state else (GrantState.ACTIVE, None))


@examples(Party.GMAIL)
def test_a_gmail_call_reads_the_table(world: World, example: Example):
    world.add(ADA, expired=False)
    world.sandbox.add_fault("gmail", answer=example.fault)
    with pytest.raises(GmailError) as caught:
        hook(world, ADA).search_messages("in:inbox", limit=1)
    assert caught.value.meaning.code == example.row.code
    assert world.grant(ADA).state is (example.row.reason.state or GrantState.ACTIVE)


@examples(Party.CODE_EXCHANGE, Party.GMAIL)
def test_a_consent_reads_the_table(world: World, example: Example):
    world.add(ADA)
    world.sandbox.put_client(CLIENT_ID, client_secrets=[CLIENT_SECRET], redirect_uris=[REDIRECT_URI])
    flow = ConsentFlow(world.store, lambda _: TokenEndpoint(world.client), redirect_uri=REDIRECT_URI)
    session, before = BrowserSession(user="op", browser="browser"), world.grant(ADA)
    query = parse_qs(urlsplit(at_google(flow.start_reauthentication(ADA, session), ADA)).query)
    world.sandbox.add_fault("gmail" if example.party is Party.GMAIL else "token", answer=example.fault)
    with pytest.raises(ConsentRefusedError) as caught:
        flow.finish(state=query["state"][0], code=query["code"][0], error="", session=session)
    assert (caught.value.code, caught.value.refusal) == (example.row.code, get_refusal(example.row.reason))
    assert (world.grant(ADA).state, world.grant(ADA).version) == (before.state, before.version)


def test_a_bad_value_in_one_answer_loses_no_other_of_the_batch(world: World):
    bad, good = "bad@warm.example", [f"good{number}@warm.example" for number in range(5)]
    ids = [world.add(address) for address in [bad, *good]]
    world.sandbox.add_fault(address=bad, name="token.scope_with_nul")
    Audit(world.store, world.client, world.settings, actor=world.actor).run(ids)
    assert [world.grant(address).refreshed_at is not None for address in [bad, *good]] == [False] + [True] * 5
    assert world.grant(bad).state is GrantState.ACTIVE


def test_a_page_has_no_reason_of_google():
    answer = read_api_answer(403, {"content-type": "text/html"}, PAGE.encode())
    assert error_from_answer(ADA, answer).reason == ""
