"""Error responses of the token endpoint."""

from __future__ import annotations

from gmail_sandbox.responses import Answer

RATE_LIMIT_PAGE = """<!DOCTYPE html><html lang="en"><head><title>Error 403 (Rate Limit Exceeded)!!1</title></head>
<body><p><b>403.</b> That's an error.</p><p>User Rate Limit Exceeded. Please try again later.</p></body></html>
"""
EXPIRED_OR_REVOKED = "Token has been expired or revoked."


def oauth_error(status: int, error: str, description: str | None = None, **more: str) -> Answer:
    """Return an error response in the format of the token endpoint."""
    body = {"error": error}
    if description is not None:
        body["error_description"] = description
    return Answer.of_json(status, body | more)


REVOKED = oauth_error(400, "invalid_grant", EXPIRED_OR_REVOKED)
BAD_REQUEST = oauth_error(400, "invalid_grant", "Bad Request")
EMPTY_DESCRIPTION = oauth_error(400, "invalid_grant", "")
NO_DESCRIPTION = oauth_error(400, "invalid_grant")
ACCOUNT_DELETED = oauth_error(400, "invalid_grant", "The account has been deleted")
INVALID_RAPT = oauth_error(
    400,
    "invalid_grant",
    "reauth related error (invalid_rapt)",
    error_uri="https://support.google.com/a/answer/9368756",
    error_subtype="invalid_rapt",
)
RAPT_REQUIRED = oauth_error(
    400,
    "invalid_grant",
    "reauth related error (rapt_required)",
    error_uri="https://support.google.com/a/answer/9368756",
    error_subtype="rapt_required",
)
ADMIN_POLICY = oauth_error(
    400,
    "admin_policy_enforced",
    "Access to your account data is restricted by policies within your organization. "
    "Please contact the administrator of your organization for more information.",
)
ACCESS_DENIED = oauth_error(400, "access_denied", "Access to this app is blocked by your organization's administrator.")
UNAUTHORIZED_CLIENT = oauth_error(401, "unauthorized_client", "Unauthorized")
CLIENT_NOT_FOUND = oauth_error(401, "invalid_client", "The OAuth client was not found.")
CLIENT_SECRET_INVALID = oauth_error(401, "invalid_client", "The provided client secret is invalid.")
DELETED_CLIENT = oauth_error(401, "deleted_client", "The OAuth client was deleted.")
DISABLED_CLIENT = oauth_error(401, "disabled_client", "The OAuth client was disabled.")
INVALID_SCOPE = oauth_error(400, "invalid_scope", "Some requested scopes were invalid.")
UNSUPPORTED_GRANT_TYPE = oauth_error(400, "unsupported_grant_type", "Invalid grant_type: ")
SERVICE_ACCOUNT_NOT_FOUND = oauth_error(400, "invalid_grant", "Invalid grant: account not found")
JWT_SIGNATURE = oauth_error(400, "invalid_grant", "Invalid JWT Signature.")
JWT_AUDIENCE = oauth_error(400, "invalid_grant", "Invalid JWT: Failed audience check.")
JWT_TIME = oauth_error(
    400,
    "invalid_grant",
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your 'iat' "
    "and 'exp' values and use a clock with skew to account for clock differences between systems.",
)
JWT_NO_SCOPE = oauth_error(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
NO_SUCH_USER = oauth_error(400, "invalid_grant", "Invalid email or User ID")
NOT_DELEGATED = oauth_error(
    401,
    "unauthorized_client",
    "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the "
    "scopes requested.",
)
RATE_LIMITED = Answer.of_html(403, RATE_LIMIT_PAGE)

CLIENT_REFUSALS = {
    "deleted_client": DELETED_CLIENT,
    "disabled_client": DISABLED_CLIENT,
    "invalid_client": CLIENT_SECRET_INVALID,
    "unauthorized_client": UNAUTHORIZED_CLIENT,
}


def invalid_request(description: str) -> Answer:
    """Return a 400 `invalid_request` response."""
    return oauth_error(400, "invalid_request", description)
