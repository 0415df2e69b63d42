"""Consents: start the OAuth flow for a mailbox."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gmail_warmup.core.enums import Permission
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import ConsentPurpose, MailboxAuth
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.web.api.schemas import Address, Body
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import OPERATE, User, check_permission, get_user_name
from gmail_warmup.web.security import ensure_browser_cookie

router = APIRouter(tags=["consents"])


class ConsentIn(Body):
    """The consent to start."""

    address: Address
    purpose: ConsentPurpose
    settings: MailboxSettings | None = Field(None, description="Settings of the new mailbox; not allowed for `reauth`.")


class ConsentOut(BaseModel):
    """URL of Google's consent page. The response sets a cookie that ties the consent to this browser."""

    url: str


@router.post("/consents", dependencies=OPERATE)
def start_consent(
    body: ConsentIn, request: Request, response: Response, context: CurrentContext, user: User
) -> ConsentOut:
    """Start a consent and return the URL of Google's page. Nothing changes until the owner has consented.

    The purpose `add` requires the permission to administer.
    """
    flow = context.build_consent_flow()
    session = BrowserSession(user=get_user_name(user), browser=ensure_browser_cookie(request, response))
    if body.purpose is ConsentPurpose.ADD:
        check_permission(Permission.ADMINISTER, request, user)
        settings = _settings_to_add(body)
        with read_transaction(context.services.engine) as connection:
            known = repository.find_mailbox(connection, body.address)
        _require_grant(known.auth if known else settings.auth, body.address)
        return ConsentOut(url=flow.start_addition(body.address, settings, session))
    if body.settings is not None:
        raise InvalidInputError("settings: not allowed for a re-authentication, which changes only the grant.")
    with read_transaction(context.services.engine) as connection:
        _require_grant(repository.get_mailbox(connection, body.address).auth, body.address)
    return ConsentOut(url=flow.start_reauthentication(body.address, session))


def _settings_to_add(body: ConsentIn) -> MailboxSettings:
    if body.settings is None:
        raise InvalidInputError("settings: required to add a mailbox.")
    _require_grant(body.settings.auth, body.address)
    return body.settings


def _require_grant(auth: MailboxAuth, address: str) -> None:
    if auth is not MailboxAuth.GRANT:
        raise InvalidInputError(f"{address} uses a service account; it needs no consent.")
