"""Named faults: one for each documented error of the token endpoint and the Gmail API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, cast

from gmail_sandbox.cloud import errors as cloud
from gmail_sandbox.gmail import errors as gmail
from gmail_sandbox.oauth import errors as oauth
from gmail_sandbox.responses import Answer, Json

_PAGE = "<!DOCTYPE html><html lang=en><title>Error {code}</title><p><b>{code}.</b> That's an error.</p><p>{text}</p>"
_NO_ANSWER = Answer(0)
Edge = Literal["token", "gmail", "iam", "directory"]


@dataclass(frozen=True, slots=True)
class Row:
    """A named fault of one edge: token endpoint, Gmail API, IAM Credentials API or Directory API."""

    name: str
    meaning: str
    answer: Answer = _NO_ANSWER
    close: bool = False
    hang_seconds: float | None = None
    cut_after_bytes: int | None = None
    content_length: int | None = None

    @property
    def edge(self) -> Edge:
        """Return the edge to which the fault applies."""
        return cast(Edge, self.name.partition(".")[0])

    @property
    def replaces(self) -> bool:
        """Return whether the fault replaces the response."""
        return self.answer is not _NO_ANSWER


def _html(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    return Answer.of_html(status, _PAGE.format(code=status, text=text), *headers)


def _gmail(code: int, message: str, reason: str, **more: Json) -> Answer:
    return Answer.of_json(code, gmail.error_body(code, message, reason, **more))


def _body(body: dict[str, Any]) -> Answer:
    return Answer.of_json(body["error"]["code"], body)


_TOKEN_BODY = json.dumps({"expires_in": 3599, "token_type": "Bearer"}).encode()


def _tokens(changes: dict[str, Json]) -> Answer:
    body = {"access_token": "ya29.odd", "expires_in": 3599, "token_type": "Bearer"}
    return Answer.of_json(200, body | changes)


_UNAVAILABLE = "The service is currently unavailable."
_NOT_ENABLED = (
    "Gmail API has not been used in project 0 before or it is disabled. Enable it by visiting "
    "https://console.developers.google.com/apis/api/gmail.googleapis.com/overview?project=0 then retry."
)

_ROWS = (
    Row("token.cut", "the connection is cut without a response", close=True),
    Row("token.hang", "no response for a minute, then the connection is cut", close=True, hang_seconds=60),
    Row("token.html_500", "500 as a page", _html(500, "Internal Server Error")),
    Row("token.html_502", "502 as a page", _html(502, "Bad Gateway")),
    Row("token.html_503", "503 as a page", _html(503, _UNAVAILABLE)),
    Row("token.html_503_retry_after", "503 with Retry-After", _html(503, _UNAVAILABLE, ("retry-after", "2"))),
    Row("token.json_500", "500 internal_failure", oauth.oauth_error(500, "internal_failure", "Backend Error")),
    Row("token.json_503", "503 as JSON", oauth.oauth_error(503, "temporarily_unavailable")),
    Row("token.json_list_503", "503 whose JSON is a list", Answer.of_json(503, [{"error": {"code": 503}}])),
    Row("token.request_timeout_408", "408 as a page", _html(408, "Request Timeout")),
    Row("token.internal_failure", "400 internal_failure", oauth.oauth_error(400, "internal_failure", "Backend Error")),
    Row("token.server_error", "400 server_error", oauth.oauth_error(400, "server_error")),
    Row(
        "token.temporarily_unavailable",
        "400 temporarily_unavailable",
        oauth.oauth_error(400, "temporarily_unavailable"),
    ),
    Row("token.too_many_429", "429 as JSON", oauth.oauth_error(429, "rate_limit_exceeded", "Rate Limit Exceeded")),
    Row("token.html_429", "429 as a page with Retry-After", _html(429, "Too Many Requests", ("retry-after", "2"))),
    Row("token.rate_limit_html_403", "the token endpoint's rate limit, a page", oauth.RATE_LIMITED),
    Row("token.rate_limit_json_403", "the rate limit as JSON", oauth.oauth_error(403, "rate_limit_exceeded")),
    Row("token.200_not_json", "200 with a page, as from a proxy", _html(200, "Welcome to the hotel network")),
    Row("token.200_empty", "200 with an empty body", Answer(200, b"", "application/json")),
    Row("token.200_no_access_token", "200 without an access_token", Answer(200, _TOKEN_BODY, "application/json")),
    Row(
        "token.200_truncated",
        "200 whose body stops early",
        Answer(200, b'{"access_token": "ya29.cut', "application/json"),
        content_length=400,
    ),
    Row("token.redirect_302", "a captive portal's redirect", _html(302, "Found", ("location", "http://login.test/"))),
    Row("token.html_400", "400 as a page", _html(400, "Your client has issued a malformed or illegal request.")),
    Row("token.html_404", "404 as a page", _html(404, "The requested URL was not found on this server.")),
    Row("token.revoked", "expired or revoked: definite", oauth.REVOKED),
    Row("token.bad_request", 'invalid_grant "Bad Request": ambiguous', oauth.BAD_REQUEST),
    Row("token.empty_description", "invalid_grant with an empty description", oauth.EMPTY_DESCRIPTION),
    Row("token.no_description", "invalid_grant without a description", oauth.NO_DESCRIPTION),
    Row("token.account_deleted", "the account is gone", oauth.ACCOUNT_DELETED),
    Row("token.invalid_rapt", "session control", oauth.INVALID_RAPT),
    Row("token.rapt_required", "session control", oauth.RAPT_REQUIRED),
    Row("token.admin_policy", "the admin restricts the app", oauth.ADMIN_POLICY),
    Row("token.access_denied", "blocked by the admin", oauth.ACCESS_DENIED),
    Row("token.invalid_client", "wrong client secret", oauth.CLIENT_SECRET_INVALID),
    Row("token.client_not_found", "unknown client id", oauth.CLIENT_NOT_FOUND),
    Row("token.deleted_client", "the OAuth client was deleted", oauth.DELETED_CLIENT),
    Row("token.disabled_client", "the OAuth client was disabled", oauth.DISABLED_CLIENT),
    Row("token.unauthorized_client", "the token belongs to another client", oauth.UNAUTHORIZED_CLIENT),
    Row("token.invalid_scope", "a scope that was not granted", oauth.INVALID_SCOPE),
    Row("token.invalid_request", "a parameter is missing", oauth.invalid_request("Missing required parameter")),
    Row("token.unsupported_grant_type", "wrong grant_type", oauth.UNSUPPORTED_GRANT_TYPE),
    Row(
        "token.scope_lost",
        "200 whose scope lacks Gmail",
        Answer.of_json(
            200, {"access_token": "ya29.scopeless", "expires_in": 3599, "scope": "openid", "token_type": "Bearer"}
        ),
    ),
    Row("token.html_407", "a proxy wants a password", _html(407, "Proxy Authentication Required")),
    Row("token.html_499", "a proxy gave up", _html(499, "Client Closed Request")),
    Row("token.empty_400", "400 with an empty body", Answer(400)),
    Row("token.scope_with_nul", "200 whose scope holds U+0000", _tokens({"scope": "openid\x00"})),
    Row("token.token_with_nul", "200 whose access token holds U+0000", _tokens({"access_token": "ya29.\x00"})),
    Row("token.token_not_ascii", "200 whose access token is not ASCII", _tokens({"access_token": "ya29.\u00e9"})),
    Row("token.token_with_line_break", "200, line break in the access token", _tokens({"access_token": "ya29.\r\na"})),
    Row("token.refresh_token_not_ascii", "200, refresh token not ASCII", _tokens({"refresh_token": "1//\u2028"})),
    Row("token.scope_no_text", "200 whose scope is a number", _tokens({"scope": 7})),
    Row("token.negative_lifetime", "200 with a negative lifetime", _tokens({"expires_in": -3599})),
    Row("token.absurd_lifetime", "200 with a lifetime of centuries", _tokens({"expires_in": 10**12})),
    Row("token.lifetime_no_number", "200 whose lifetime is no number", _tokens({"expires_in": "soon"})),
    Row("token.redirect_uri_mismatch", "the redirect URI is not registered",
        oauth.oauth_error(400, "redirect_uri_mismatch", "Bad Request")),
    Row("gmail.cut", "the connection is cut without a response", close=True),
    Row("gmail.hang", "no response for a minute, then the connection is cut", close=True, hang_seconds=60),
    Row("gmail.bad_request", "the request is invalid", _gmail(400, "Bad Request", "badRequest")),
    Row("gmail.invalid_argument", "the request is invalid", _gmail(400, "Invalid argument", "invalidArgument")),
    Row(
        "gmail.mail_service_not_enabled",
        "Gmail is off for that user",
        _gmail(400, "Mail service not enabled", "failedPrecondition", status="FAILED_PRECONDITION"),
    ),
    Row(
        "gmail.failed_precondition",
        "suspended or locked mailbox",
        _gmail(400, "Precondition check failed.", "failedPrecondition", status="FAILED_PRECONDITION"),
    ),
    Row("gmail.auth_error", "the access token is refused", _body(gmail.INVALID_CREDENTIALS)),
    Row("gmail.daily_limit", "the project's own daily cap", _body(gmail.DAILY_LIMIT)),
    Row(
        "gmail.domain_policy",
        "the admin disabled the app",
        _gmail(403, "The domain administrators have disabled Gmail apps.", "domainPolicy"),
    ),
    Row("gmail.rate_limit_403", "queries per minute of the project", _body(gmail.PROJECT_RATE)),
    Row(
        "gmail.rate_limit_429",
        "queries per minute of the project",
        _gmail(429, "Rate Limit Exceeded", "rateLimitExceeded", domain="usageLimits"),
    ),
    Row("gmail.user_rate_limit_403", "queries per minute of one user", _body(gmail.USER_RATE)),
    Row(
        "gmail.user_rate_limit_429",
        "queries per minute of one user",
        _gmail(429, "User-rate limit exceeded.", "userRateLimitExceeded", domain="usageLimits"),
    ),
    Row("gmail.insufficient_scope", "the grant lacks the scope", _body(gmail.INSUFFICIENT_SCOPE)),
    Row(
        "gmail.access_not_configured",
        "the API is off in the project",
        _gmail(
            403,
            _NOT_ENABLED,
            "accessNotConfigured",
            domain="usageLimits",
            details=[gmail.error_info("SERVICE_DISABLED", service="gmail.googleapis.com")],
        ),
    ),
    Row(
        "gmail.delegation_denied",
        "wrong userId or delegation",
        _gmail(403, "Delegation denied for user@example.com", "delegationDenied"),
    ),
    Row("gmail.not_found", "a person deleted it", _gmail(404, "Requested entity was not found.", "notFound")),
    Row("gmail.mail_sending_429", "the daily sending limit", _body(gmail.mail_sending("2030-01-01T00:00:00.000Z"))),
    Row("gmail.concurrent_429", "parallel calls on one mailbox", _body(gmail.TOO_MANY_CONCURRENT)),
    Row("gmail.backend_500", "Google fails", _gmail(500, "Backend Error", "backendError")),
    Row("gmail.html_502", "502 as a page", _html(502, "Bad Gateway")),
    Row("gmail.unavailable_503", "Google fails", _gmail(503, _UNAVAILABLE, "backendError")),
    Row("gmail.html_503", "503 as a page", _html(503, _UNAVAILABLE)),
    Row("gmail.timeout_504", "Google fails", _gmail(504, "Deadline exceeded", "backendError")),
    Row("gmail.redirect_302", "a captive portal's redirect", _html(302, "Found", ("location", "http://login.test/"))),
    Row("gmail.html_400", "400 as a page", _html(400, "Your client has issued a malformed or illegal request.")),
    Row("gmail.html_401", "401 as a page", _html(401, "Sign in to the network")),
    Row("gmail.html_403", "403 as a page", _html(403, "Access to this site is blocked")),
    Row("gmail.html_404", "404 as a page", _html(404, "The requested URL was not found on this server.")),
    Row("gmail.html_407", "a proxy wants a password", _html(407, "Proxy Authentication Required")),
    Row("gmail.html_499", "a proxy gave up", _html(499, "Client Closed Request")),
    Row("gmail.empty_400", "400 with an empty body", Answer(400)),
    Row("gmail.empty_403", "403 with an empty body", Answer(403)),
    Row("gmail.foreign_json_400", "400 as another server's JSON", Answer.of_json(400, {"error": "login required"})),
    Row("gmail.forbidden", "a reason that no table knows", _gmail(403, "Forbidden", "forbidden")),
    Row("gmail.retry_after_text", "a time in the text",
        _gmail(429, "User-rate limit exceeded.  Retry after 2030-01-01T00:00:00.000Z", "userRateLimitExceeded")),
    Row("gmail.200_foreign_json", "200 as another server's JSON", Answer.of_json(200, {"login": "required"})),
    Row("gmail.200_not_json", "200 with a page, as from a proxy", _html(200, "Welcome to the hotel network")),
    Row("iam.cut", "the connection is cut without a response", close=True),
    Row("iam.unauthenticated", "the machine's token is refused", cloud.UNAUTHENTICATED),
    Row("iam.permission_denied", "the machine may not sign for the account", cloud.NOT_ALLOWED),
    Row("iam.not_found", "no such service account", cloud.NO_SUCH_ACCOUNT),
    Row("iam.disabled", "the service account is disabled", cloud.ACCOUNT_DISABLED),
    Row("iam.api_disabled", "the API is off in the project",
        cloud.api_error(403, "PERMISSION_DENIED", _NOT_ENABLED, gmail.error_info("SERVICE_DISABLED"))),
    Row("iam.scope", "the machine's access scopes do not include IAM",
        cloud.api_error(403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.",
                          gmail.error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT"))),
    Row("iam.invalid_argument", "the request is invalid", cloud.INVALID_PAYLOAD),
    Row("iam.rate_limit_429", "too many requests",
        cloud.api_error(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Generate credentials'.",
                          gmail.error_info("RATE_LIMIT_EXCEEDED"))),
    Row("iam.unavailable_503", "Google fails", cloud.api_error(503, "UNAVAILABLE", _UNAVAILABLE)),
    Row("iam.html_403", "403 as a page", _html(403, "Access to this site is blocked")),
    Row("iam.200_no_jwt", "200 without the signed JWT", Answer.of_json(200, {"keyId": "x"})),
    Row("iam.200_not_json", "200 with a page, as from a proxy", _html(200, "Welcome to the hotel network")),
    Row("directory.cut", "the connection is cut without a response", close=True),
    Row("directory.denied", "the administrator may not read the directory", cloud.DIRECTORY_DENIED),
    Row("directory.scope", "the token lacks the scope", cloud.DIRECTORY_SCOPE),
    Row("directory.auth_error", "the access token is refused", _body(gmail.INVALID_CREDENTIALS)),
    Row("directory.api_disabled", "the API is off in the project", cloud.DIRECTORY_API_DISABLED),
    Row("directory.not_found", "no such group", cloud.DIRECTORY_NOT_FOUND),
    Row("directory.bad_request", "the request is invalid", cloud.DIRECTORY_BAD_REQUEST),
    Row("directory.rate_limit_429", "too many requests",
        Answer.of_json(429, gmail.error_body(429, "Rate Limit Exceeded", "rateLimitExceeded"), ("retry-after", "0"))),
    Row("directory.quota_403", "queries per minute", _gmail(403, "Quota exceeded", "quotaExceeded")),
    Row("directory.user_rate_403", "queries per minute", _gmail(403, "User Rate Limit", "userRateLimitExceeded")),
    Row("directory.backend_503", "Google fails", _gmail(503, _UNAVAILABLE, "backendError")),
    Row("directory.html_403", "403 as a page", _html(403, "Access to this site is blocked")),
    Row("directory.200_foreign_json", "200 as another server's JSON", Answer.of_json(200, {"login": "required"})),
    Row("directory.200_not_json", "200 with a page, as from a proxy", _html(200, "Welcome to the hotel network")),
    Row("directory.200_odd_rows", "200 whose users are no objects",
        Answer.of_json(200, {"kind": "admin#directory#users", "users": [7, None, {}, "x"]})),
    Row("directory.200_same_page", "200 whose next page is this page",
        Answer.of_json(200, {"kind": "admin#directory#users", "users": [], "nextPageToken": "0"})),
)  # fmt: skip

CATALOGUE = {row.name: row for row in _ROWS}

SCOPE_LOST = "scope_lost"
CAUSES = {
    "revoked": "token.revoked",
    "bad_request": "token.bad_request",
    "empty_description": "token.empty_description",
    "no_description": "token.no_description",
    "account_deleted": "token.account_deleted",
    "invalid_rapt": "token.invalid_rapt",
    "rapt_required": "token.rapt_required",
    "admin_policy": "token.admin_policy",
    "access_denied": "token.access_denied",
    "unauthorized_client": "token.unauthorized_client",
}
"""Causes of a revoked grant, with the fault returned on refresh. `scope_lost` refreshes, but without Gmail's scope."""
