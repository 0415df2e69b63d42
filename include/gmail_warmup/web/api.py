"""The JSON API: the same abilities as the page, which uses it for every change."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gmail_warmup.db.models import ConsentPurpose, MailboxAuth, MailboxKind
from gmail_warmup.errors import InvalidInputError
from gmail_warmup.grants.consent import Visitor
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings, normal_address
from gmail_warmup.web import queries
from gmail_warmup.web.context import CurrentContext
from gmail_warmup.web.queries import Group, Wanted
from gmail_warmup.web.rights import MAY_CHANGE, MAY_READ, UserName
from gmail_warmup.web.security import check_json, check_origin, mark_browser
from gmail_warmup.web.standing import standing
from gmail_warmup.web.view import MailboxView, views

_CHANGE = [MAY_CHANGE, Depends(check_origin), Depends(check_json)]

router = APIRouter(prefix="/api/v1", dependencies=[MAY_READ])

Address = Annotated[str, AfterValidator(normal_address)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MailboxList(BaseModel):
    """One page of mailboxes, by address."""

    mailboxes: list[MailboxView]
    next_after: str | None = Field(description="Give it as `after` to have the next page.")
    previous_before: str | None = Field(description="Give it as `before` to have the page before.")


class CountsOut(BaseModel):
    """How many mailboxes are how; `expiring` are also among the valid ones, `paused` among all."""

    total: int
    valid: int
    needs_reauth: int
    blocked: int
    suspect: int
    expiring: int
    paused: int


class MailboxIn(_Body):
    """A mailbox and its settings."""

    address: Address
    settings: MailboxSettings


class ConsentIn(_Body):
    """A consent to be started."""

    address: Address
    purpose: ConsentPurpose
    settings: MailboxSettings | None = Field(None, description="Of the mailbox to be added; not for `reauth`.")


class ConsentOut(BaseModel):
    """Where to send the browser. The answer sets a cookie that the same browser has to bring back."""

    url: str


class StandingOut(BaseModel):
    """What concerns many mailboxes at once."""

    incidents: list[str] = Field(description="What is open: since when, what it is, and what to do.")
    advice: list[str] = Field(description="What the last audit advised.")
    audited_at: datetime | None = Field(description="When the last audit ended.")
    report: dict[str, Any] = Field(description="The report of the last audit; empty if there was none.")


class PauseIn(_Body):
    """Mailboxes to be paused."""

    addresses: list[Address] = Field(min_length=1, max_length=1000)
    reason: str = Field("paused on the page", min_length=1, max_length=200)


class ResumeIn(_Body):
    """Mailboxes to be resumed."""

    addresses: list[Address] = Field(min_length=1, max_length=1000)


class Changed(BaseModel):
    """How many mailboxes were changed; those that were so already are not counted."""

    changed: int


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> dict[str, Any]:
    """Return the description of this API."""
    return dict(request.app.openapi())


@router.get("/counts")
def get_counts(context: CurrentContext) -> CountsOut:
    """Count the mailboxes by state."""
    services = context.services
    with services.engine.begin() as connection:
        found = queries.counts(connection, expiring_days=services.settings.expiring_days)
    return CountsOut.model_validate(found, from_attributes=True)


@router.get("/standing")
def get_standing(context: CurrentContext) -> StandingOut:
    """Return the open incidents, and the last audit with its report."""
    with context.services.engine.begin() as connection:
        found = standing(connection)
    return StandingOut(incidents=found.incidents, advice=found.advice, audited_at=found.audited_at, report=found.report)


@router.get("/mailboxes")
def list_mailboxes(
    context: CurrentContext,
    state: Annotated[Group | None, Query(description="Only mailboxes of this group.")] = None,
    kind: MailboxKind | None = None,
    q: Annotated[str, Query(max_length=200, description="Part of an address or name.")] = "",
    after: Annotated[str, Query(max_length=320)] = "",
    before: Annotated[str, Query(max_length=320)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = queries.PAGE,
) -> MailboxList:
    """List mailboxes by address, a page at a time."""
    services = context.services
    settings = services.settings
    wanted = Wanted(group=state, kind=kind, search=q.strip(), after=after, before=before, limit=limit)
    with services.engine.begin() as connection:
        page = queries.page(connection, wanted, expiring_days=settings.expiring_days)
        found = views(connection, page.rows, now=queries.now(connection), settings=settings)
    return MailboxList(mailboxes=found, next_after=page.next_after, previous_before=page.previous_before)


@router.get("/mailboxes/{address:path}")
def get_mailbox(address: str, context: CurrentContext) -> MailboxView:
    """Return one mailbox."""
    services = context.services
    with services.engine.begin() as connection:
        record = repository.get(connection, address)
        return views(connection, [record], now=queries.now(connection), settings=services.settings)[0]


@router.post("/mailboxes", dependencies=_CHANGE)
def put_mailbox(body: MailboxIn, context: CurrentContext, user: UserName) -> MailboxView:
    """Add a mailbox, or change the settings of the one with this address.

    A mailbox added in this way has no grant yet; start a consent, or use it with `auth` delegated.
    """
    services = context.services
    with services.engine.begin() as connection:
        known = repository.find(connection, body.address)
        if known and known.auth is not body.settings.auth:
            raise InvalidInputError(
                f"{body.address} is reached by '{known.auth.value}'; that cannot be changed to "
                f"'{body.settings.auth.value}' here."
            )
        repository.add_or_update(connection, body.address, body.settings, actor=user)
        record = repository.get(connection, body.address)
        return views(connection, [record], now=queries.now(connection), settings=services.settings)[0]


@router.post("/mailboxes/pause", dependencies=_CHANGE)
def pause(body: PauseIn, context: CurrentContext, user: UserName) -> Changed:
    """Pause mailboxes: no task touches them until they are resumed. All of them, or none if one is unknown."""
    with context.services.engine.begin() as connection:
        repository.by_addresses(connection, body.addresses)
        return Changed(changed=repository.pause(connection, body.addresses, actor=user, reason=body.reason))


@router.post("/mailboxes/resume", dependencies=_CHANGE)
def resume(body: ResumeIn, context: CurrentContext) -> Changed:
    """Resume mailboxes. All of them, or none if one is unknown."""
    with context.services.engine.begin() as connection:
        repository.by_addresses(connection, body.addresses)
        return Changed(changed=repository.resume(connection, body.addresses))


@router.post("/consents", dependencies=_CHANGE)
def start_consent(
    body: ConsentIn, request: Request, response: Response, context: CurrentContext, user: UserName
) -> ConsentOut:
    """Start a consent and return the address of Google's page. Nothing is changed until its owner has consented."""
    flow = context.consent_flow()
    visitor = Visitor(user=user, browser=mark_browser(request, response))
    if body.purpose is ConsentPurpose.ADD:
        return ConsentOut(url=flow.add(body.address, _settings_to_add(body), visitor))
    if body.settings is not None:
        raise InvalidInputError("settings: a re-authentication changes the grant alone; leave them out.")
    with context.services.engine.begin() as connection:
        _require_grant(repository.get(connection, body.address).auth, body.address)
    return ConsentOut(url=flow.reauthenticate(body.address, visitor))


def _settings_to_add(body: ConsentIn) -> MailboxSettings:
    if body.settings is None:
        raise InvalidInputError("settings: are required to add a mailbox.")
    _require_grant(body.settings.auth, body.address)
    return body.settings


def _require_grant(auth: MailboxAuth, address: str) -> None:
    if auth is not MailboxAuth.GRANT:
        raise InvalidInputError(f"{address} is reached by a service account; it needs no consent.")
