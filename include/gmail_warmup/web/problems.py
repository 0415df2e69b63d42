"""Problem details (RFC 9457): the record, its OpenAPI description, and the conversion of the package's errors."""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass, field
from typing import Any

from fastapi.responses import JSONResponse

from gmail_warmup.core.errors import (
    ConfigurationError,
    GmailWarmupError,
    InvalidInputError,
    MailboxBusyError,
    TooManyConsentsError,
    UnknownDeliveryError,
    UnknownInviteError,
    UnknownMailboxError,
    UnknownReportLinkError,
)
from gmail_warmup.core.tracebacks import clear_locals
from gmail_warmup.gmail.workspace.directory import DirectoryError, DirectoryTimeoutError, DirectoryUnavailableError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One error in the form of RFC 9457."""

    status: int
    slug: str
    title: str
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    """For an invalid input, each field with the broken rule."""
    is_public: bool = False
    """Whether a person without a login may read it: it names nothing of the installation."""

    def as_dict(self) -> dict[str, Any]:
        """Return the members of the JSON object."""
        members: dict[str, Any] = {
            "type": f"urn:gmail-warmup:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        return members | {"errors": self.errors} if self.errors else members


_SCHEMA = {
    "title": "Problem",
    "description": "Problem details, RFC 9457.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "A URN that identifies the kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "The cause and the remedy."},
        "errors": {
            "type": "array",
            "description": "For an invalid input, each field with the broken rule.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
    for status, description in (
        ("4XX", "The request is invalid or not allowed."),
        ("5XX", "The request failed, or the service is not ready."),
    )
}
"""OpenAPI responses for errors, shared by all routes."""


class ProblemResponse(JSONResponse):
    """A problem as ASCII-only JSON, because the name of a field may contain a lone surrogate."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content).encode("ascii")


_PROBLEMS: dict[type[Exception], tuple[int, str, str]] = {
    UnknownMailboxError: (404, "unknown-mailbox", "Unknown mailbox"),
    UnknownInviteError: (404, "unknown-invite", "Unknown invite"),
    UnknownDeliveryError: (404, "unknown-delivery", "Unknown delivery"),
    UnknownReportLinkError: (404, "unknown-report-link", "Unknown link"),
    TooManyConsentsError: (429, "too-many-consents", "Too many attempts"),
    MailboxBusyError: (409, "mailbox-busy", "The mailbox is in use"),
    InvalidInputError: (422, "invalid-input", "Invalid input"),
    DirectoryError: (422, "directory-refused", "The directory cannot be read"),
    DirectoryUnavailableError: (503, "directory-unavailable", "The directory cannot be read now"),
    DirectoryTimeoutError: (503, "directory-unavailable", "The directory cannot be read now"),
    ConfigurationError: (503, "configuration", "Gmail Warmup is not ready"),
}
"""Status, slug and title of each error whose message the caller may see. The most specific class counts."""
_PUBLIC = frozenset({TooManyConsentsError})
"""The errors whose message a person without a login may see."""


def problem_from_error(error: GmailWarmupError) -> Problem | None:
    """Convert an error of the package to a problem; None if the caller must not see its message."""
    for kind in type(error).__mro__:
        if kind in _PROBLEMS:
            status, slug, title = _PROBLEMS[kind]
            return Problem(status=status, slug=slug, title=title, detail=str(error), is_public=kind in _PUBLIC)
    return None


def hide_details(problem: Problem) -> Problem:
    """Return what a person without a login may read of a problem; the log has the details.

    Every other message may name Connections, mailboxes or commands, which tell that person nothing.
    """
    if problem.is_public:
        return problem
    if problem.status < 500:  # the others are in the log
        log.error("The page of a link cannot serve: %s", problem.detail)
    return Problem(
        status=problem.status, slug="unavailable", title="This is currently unavailable", detail=_UNAVAILABLE_DETAIL
    )


_UNAVAILABLE_DETAIL = (
    "The cause is not your account. Try again in a few minutes; if it persists, tell the person who sent you the link: "
    "they can fix it."
)


def internal_error(error: Exception) -> Problem:
    """Log an error with an id and return a problem that contains only the id."""
    error_id = secrets.token_hex(4)
    clear_locals(error)
    log.error("Error %s in the page 'Gmail accounts'", error_id, exc_info=error)
    detail = f"An unexpected error occurred. The log of the api-server contains it under the id {error_id}."
    return Problem(status=500, slug="unexpected", title="Unexpected error", detail=detail)


INVITE_OVER = Problem(
    status=404,
    slug="invite-over",
    title="This link is no longer valid",
    detail="Ask the sender for a new link.",
    is_public=True,
)
"""The response to every invalid link, whatever the cause."""
