"""Rename a mailbox whose Google account has another primary address."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel, Field

from gmail_warmup.airflow.configuration import load_urls
from gmail_warmup.airflow.gmail_hook import GmailHook
from gmail_warmup.db import clock
from gmail_warmup.db.engine import read_transaction, retry_conflict, write_transaction
from gmail_warmup.gmail.accounts.primary_address import require_primary_address
from gmail_warmup.mailboxes import renaming, repository
from gmail_warmup.oauth.consent import repair_queue
from gmail_warmup.oauth.consent.errors import ConsentRefusedError
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.web import flash
from gmail_warmup.web.api.schemas import Address, Body
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import ADMINISTER, UserName
from gmail_warmup.web.security import read_browser_cookie
from gmail_warmup.web.views import consent_errors
from gmail_warmup.web.views.mailbox import MailboxView, build_views

router = APIRouter(tags=["mailboxes"])


class RenameIn(Body):
    """A mailbox and its new address."""

    address: Address
    new_address: Address
    check: bool = Field(
        True,
        description="Whether Google must name the new address as the primary one of the account that the stored grant "
        "belongs to. Without a working grant it cannot be checked.",
    )


class AcceptIn(Body):
    """Nothing to choose."""


class AcceptedOut(BaseModel):
    """The mailbox under its new address, and the page to show next."""

    address: str
    url: str


@router.post("/mailboxes/rename", dependencies=ADMINISTER)
def rename(body: RenameIn, context: CurrentContext, user: UserName) -> MailboxView:
    """Change the address of a mailbox that was renamed at Google. Grant, ramp, history and health are kept."""
    services = context.services
    with read_transaction(services.engine) as connection:
        address = repository.get_mailbox(connection, body.address).address
    if body.check:
        require_primary_address(GmailHook(address, services=services), body.new_address)
    mailbox_id = _rename(services.engine, address, body.new_address, actor=user)
    with read_transaction(services.engine) as connection:
        record = repository.get_mailbox_by_id(connection, mailbox_id)
        return build_views(connection, [record], now=clock.get_current_time(connection), settings=services.settings)[0]


@retry_conflict
def _rename(engine: sa.Engine, address: str, new_address: str, *, actor: str) -> int:
    with write_transaction(engine) as connection:
        return renaming.rename_mailbox(connection, address, new_address, actor=actor).id


@router.post("/consents/{consent_id}/accept", dependencies=ADMINISTER)
def accept_account(
    body: AcceptIn,
    consent_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    request: Request,
    response: Response,
    context: CurrentContext,
    user: UserName,
) -> AcceptedOut:
    """Accept that another address signed in than was expected: the mailbox is renamed, or added under that address.

    The user and the browser must be those of the consent, within the minutes for which its result is kept.
    """
    session = BrowserSession(user=user, browser=read_browser_cookie(request))
    try:
        result = context.build_consent_flow().accept_account(consent_id, session)
    except ConsentRefusedError as refused:
        text = consent_errors.describe_refusal(refused, invited=False)
        raise HTTPException(text.status, f"{text.happened} {text.step}") from None
    with read_transaction(context.services.engine) as connection:
        if repair_queue.is_queued(connection, consent_id):
            return AcceptedOut(address=result.address, url=load_urls().repairs_url)
    flash.set_flash(response, result.purpose, result.address)
    return AcceptedOut(address=result.address, url=load_urls().list_url)
