"""Repair queues: sign in for one mailbox after the other, each with one consent."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gmail_warmup.core.enums import GrantState, MailboxAuth, RepairOutcome
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.mailboxes.addresses import is_same_mailbox
from gmail_warmup.mailboxes.removals import IS_BEING_REMOVED
from gmail_warmup.oauth.consent import repair_queue
from gmail_warmup.oauth.consent.repair_queue import MAX_QUEUE_LENGTH
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.web.api.schemas import Address, Body
from gmail_warmup.web.api.selection import BulkFilter
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import OPERATE, UserName
from gmail_warmup.web.queries import filters
from gmail_warmup.web.queries.filters import MailboxFilter
from gmail_warmup.web.security import ensure_browser_cookie

router = APIRouter(prefix="/repairs", tags=["repairs"])


class RepairsIn(Body):
    """The mailboxes of a new queue."""

    filter: BulkFilter = Field(BulkFilter(), description="Of these, every mailbox whose owner has to sign in again.")


class SignInIn(Body):
    """The mailbox to sign in for."""

    address: Address | None = Field(
        None,
        description="Null for the next one that waits. If none waits, the skipped and failed mailboxes wait again.",
    )


class SkipIn(Body):
    """The mailbox to skip."""

    address: Address


class RepairOut(BaseModel):
    """URL of Google's consent page. The response sets a cookie that ties the consent to this browser."""

    url: str
    mailboxes: int = Field(description="Number of mailboxes in the queue.")


class NewQueueOut(RepairOut):
    """A new queue. If more mailboxes match than it takes, repeat the request when it is done, for the others."""

    matching: int = Field(description=f"Number of mailboxes that match; a queue takes {MAX_QUEUE_LENGTH:,} of them.")


class SkippedOut(BaseModel):
    """Number of mailboxes of the queue that still wait."""

    waiting: int


@router.post("", dependencies=OPERATE)
def start_repairs(
    body: RepairsIn, request: Request, response: Response, context: CurrentContext, user: UserName
) -> NewQueueOut:
    """Start a queue, which replaces the user's former one, and the consent for its first mailbox.

    After each consent, Google's page for the next mailbox follows; no other request is needed.
    """
    services = context.services
    with write_transaction(services.engine) as connection:
        ids = _find_repairable(connection, body.filter.to_filter(), expiring_days=services.settings.expiring_days)
        if not ids:
            raise InvalidInputError("No mailbox of this selection needs re-authentication.")
        repair_queue.start_queue(connection, user, ids[:MAX_QUEUE_LENGTH])
    return start_first_consent(request, response, context, user, matching=len(ids))


@router.post("/sign-in", dependencies=OPERATE)
def sign_in(body: SignInIn, request: Request, response: Response, context: CurrentContext, user: UserName) -> RepairOut:
    """Continue the user's queue: start the consent for the next mailbox or for the given one."""
    return start_consent(request, response, context, user, address=body.address)


@router.post("/skip", dependencies=OPERATE)
def skip(body: SkipIn, context: CurrentContext, user: UserName) -> SkippedOut:
    """Skip a mailbox of the user's queue. A later sign-in for it is possible."""
    with write_transaction(context.services.engine) as connection:
        repair_queue.set_outcome(connection, user, body.address, RepairOutcome.SKIPPED)
        queue = repair_queue.load_queue(connection, user)
    return SkippedOut(waiting=queue.count(repair_queue.RepairStatus.WAITING))


def _find_repairable(connection: sa.Connection, mailbox_filter: MailboxFilter, *, expiring_days: int) -> list[int]:
    """Return the ids of the mailboxes that a consent repairs, by address."""
    query = (
        sa.select(Mailbox.id)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(*filters.build_conditions(mailbox_filter, expiring_days=expiring_days))
        .where(OAuthGrant.state == GrantState.NEEDS_REAUTH, Mailbox.auth == MailboxAuth.GRANT, ~IS_BEING_REMOVED)
        .order_by(Mailbox.address)
    )
    return list(connection.scalars(query))


def start_first_consent(
    request: Request, response: Response, context: CurrentContext, user: str, *, matching: int
) -> NewQueueOut:
    """Start the consent for the first mailbox of a new queue.

    Args:
        matching: number of mailboxes that match, also those that the queue does not take.
    """
    first = start_consent(request, response, context, user)
    return NewQueueOut(url=first.url, mailboxes=first.mailboxes, matching=matching)


def start_consent(
    request: Request, response: Response, context: CurrentContext, user: str, *, address: str | None = None
) -> RepairOut:
    """Start the consent for a mailbox of the user's queue, by default for the next one that waits.

    Raises:
        InvalidInputError: the queue does not contain the mailbox, or none waits.
    """
    flow = context.build_consent_flow()
    engine = context.services.engine
    with read_transaction(engine) as connection:
        queue = repair_queue.load_queue(connection, user)
    named = next((item.address for item in queue.items if address and is_same_mailbox(item.address, address)), None)
    if address is not None and named is None:
        raise InvalidInputError(f"{address} is not in your repair queue. Start another queue on the list of mailboxes.")
    if address is None and queue.next is None:
        with write_transaction(engine) as connection:
            repair_queue.reopen_queue(connection, user)
            queue = repair_queue.load_queue(connection, user)
    chosen = named or queue.next
    if chosen is None:
        raise InvalidInputError("Your queue is empty, or all of its mailboxes are done.")
    session = BrowserSession(user=user, browser=ensure_browser_cookie(request, response))
    return RepairOut(url=flow.start_reauthentication(chosen, session, queued=True), mailboxes=len(queue.items))
