"""Convert every error of this application to a response: problem details for the API, a page for a browser."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gmail_warmup.core import urls
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import AppContext
from gmail_warmup.web.problems import Problem, ProblemResponse, hide_details, internal_error, problem_from_error
from gmail_warmup.web.security import inner_path
from gmail_warmup.web.views import validation_messages

log = logging.getLogger(__name__)


def mark_public(request: Request) -> None:
    """Mark a request of an invited owner, so that its errors reveal nothing about the installation."""
    request.state.invited = True


def problem_response(request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as JSON to a script, otherwise as a page; without details to a person without a login."""
    inside = inner_path(request.scope)
    invited = urls.is_public_path(inside) or getattr(request.state, "invited", False)
    if invited:
        problem = hide_details(problem)
    if inside.startswith("/api/") or (invited and request.method == "POST"):
        return ProblemResponse(problem.as_dict(), problem.status, headers)
    if invited:
        text = {"title": problem.title, "detail": problem.detail}
        return render.render_page(request, "invite_message.html", problem.status, headers, **text)
    return render.render_problem_page(request, problem.status, problem.title, problem.detail, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Register the error handlers of the application."""
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
    return problem_response(request, _build_input_problem(detail, errors))


def _build_input_problem(detail: str, errors: list[dict[str, str]]) -> Problem:
    return Problem(
        status=422, slug="invalid-input", title="Invalid input", detail=detail, errors=errors, is_public=True
    )


_INVALID_UNICODE = "The request contains an invalid Unicode character (a lone surrogate)."


def _handle_unicode_error(request: Request, error: Exception) -> Response:
    """Refuse lone surrogates: JSON allows them, but validation and the database driver cannot encode them."""
    errors = [{"field": "", "message": _INVALID_UNICODE}]
    return problem_response(request, _build_input_problem(_INVALID_UNICODE, errors))


_TITLES = {401: "Please sign in", 403: "Not allowed", 404: "Not found"}
_DETAILS = {
    401: "You are not signed in to Airflow, or your session has ended.",
    404: "This page does not exist.",
}


def _handle_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    # Details of FastAPI and Airflow are a few words; those of this package are sentences.
    is_sentence = isinstance(error, HTTPException) and str(error.detail).endswith(".")
    detail = str(error.detail) if is_sentence else _DETAILS.get(error.status_code, f"{error.detail}.")
    problem = Problem(
        status=error.status_code,
        slug=phrase.lower().replace(" ", "-"),
        title=_TITLES.get(error.status_code, phrase),
        detail=detail,
        is_public=error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    return problem_response(request, problem, error.headers)


class CatchAllMiddleware:
    """Convert unhandled exceptions to a response.

    A handler for ``Exception`` would raise the error again into Airflow's own application, which would log it twice.
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
