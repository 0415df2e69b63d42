"""Error responses of Google Cloud's and Workspace's APIs."""

from __future__ import annotations

from gmail_sandbox.gmail.errors import error_body, error_info
from gmail_sandbox.responses import Answer, Json


def api_error(code: int, status: str, message: str, *details: dict[str, Json]) -> Answer:
    """Return an error of a Google Cloud API, which names its reason only in the details."""
    error: dict[str, Json] = {"code": code, "message": message, "status": status}
    return Answer.of_json(code, {"error": error | ({"details": [*details]} if details else {})})


UNAUTHENTICATED = api_error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
NOT_ALLOWED = api_error(
    403,
    "PERMISSION_DENIED",
    "Permission 'iam.serviceAccounts.signJwt' denied on resource (or it may not exist).",
    error_info("IAM_PERMISSION_DENIED", "iam.googleapis.com", permission="iam.serviceAccounts.signJwt"),
)
NO_SUCH_ACCOUNT = api_error(404, "NOT_FOUND", "Not found; Gaia id not found for email robot@project-1.example")
ACCOUNT_DISABLED = api_error(400, "FAILED_PRECONDITION", "The service account is disabled.")
INVALID_PAYLOAD = api_error(400, "INVALID_ARGUMENT", "The payload must be a JSON object of claims.")


def directory_error(code: int, message: str, reason: str, *details: dict[str, Json]) -> Answer:
    """Return an error of the Directory API, which names its reason in ``errors``."""
    return Answer.of_json(code, error_body(code, message, reason, details=[*details]))


DIRECTORY_DENIED = directory_error(403, "Not Authorized to access this resource/api", "forbidden")
DIRECTORY_SCOPE = directory_error(
    403,
    "Request had insufficient authentication scopes.",
    "insufficientPermissions",
    error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
)
DIRECTORY_API_DISABLED = directory_error(
    403,
    "Admin SDK API has not been used in project 0 before or it is disabled.",
    "accessNotConfigured",
    error_info("SERVICE_DISABLED", service="admin.googleapis.com"),
)
DIRECTORY_NOT_FOUND = directory_error(404, "Resource Not Found: groupKey", "notFound")
DIRECTORY_BAD_REQUEST = directory_error(400, "Bad Request", "badRequest")
