"""The OAuth callback, to which Google redirects the browser: the only GET that changes data, protected by the state.

Airflow users and owners who follow an invite, who have no login, share this route. The order of the checks keeps a
stranger from learning about a consent or using one up:

1. One read-only query checks whether this browser (its cookie) started the consent of this state, and from an invite.
   State and cookie have 256 random bits each, and only their hashes are compared. Only then is no login required, and
   the login of a signed-in user is ignored.
2. In every other case the permissions are checked: 401 without a login, 403 without permission to operate. Up
   to here, a user's consent, an invite's consent in another browser and an invented state get the same response.
3. Only then is the state used up, and only by its owner: a user and browser, or the browser of an invite.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import DBAPIError

from gmail_warmup.airflow.configuration import load_urls
from gmail_warmup.core import urls
from gmail_warmup.core.enums import Permission, RepairOutcome
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.oauth.consent import repair_queue
from gmail_warmup.oauth.consent.errors import ConsentRefusedError
from gmail_warmup.oauth.consent.flow import ConsentFlow, ConsentResult
from gmail_warmup.oauth.consent.states import BrowserSession, belongs_to_invite
from gmail_warmup.web import flash, render
from gmail_warmup.web.dependencies import AppContext, CurrentContext
from gmail_warmup.web.errors import mark_public
from gmail_warmup.web.permissions import BearerToken, get_user_name, require_permission
from gmail_warmup.web.security import callback_query, ensure_browser_cookie, read_browser_cookie
from gmail_warmup.web.views import consent_errors

router = APIRouter(include_in_schema=False)

_NOT_SIGNED_IN = (
    "You are not signed in to Airflow, or your session has ended. If you followed an invite, no login is needed: open "
    "its link again and finish in the same browser."
)


async def _resolve_session(request: Request, context: CurrentContext, bearer: BearerToken) -> BrowserSession:
    browser = read_browser_cookie(request)
    if await run_in_threadpool(_is_started_by_invite, context, callback_query(request).get("state", ""), browser):
        mark_public(request)
        return BrowserSession(user=None, browser=browser)
    try:
        user = await require_permission(Permission.OPERATE, request, bearer)
    except HTTPException as error:
        raise HTTPException(401, _NOT_SIGNED_IN) if error.status_code == 401 else error from None
    return BrowserSession(user=get_user_name(user), browser=browser)


def _is_started_by_invite(context: AppContext, state: str, browser: str) -> bool:
    if not (state and browser):
        return False
    try:
        with read_transaction(context.services.engine) as connection:
            return belongs_to_invite(connection, state=state, browser=browser)
    except (ConfigurationError, DBAPIError):
        # The permission check comes next; for permitted users, the same error occurs again and is reported.
        return False


@router.get(urls.CALLBACK_PATH)
def handle_callback(
    request: Request, context: CurrentContext, session: Annotated[BrowserSession, Depends(_resolve_session)]
) -> Response:
    """Finish a consent: redirect to the page or to the next consent of a queue, or show why it was refused."""
    query, flow = callback_query(request), context.build_consent_flow()
    try:
        result = flow.finish(
            state=query.get("state", ""), code=query.get("code", ""), error=query.get("error", ""), session=session
        )
    except ConsentRefusedError as refused:
        queued = _record_failed_repair(context, refused, session)
        if queued and not refused.evidence:
            return RedirectResponse(load_urls().repairs_url, status_code=303)
        return _render_refusal(request, refused, invited=session.user is None, queued=queued)
    return _continue_queue(request, context, flow, result, session) or _redirect_after_consent(
        result, invited=session.user is None
    )


def _record_failed_repair(context: AppContext, refused: ConsentRefusedError, session: BrowserSession) -> bool:
    """Record a refusal in the repair queue that started the consent; return False if none did."""
    if session.user is None or refused.request is None:
        return False
    text = consent_errors.describe_refusal(refused, invited=False)
    with read_transaction(context.services.engine) as connection:
        queued = repair_queue.is_queued(connection, refused.request.consent_id)
    if queued:
        detail = f"{text.title}. {text.happened} {text.step}"
        _record_failure(context, session.user, refused.request.address, detail)
    return queued


def _continue_queue(
    request: Request, context: AppContext, flow: ConsentFlow, result: ConsentResult, session: BrowserSession
) -> Response | None:
    """Redirect to Google's page for the next mailbox of the queue, or to its summary; None without a queue."""
    if session.user is None:
        return None
    with read_transaction(context.services.engine) as connection:
        if not repair_queue.is_queued(connection, result.consent_id):
            return None
        address = repair_queue.load_queue(connection, session.user).next
    if address is None:
        return RedirectResponse(load_urls().repairs_url, status_code=303)
    try:
        url = flow.start_reauthentication(address, session, queued=True)
    except (InvalidInputError, ConfigurationError) as error:
        _record_failure(context, session.user, address, str(error))
        return RedirectResponse(load_urls().repairs_url, status_code=303)
    response = RedirectResponse(url, status_code=303)
    ensure_browser_cookie(request, response)  # extends its lifetime
    return response


def _record_failure(context: AppContext, user: str, address: str, detail: str) -> None:
    with write_transaction(context.services.engine) as connection:
        repair_queue.set_outcome(connection, user, address, RepairOutcome.FAILED, detail=detail)


def _render_refusal(request: Request, refused: ConsentRefusedError, *, invited: bool, queued: bool) -> Response:
    back = load_urls().repairs_url if queued else load_urls().view_url(refused.expected_address)
    text = consent_errors.describe_refusal(refused, invited=invited)
    return render.render_page(
        request,
        "refusal.html",
        text.status,
        text=text,
        refusal=refused.refusal.value,
        evidence=consent_errors.describe_evidence(refused),
        consent=refused.request,
        actual=refused.actual,
        invited=invited,
        queued=queued,
        again="" if invited else consent_errors.retry_request(refused, queued=queued),
        back="" if invited else back,
    )


def _redirect_after_consent(result: ConsentResult, *, invited: bool) -> Response:
    if invited:
        return RedirectResponse(load_urls().thanks_url, status_code=303)
    response = RedirectResponse(load_urls().list_url, status_code=303)
    flash.set_flash(response, result.purpose, result.address)
    return response
