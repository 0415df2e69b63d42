"""The one table of Google's answers: what each response, or its absence, means for whoever sent the request.

Tasks, audit, consent and doctor read it. The first row that matches counts. An answer that is in no row is transient:
it changes no grant, and no mail is given up because of it. The same holds for an answer that is not from Google, such
as the page of a proxy. Texts of Google are compared, never stored or shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gmail_warmup.core.http_utils import parse_json, parse_retry_after, parse_retry_time
from gmail_warmup.oauth.reasons import REASONS, Reason


class Party(StrEnum):
    """The request that is answered."""

    REFRESH = "refresh"
    """Token endpoint, refresh of a grant."""
    CODE_EXCHANGE = "code exchange"
    """Token endpoint, exchange of an authorization code at the end of a consent."""
    SERVICE_ACCOUNT = "service account"
    """Token endpoint, signed request of a service account with domain-wide delegation."""
    DIRECTORY_TOKEN = "directory token"  # noqa: S105  a name, not a secret
    """The same, for the scopes of the Directory API."""
    SIGNING = "signJwt"
    """IAM Credentials API, which signs for a service account without its key."""
    DIRECTORY = "directory"
    """Directory API of a Google Workspace."""
    GMAIL = "Gmail"
    """Gmail API."""


class Body(StrEnum):
    """What the body of a response is."""

    FOREIGN = "not Google's JSON"
    """A page, nothing, or JSON of another form."""
    ERROR = "error"
    """Google's JSON for errors."""
    TOKENS = "tokens"
    """Usable tokens, with the Gmail scope as far as the response names scopes."""
    NO_ACCESS_TOKEN = "no access token"  # noqa: S105  a description, not a secret
    UNUSABLE = "unusable value"
    """A value that cannot be stored or sent: characters that are not allowed, or an absurd lifetime."""
    LACKS_SCOPE = "scope without Gmail"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer, reduced to what the table compares.

    Attributes:
        status: HTTP status, or None if there was no complete response.
        transport: reason code of the transport error if there was none, see ``classify_transport_error``.
        errors: Google's error codes: ``error`` of the token endpoint, the reasons of Gmail.
        subtype: ``error_subtype`` of the token endpoint.
        text: Google's description.
        retry_after: seconds to wait that Google requested, or None.
    """

    party: Party
    status: int | None
    transport: str = ""
    body: Body = Body.ERROR
    errors: tuple[str, ...] = ()
    subtype: str = ""
    text: str = field(default="", repr=False)
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table; a condition that is empty is not compared.

    Attributes:
        code: the reason code, from which category and texts follow.
        text: part of the description, in lower case.
    """

    code: str
    parties: tuple[Party, ...]
    transport: str = ""
    statuses: tuple[int, ...] = ()
    bodies: tuple[Body, ...] = ()
    errors: tuple[str, ...] = ()
    subtypes: tuple[str, ...] = ()
    text: str = ""

    @property
    def reason(self) -> Reason:
        """Return the reason with category, message and remedy."""
        return REASONS[self.code]

    def matches(self, answer: Answer) -> bool:
        """Return whether an answer meets every condition of the row."""
        return (
            answer.party in self.parties
            and answer.transport == self.transport
            and (not self.statuses or answer.status in self.statuses)
            and (not self.bodies or answer.body in self.bodies)
            and (not self.errors or not set(self.errors).isdisjoint(answer.errors))
            and (not self.subtypes or answer.subtype in self.subtypes)
            and self.text in answer.text.lower()
        )


NO_REASON = ""
"""In place of a reason, where an error of Gmail names none."""
SOURCE_REFUSED = "sourceRefused"
"""In place of a reason, where the party that issues the tokens of this machine refuses to."""

_ALL = tuple(Party)
_REFRESH, _CODE, _MAILBOX_TOKEN, _DIRECTORY_TOKEN, _SIGNING, _DIRECTORY, _GMAIL = ((party,) for party in Party)
_GRANTS = (*_REFRESH, *_CODE)
_SERVICE = (*_MAILBOX_TOKEN, *_DIRECTORY_TOKEN)
_TOKENS = (*_GRANTS, *_SERVICE)
_CLOUD = (*_SIGNING, *_DIRECTORY)
API_PARTIES = (*_CLOUD, *_GMAIL)
"""Parties that answer with the errors of Google's APIs, not with those of OAuth."""


def _row(code: str, parties: tuple[Party, ...], *errors: str, **conditions: Any) -> Row:
    return Row(code=code, parties=parties, errors=errors, **conditions)


ROWS: tuple[Row, ...] = (
    # no response
    _row("tls_untrusted", _ALL, transport="tls_untrusted"),
    _row("proxy_failed", _ALL, transport="proxy_failed"),
    _row("unreachable", _ALL, transport="unreachable"),
    # not from Google
    _row("proxy_failed", _ALL, statuses=(407, 511)),
    _row("not_json", _ALL, statuses=tuple(range(300, 400))),
    # servers and rates: token endpoint
    _row("server_error", _TOKENS, "internal_failure", "server_error", "temporarily_unavailable"),
    _row("throttled", _TOKENS, "rate_limit_exceeded", "slow_down", "quota_exceeded"),
    _row("throttled", _TOKENS, statuses=(429,)),
    _row("throttled", _TOKENS, statuses=(403,), bodies=(Body.FOREIGN,)),
    # servers and rates: Gmail
    _row("sending_limit_reached", _GMAIL, text="(mail sending)"),
    _row("project_quota", _GMAIL, "dailyLimitExceeded"),
    _row("mailbox_throttled", _GMAIL, "userRateLimitExceeded"),
    _row("mailbox_throttled", _GMAIL, "rateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", text="user"),
    _row("throttled", _GMAIL, "rateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "quotaExceeded"),
    _row("mailbox_throttled", _GMAIL, statuses=(429,)),
    _row("server_error", API_PARTIES, "backendError", "internalError", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"),
    # servers and rates: other APIs
    _row(
        "throttled", _CLOUD, "rateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "quotaExceeded",
        "userRateLimitExceeded", "dailyLimitExceeded",
    ),
    _row("throttled", _CLOUD, statuses=(429,)),
    _row("server_error", _ALL, statuses=(408, 425, 499, *range(500, 600))),
    _row("not_json", _ALL, bodies=(Body.FOREIGN,)),
    # tokens
    _row("ok", _TOKENS, bodies=(Body.TOKENS,)),
    _row("no_access_token", _TOKENS, bodies=(Body.NO_ACCESS_TOKEN,)),
    _row("unusable_answer", _ALL, bodies=(Body.UNUSABLE,)),
    _row("scope_missing", _GRANTS, bodies=(Body.LACKS_SCOPE,)),
    _row("delegation_missing", _MAILBOX_TOKEN, bodies=(Body.LACKS_SCOPE,)),
    # the service account. Source: Google, "Using OAuth 2.0 for server to server applications", JWT error codes; the
    # other descriptions are those that GAM, a tool for Workspace administrators, handles.
    _row("delegation_missing", _MAILBOX_TOKEN, "unauthorized_client", "access_denied"),
    _row("directory_not_delegated", _DIRECTORY_TOKEN, "unauthorized_client", "access_denied"),
    _row("service_account_key", _SERVICE, "invalid_client", "disabled_client"),
    _row("service_account_missing", _SERVICE, "deleted_client"),
    _row("clock_wrong", _SERVICE, "invalid_grant", text="short-lived token"),
    _row("service_account_key", _SERVICE, "invalid_grant", text="jwt signature"),
    _row("service_account_key", _SERVICE, "invalid_grant", text="no valid verifier"),
    _row("bad_request", _SERVICE, "invalid_grant", text="invalid jwt"),
    _row("service_account_missing", _SERVICE, "invalid_grant", text="account not found"),
    _row("service_account_missing", _SERVICE, "invalid_grant", text="robot is disabled"),
    _row("not_a_workspace_user", _SERVICE, "invalid_grant", text="valid email"),
    _row("not_a_workspace_user", _SERVICE, "invalid_grant", text="has been deleted"),
    _row("not_a_workspace_user", _SERVICE, "invalid_request", text="invalid impersonation"),
    # the code of a consent
    _row("code_used", _CODE, "invalid_grant"),
    _row("redirect_uri_mismatch", _CODE, "redirect_uri_mismatch"),
    # the grant
    _row("session_control", _REFRESH, "invalid_grant", subtypes=("invalid_rapt", "rapt_required")),
    _row("account_deleted", _REFRESH, "invalid_grant", text="account has been deleted"),
    _row("expired_or_revoked", _REFRESH, "invalid_grant", text="expired or revoked"),
    # Any other refusal of a service account concerns a consent, which a delegated mailbox does not have.
    _row("grant_refused", (*_REFRESH, *_SERVICE), "invalid_grant"),
    _row("blocked_by_admin", _TOKENS, "admin_policy_enforced", "access_denied", "org_internal"),
    # the OAuth client
    _row("invalid_client", _GRANTS, "invalid_client"),
    _row("deleted_client", _GRANTS, "deleted_client"),
    _row("disabled_client", _GRANTS, "disabled_client"),
    _row("unauthorized_client", _GRANTS, "unauthorized_client"),
    _row("bad_request", _TOKENS, "invalid_scope", "invalid_request", "unsupported_grant_type"),
    # signing without a key. Source: Google Cloud, "Troubleshoot IAM permissions" and google.api.ErrorReason
    _row("signing_api_disabled", _SIGNING, "accessNotConfigured", "SERVICE_DISABLED"),
    _row("source_credentials", _SIGNING, SOURCE_REFUSED, "UNAUTHENTICATED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    _row("source_credentials", _SIGNING, statuses=(401,)),
    _row("signing_denied", _SIGNING, "IAM_PERMISSION_DENIED", "PERMISSION_DENIED", "forbidden"),
    _row("service_account_missing", _SIGNING, "NOT_FOUND", "notFound", "FAILED_PRECONDITION", "failedPrecondition"),
    _row("service_account_missing", _SIGNING, statuses=(404,)),
    _row("bad_request", _SIGNING, "INVALID_ARGUMENT", "badRequest", "invalidArgument"),
    # the directory of a Workspace. Source: Google, "Directory API: Resolve errors"
    _row("directory_api_disabled", _DIRECTORY, "accessNotConfigured", "SERVICE_DISABLED"),
    _row("directory_not_delegated", _DIRECTORY, "insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    _row("directory_denied", _DIRECTORY, "forbidden", "PERMISSION_DENIED", "authError", "UNAUTHENTICATED"),
    _row("directory_denied", _DIRECTORY, statuses=(401,)),
    _row("directory_not_found", _DIRECTORY, "notFound", "NOT_FOUND", "groupNotFound", "resourceNotFound"),
    _row("directory_not_found", _DIRECTORY, statuses=(404,)),
    _row("request_refused", _DIRECTORY, "badRequest", "invalid", "invalidArgument", "INVALID_ARGUMENT", "required"),
    # Gmail
    _row("blocked_by_admin", _GMAIL, "domainPolicy"),
    _row("scope_missing", _GMAIL, "insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    _row("api_disabled", _GMAIL, "accessNotConfigured", "SERVICE_DISABLED"),
    _row("gmail_disabled", _GMAIL, "failedPrecondition", "FAILED_PRECONDITION", text="mail service not enabled"),
    _row("precondition_failed", _GMAIL, "failedPrecondition", "FAILED_PRECONDITION"),
    _row("token_rejected", _GMAIL, "authError", "UNAUTHENTICATED"),
    _row("token_rejected", _GMAIL, statuses=(401,)),
    _row("not_found", _GMAIL, "notFound", "NOT_FOUND"),
    _row("not_found", _GMAIL, statuses=(404,)),
    _row(
        "request_refused", _GMAIL, "badRequest", "invalidArgument", "INVALID_ARGUMENT", "invalid", "invalidParameter",
        "required", "parseError", "uploadTooLarge", "delegationDenied",
    ),
    _row("request_refused", _GMAIL, NO_REASON, statuses=(400,)),
    # in no other row
    _row("unknown_answer", _ALL),
)  # fmt: skip


def find_row(answer: Answer) -> Row:
    """Return the row of an answer; the last one matches every response."""
    return next(row for row in ROWS if row.matches(answer))


def find_reason(answer: Answer) -> Reason:
    """Return what an answer means."""
    return find_row(answer).reason


_REASON_PATTERN = re.compile(r"[A-Za-z_]{1,60}")


def read_api_answer(
    status: int, headers: Mapping[str, str], content: bytes | str, party: Party = Party.GMAIL
) -> Answer:
    """Reduce a response of one of Google's APIs; its headers have lower-case names, its body may be anything."""
    body = parse_json(content) if is_json_type(headers.get("content-type")) else None
    error = body.get("error") if isinstance(body, Mapping) else None
    wait = parse_retry_after(headers.get("retry-after"))
    if not isinstance(error, Mapping) or error.keys().isdisjoint({"code", "message", "errors", "status"}):
        return Answer(party=party, status=status, body=Body.FOREIGN, retry_after=wait)
    message = error.get("message")
    text = message if isinstance(message, str) else ""
    waits = [seconds for seconds in (wait, parse_retry_time(text)) if seconds is not None]
    return Answer(
        party=party, status=status, errors=_read_reasons(error), text=text, retry_after=max(waits, default=None)
    )


def is_json_type(content_type: str | None) -> bool:
    """Return whether a header Content-Type stands for JSON, or is missing."""
    return not content_type or "json" in content_type.partition(";")[0].lower()


def _read_reasons(error: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the reasons of an error of Google's API; its status counts only if there are none."""
    items = [item for key in ("errors", "details") if isinstance(error.get(key), list) for item in error[key]]
    reasons = [item.get("reason") for item in items if isinstance(item, Mapping)]
    named = [reason for reason in reasons if isinstance(reason, str) and _REASON_PATTERN.fullmatch(reason)]
    status = error.get("status")
    if not named and isinstance(status, str) and _REASON_PATTERN.fullmatch(status):
        named = [status]
    return tuple(dict.fromkeys(named)) or (NO_REASON,)
