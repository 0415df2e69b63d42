"""The callback, where Google sends the browser. The one GET that changes something; it is bound by its state.

One address serves the users of Airflow and the visitors of an invite, who have no login here. The order of the checks
lets a stranger neither learn anything about a consent nor use one up:

1. One statement, which changes nothing, looks whether this very browser (its cookie) began the consent of this state,
   and by an invite. State and cookie have 256 random bits each, and only their hashes are compared. Then, and then
   alone, nobody has to be signed in, and whoever is signed in does not matter.
2. In every other case the rights come next: 401 for nobody, 403 without the right to edit Connections. Up to here a
   consent of a user, of an invite in another browser, and a state that was made up are answered in the same way.
3. Only now is the state used up, and as the caller's own: a user's together with the name and the browser, an invite's
   together with the browser.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import DBAPIError

from gmail_warmup.core import urls
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.oauth.consent.errors import ConsentRefusedError
from gmail_warmup.oauth.consent.flow import BrowserSession, ConsentResult, belongs_to_invite
from gmail_warmup.web import flash, render
from gmail_warmup.web.dependencies import AppContext, CurrentContext
from gmail_warmup.web.errors import mark_public
from gmail_warmup.web.permissions import BearerToken, get_user_name, require_change
from gmail_warmup.web.security import callback_query, read_browser_cookie
from gmail_warmup.web.views import consent_errors

router = APIRouter(include_in_schema=False)

_NOT_SIGNED_IN = (
    "You are not signed in to Airflow, or your session has ended. If you followed an invite, no login is needed: open "
    "its link again, and finish in the same browser."
)


async def _resolve_session(request: Request, context: CurrentContext, bearer: BearerToken) -> BrowserSession:
    browser = read_browser_cookie(request)
    if await run_in_threadpool(_is_started_by_invite, context, callback_query(request).get("state", ""), browser):
        mark_public(request)
        return BrowserSession(user=None, browser=browser)
    try:
        user = await require_change(request, bearer)
    except HTTPException as error:
        raise HTTPException(401, _NOT_SIGNED_IN) if error.status_code == 401 else error from None
    return BrowserSession(user=get_user_name(user), browser=browser)


def _is_started_by_invite(context: AppContext, state: str, browser: str) -> bool:
    if not (state and browser):
        return False
    try:
        with context.services.engine.begin() as connection:
            return belongs_to_invite(connection, state=state, browser=browser)
    except (ConfigurationError, DBAPIError):
        # Whether the caller may hear of this is asked next; who may meets it again.
        return False


@router.get(urls.CALLBACK_PATH)
def handle_callback(
    request: Request, context: CurrentContext, visitor: Annotated[BrowserSession, Depends(_resolve_session)]
) -> Response:
    """Finish a consent: back to the page, or a page that says why not."""
    query = callback_query(request)
    try:
        done = context.build_consent_flow().finish(
            state=query.get("state", ""), code=query.get("code", ""), error=query.get("error", ""), visitor=visitor
        )
    except ConsentRefusedError as refused:
        return _render_refusal(request, refused, invited=visitor.user is None)
    return _redirect_after_consent(done, invited=visitor.user is None)


def _render_refusal(request: Request, refused: ConsentRefusedError, *, invited: bool) -> Response:
    text = consent_errors.describe_refusal(refused, invited=invited)
    return render.render_page(
        request,
        "refusal.html",
        text.status,
        text=text,
        refusal=refused.refusal.value,
        invited=invited,
        again="" if invited else consent_errors.retry_request(refused),
        back="" if invited else urls.view_url(refused.expected_address),
    )


def _redirect_after_consent(done: ConsentResult, *, invited: bool) -> Response:
    if invited:
        return RedirectResponse(urls.thanks_url(), status_code=303)
    response = RedirectResponse(urls.view_url(), status_code=303)
    flash.set_flash(response, done.purpose, done.address)
    return response
