"""Gmail's error responses, in the format of Google APIs."""

from __future__ import annotations

from typing import Any

from gmail_sandbox.responses import Answer

_STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def error_body(
    code: int,
    message: str,
    reason: str,
    *,
    domain: str = "global",
    status: str | None = None,
    inner_message: str | None = None,
    location: tuple[str, str] | None = None,
    details: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the body of an error response; `location` is (locationType, location)."""
    row = {"message": inner_message or message, "domain": domain, "reason": reason}
    if location is not None:
        row |= {"locationType": location[0], "location": location[1]}
    error: dict[str, Any] = {"code": code, "message": message, "errors": [row]}
    error["status"] = status or _STATUS_NAMES.get(code, "UNKNOWN")
    if details:
        error["details"] = details
    return {"error": error}


def error_info(reason: str, domain: str = "googleapis.com", **metadata: str) -> dict[str, Any]:
    """Return a google.rpc.ErrorInfo detail."""
    return {"@type": _ERROR_INFO, "reason": reason, "domain": domain, "metadata": metadata}


class GmailError(Exception):
    """A refused call; `body` is the error response."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(body["error"]["message"])
        self.body = body

    @property
    def answer(self) -> Answer:
        """Return the error as an HTTP response."""
        return Answer.of_json(self.body["error"]["code"], self.body)


def bad_request(message: str, reason: str = "badRequest") -> GmailError:
    """Return a 400."""
    return GmailError(error_body(400, message, reason))


def invalid_argument(message: str) -> GmailError:
    """Return a 400 with the reason invalidArgument."""
    return bad_request(message, "invalidArgument")


def not_found(message: str = "Requested entity was not found.") -> GmailError:
    """Return a 404."""
    return GmailError(error_body(404, message, "notFound"))


def conflict(message: str) -> GmailError:
    """Return a 409."""
    return GmailError(error_body(409, message, "aborted"))


INVALID_CREDENTIALS = error_body(
    401,
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    "authError",
    inner_message="Invalid Credentials",
    location=("header", "Authorization"),
)
LOGIN_REQUIRED = error_body(
    401,
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    "required",
    inner_message="Login Required.",
    location=("header", "Authorization"),
    details=[error_info("CREDENTIALS_MISSING", service="gmail.googleapis.com")],
)
INSUFFICIENT_SCOPE = error_body(
    403,
    "Request had insufficient authentication scopes.",
    "insufficientPermissions",
    inner_message="Insufficient Permission",
    details=[error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", service="gmail.googleapis.com")],
)
TOO_MANY_CONCURRENT = error_body(429, "Too many concurrent requests for user.", "rateLimitExceeded")
USER_RATE = error_body(
    403,
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service "
    "'gmail.googleapis.com' for consumer 'project_number:0'.",
    "userRateLimitExceeded",
    domain="usageLimits",
    details=[error_info("RATE_LIMIT_EXCEEDED", quota_limit="QueriesPerMinutePerUser")],
)
PROJECT_RATE = error_body(
    403,
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service "
    "'gmail.googleapis.com' for consumer 'project_number:0'.",
    "rateLimitExceeded",
    domain="usageLimits",
    details=[error_info("RATE_LIMIT_EXCEEDED", quota_limit="QueriesPerMinutePerProject")],
)
DAILY_LIMIT = error_body(403, "Daily Limit Exceeded", "dailyLimitExceeded", domain="usageLimits")


def mail_sending(retry_after: str) -> dict[str, Any]:
    """Return the error for a mailbox that exceeded its 24-hour sending limit."""
    message = f"User-rate limit exceeded.  Retry after {retry_after} (Mail sending)"
    return error_body(429, message, "userRateLimitExceeded", domain="usageLimits")
