"""The public pages of an invite and the two requests of their script. No login is required.

The token is in the fragment of the link, which browsers do not send to a server; the script posts it as JSON. Every
invalid token gets the same response.
"""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gmail_warmup.core import urls
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.oauth.consent import invites
from gmail_warmup.web import render
from gmail_warmup.web.api.schemas import Body
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.errors import problem_response
from gmail_warmup.web.problems import INVITE_OVER
from gmail_warmup.web.security import SAME_SITE_JSON, ensure_browser_cookie
from gmail_warmup.web.views import consent_errors

router = APIRouter(prefix=urls.INVITE_PATH, include_in_schema=False)


class InviteTokenIn(Body):
    """The token from the fragment of the link."""

    token: str = Field(max_length=200)


class InviteDetails(BaseModel):
    """What an invite shows to the owner of the mailbox."""

    address: str
    expires_at: datetime


class ConsentRedirect(BaseModel):
    """URL of Google's consent page. The response sets a cookie that ties the consent to this browser."""

    url: str


@router.head("")
@router.get("")
def show_invite(request: Request) -> Response:
    """Show the landing page of a link; its script requests the details."""
    return render.render_page(
        request, "invite.html", connections=consent_errors.GOOGLE_CONNECTIONS_URL, over=INVITE_OVER
    )


@router.get("/thanks")
def show_thanks(request: Request) -> Response:
    """Show the confirmation after a finished consent."""
    return render.render_page(
        request, "invite_message.html", title="Thank you", detail="Your mailbox is connected. You may close this page."
    )


@router.post("/look", dependencies=SAME_SITE_JSON, response_model=InviteDetails)
def inspect_invite(body: InviteTokenIn, request: Request, context: CurrentContext) -> InviteDetails | Response:
    """Return the mailbox and the expiry of an invite. Nothing is changed."""
    with read_transaction(context.services.engine) as connection:
        found = invites.find_open_invite(connection, body.token)
    if found is None:
        return problem_response(request, INVITE_OVER)
    return InviteDetails(address=found.address, expires_at=found.expires_at)


@router.post("/start", dependencies=SAME_SITE_JSON, response_model=ConsentRedirect)
def start_invite_consent(
    body: InviteTokenIn, request: Request, response: Response, context: CurrentContext
) -> ConsentRedirect | Response:
    """Start the consent of an invite and return the URL of Google's page. The consent itself uses up the invite."""
    url = context.build_consent_flow().start_from_invite(body.token, browser=ensure_browser_cookie(request, response))
    return ConsentRedirect(url=url) if url else problem_response(request, INVITE_OVER)
