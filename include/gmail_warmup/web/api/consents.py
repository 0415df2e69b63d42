"""Consents: send a browser to Google's page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import ConsentPurpose, MailboxAuth
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.oauth.consent.flow import BrowserSession
from gmail_warmup.web.api.schemas import CHANGE_DEPENDENCIES, Address, Body
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import UserName
from gmail_warmup.web.security import ensure_browser_cookie

router = APIRouter(tags=["consents"])


class ConsentIn(Body):
    """A consent to be started."""

    address: Address
    purpose: ConsentPurpose
    settings: MailboxSettings | None = Field(None, description="Of the mailbox to be added; not for `reauth`.")


class ConsentOut(BaseModel):
    """Where to send the browser. The answer sets a cookie that the same browser has to bring back."""

    url: str


@router.post("/consents", dependencies=CHANGE_DEPENDENCIES)
def start_consent(
    body: ConsentIn, request: Request, response: Response, context: CurrentContext, user: UserName
) -> ConsentOut:
    """Start a consent and return the address of Google's page. Nothing is changed until its owner has consented."""
    flow = context.build_consent_flow()
    visitor = BrowserSession(user=user, browser=ensure_browser_cookie(request, response))
    if body.purpose is ConsentPurpose.ADD:
        settings = _settings_to_add(body)
        with context.services.engine.begin() as connection:
            known = repository.find_mailbox(connection, body.address)
        _require_grant(known.auth if known else settings.auth, body.address)
        return ConsentOut(url=flow.start_addition(body.address, settings, visitor))
    if body.settings is not None:
        raise InvalidInputError("settings: a re-authentication changes the grant alone; leave them out.")
    with context.services.engine.begin() as connection:
        _require_grant(repository.get_mailbox(connection, body.address).auth, body.address)
    return ConsentOut(url=flow.start_reauthentication(body.address, visitor))


def _settings_to_add(body: ConsentIn) -> MailboxSettings:
    if body.settings is None:
        raise InvalidInputError("settings: are required to add a mailbox.")
    _require_grant(body.settings.auth, body.address)
    return body.settings


def _require_grant(auth: MailboxAuth, address: str) -> None:
    if auth is not MailboxAuth.GRANT:
        raise InvalidInputError(f"{address} is reached by a service account; it needs no consent.")
