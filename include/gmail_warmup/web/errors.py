"""Every error of this application becomes an answer here: problem details for the API, a page for a browser."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gmail_warmup.core import urls
from gmail_warmup.core.errors import (
    ConfigurationError,
    GmailWarmupError,
    InvalidInputError,
    TooManyConsentsError,
    UnknownInviteError,
    UnknownMailboxError,
)
from gmail_warmup.core.tracebacks import clear_locals
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import AppContext
from gmail_warmup.web.security import inner_path
from gmail_warmup.web.views import validation_messages

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
    """For a wrong input, each field with the rule that it breaks."""

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
        "type": {"type": "string", "description": "A URN that names the kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do."},
        "errors": {
            "type": "array",
            "description": "For a wrong input, each field with the rule that it breaks.",
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
    for status, description in (("4XX", "What was asked cannot be done."), ("5XX", "It failed, or is not ready."))
}
"""What the description of the API says of every error."""


class ProblemResponse(JSONResponse):
    """A problem as JSON; all of it ASCII, since a field that it names may be no text (a lone surrogate)."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content).encode("ascii")


def problem_from_error(error: GmailWarmupError) -> Problem | None:
    """Return the problem that one of the package's errors is, or None if it is not the caller's business."""
    if isinstance(error, UnknownMailboxError):
        return Problem(status=404, slug="unknown-mailbox", title="Unknown mailbox", detail=str(error))
    if isinstance(error, UnknownInviteError):
        return Problem(status=404, slug="unknown-invite", title="Unknown invite", detail=str(error))
    if isinstance(error, TooManyConsentsError):
        return Problem(status=429, slug="too-many-consents", title="Too many tries", detail=str(error))
    if isinstance(error, InvalidInputError):
        return Problem(status=422, slug="invalid-input", title="Wrong input", detail=str(error))
    if isinstance(error, ConfigurationError):
        return Problem(status=503, slug="configuration", title="Gmail Warmup is not ready", detail=str(error))
    return None


def internal_error(error: Exception) -> Problem:
    """Log an error under an id and return the problem that names nothing but the id."""
    error_id = secrets.token_hex(4)
    clear_locals(error)
    log.error("Error %s in the page 'Gmail accounts'", error_id, exc_info=error)
    detail = f"Something went wrong. The api-server's log explains it under the id {error_id}."
    return Problem(status=500, slug="unexpected", title="Unexpected error", detail=detail)


INVITE_OVER = Problem(
    status=404,
    slug="invite-over",
    title="This link does not work any more",
    detail="Ask whoever sent it for a new one.",
)
"""The one answer to a link that opens no invite, whatever the cause."""

_UNAVAILABLE_DETAIL = (
    "Something went wrong, and not by your doing. Try again in a few minutes; if it stays, tell who sent the link."
)


def mark_public(request: Request) -> None:
    """Let whatever goes wrong with this request be told to the visitor of an invite."""
    request.state.invited = True


def problem_response(request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as JSON to a script, else as a page; the visitor of an invite learns of nothing inside."""
    inside = inner_path(request.scope)
    invited = urls.is_public_path(inside) or getattr(request.state, "invited", False)
    if invited and problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        problem = Problem(
            status=problem.status, slug="unavailable", title="This does not work now", detail=_UNAVAILABLE_DETAIL
        )
    if inside.startswith("/api/") or (invited and request.method == "POST"):
        return ProblemResponse(problem.as_dict(), problem.status, headers)
    if invited:
        text = {"title": problem.title, "detail": problem.detail}
        return render.render_page(request, "invite_message.html", problem.status, headers, **text)
    return render.render_problem_page(request, problem.status, problem.title, problem.detail, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Tell an application which error becomes which answer."""
    app.add_exception_handler(GmailWarmupError, _handle_package_error)
    app.add_exception_handler(DBAPIError, _handle_database_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(StarletteHTTPException, _handle_http_error)
    app.add_exception_handler(UnicodeEncodeError, _handle_unicode_error)


def _handle_package_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GmailWarmupError)
    problem = problem_from_error(error) or internal_error(error)
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.error("The page 'Gmail accounts' cannot serve: %s", problem.detail)
    return problem_response(request, problem)


def _handle_database_error(request: Request, error: Exception) -> Response:
    context: AppContext = request.app.state.context
    cause = context.diagnose_failure()
    return problem_response(request, internal_error(error)) if cause is None else _handle_package_error(request, cause)


def _handle_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = validation_messages.describe_errors(error.errors())
    detail = "; ".join(f"{item['field']} {item['message']}" if item["field"] else item["message"] for item in errors)
    return problem_response(
        request, Problem(status=422, slug="invalid-input", title="Wrong input", detail=detail, errors=errors)
    )


_INVALID_UNICODE = "The request holds a character that is no text (a lone surrogate)."


def _handle_unicode_error(request: Request, error: Exception) -> Response:
    """Refuse what JSON can write and no text can hold: validation and the database's driver stumble over it."""
    errors = [{"field": "", "message": _INVALID_UNICODE}]
    problem = Problem(status=422, slug="invalid-input", title="Wrong input", detail=_INVALID_UNICODE, errors=errors)
    return problem_response(request, problem)


_TITLES = {401: "Please sign in", 403: "Not allowed", 404: "Not found"}
_DETAILS = {
    401: "You are not signed in to Airflow, or your session has ended.",
    403: "Your Airflow account has no right to this. Looking needs the right to read Connections, changing something "
    "the right to edit them.",
    404: "There is nothing at this address.",
}


def _handle_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    # FastAPI's and Airflow's own details are single words; ours are sentences.
    ours = isinstance(error, HTTPException) and str(error.detail).endswith(".")
    detail = str(error.detail) if ours else _DETAILS.get(error.status_code, f"{error.detail}.")
    slug = phrase.lower().replace(" ", "-")
    return problem_response(
        request,
        Problem(status=error.status_code, slug=slug, title=_TITLES.get(error.status_code, phrase), detail=detail),
        error.headers,
    )


class CatchAllMiddleware:
    """Answer what no handler knew.

    A handler for ``Exception`` would raise the error once more into Airflow's own application, which logs it twice.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        started = False

        async def send_and_track(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_and_track)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            response = problem_response(Request(scope), internal_error(error))
            await response(scope, receive, send)
