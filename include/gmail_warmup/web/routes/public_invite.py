"""The public pages of an invite, and the two requests behind them. No login; they show what its owner is asked for.

The link's token comes as JSON in a body: it stands in the fragment of the link, which no server sees. Whatever is wrong
with it, the answer is the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, Field

from gmail_warmup.core import urls
from gmail_warmup.oauth.consent import invites
from gmail_warmup.web import errors, render
from gmail_warmup.web.api.schemas import Body
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.rate_limit import Throttle
from gmail_warmup.web.security import check_content_type, check_origin, ensure_browser_cookie
from gmail_warmup.web.views import consent_errors

router = APIRouter(prefix=urls.INVITE_PATH, include_in_schema=False)


def _throttle(request: Request) -> Throttle:
    return cast(Throttle, request.app.state.throttle)


CurrentThrottle = Annotated[Throttle, Depends(_throttle)]


def _host(request: Request) -> str:
    return request.client.host if request.client else ""


def _check_pace(request: Request, throttle: CurrentThrottle) -> None:
    seconds = throttle.wait(_host(request))
    if seconds:
        detail = f"Too many links that do not work came from your network. Wait {seconds} seconds and try again."
        raise HTTPException(429, detail, {"Retry-After": str(seconds)})


_REQUEST_CHECKS = [Depends(check_origin), Depends(check_content_type), Depends(_check_pace)]


class InviteTokenIn(Body):
    """What stands behind the # of a link."""

    token: str = Field(max_length=200)


class InviteDetails(BaseModel):
    """What the owner of a mailbox sees of an invite."""

    address: str
    expires_at: datetime


class ConsentRedirect(BaseModel):
    """Where to send the browser. The answer sets a cookie that the same browser has to bring back."""

    url: str


@router.get("")
def show_invite(request: Request) -> Response:
    """Show the page that a link opens; its script asks for the rest."""
    return render.render_page(
        request, "invite.html", permissions=consent_errors.GOOGLE_PERMISSIONS_URL, over=errors.INVITE_OVER
    )


@router.get("/thanks")
def show_thanks(request: Request) -> Response:
    """Show the end of an invite."""
    return render.render_page(
        request, "invite_message.html", title="Thank you", detail="Your mailbox is connected. You may close this page."
    )


@router.post("/look", dependencies=_REQUEST_CHECKS, response_model=InviteDetails)
def inspect_invite(
    body: InviteTokenIn, request: Request, context: CurrentContext, throttle: CurrentThrottle
) -> InviteDetails | Response:
    """Return for which mailbox an invite is, and until when; changes nothing."""
    with context.services.engine.begin() as connection:
        found = invites.find_open_invite(connection, body.token)
    if found is None:
        return _reject_invite(request, throttle)
    return InviteDetails(address=found.address, expires_at=found.expires_at)


@router.post("/start", dependencies=_REQUEST_CHECKS, response_model=ConsentRedirect)
def start_invite_consent(
    body: InviteTokenIn, request: Request, response: Response, context: CurrentContext, throttle: CurrentThrottle
) -> ConsentRedirect | Response:
    """Start the consent of an invite and return the address of Google's page. The invite is used when it is given."""
    url = context.build_consent_flow().start_from_invite(body.token, browser=ensure_browser_cookie(request, response))
    return ConsentRedirect(url=url) if url else _reject_invite(request, throttle)


def _reject_invite(request: Request, throttle: Throttle) -> Response:
    throttle.count(_host(request))
    return errors.problem_response(request, errors.INVITE_OVER)
