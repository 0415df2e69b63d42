"""The weekly report, and links to it that need no login."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.airflow.configuration import load_urls
from gmail_warmup.db.clock import get_current_time
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.mailboxes.validation import DATE
from gmail_warmup.transfer.csv_format import BYTE_ORDER_MARK
from gmail_warmup.warmup.reporting.weekly import links
from gmail_warmup.warmup.reporting.weekly.report import WeeklyReport, load_weekly_report, write_report_csv
from gmail_warmup.warmup.reporting.weekly.scope import ScopeKind, build_scope, find_week
from gmail_warmup.web.api.schemas import Body
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import OPERATE, UserName
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH

router = APIRouter(tags=["reports"])

LinkId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_Name = Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]


class ReportParams(BaseModel):
    """What the report is about, and its week."""

    domain: _Name = Field("", description="Only this domain.")
    tag: _Name = Field("", description="Only mailboxes with this tag.")
    week: Annotated[dt.date | None, DATE] = Field(
        None, description="A day of the week; by default of the last complete one."
    )


class LinkIn(ReportParams, Body):
    """The report of a link."""


class _OutModel(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ScopeOut(_OutModel):
    """The mailboxes of a report."""

    kind: ScopeKind
    name: str = Field(description="The domain or the tag; empty for all mailboxes.")


class FigureOut(_OutModel):
    """A number, and that of the week before."""

    code: str
    number: int
    before: int | None = Field(description="Null if it is not known, or the number is that of now.")
    percent: float | None = Field(description="Of the mails that were found or are missing.")
    percent_before: float | None


class WeekMailsOut(_OutModel):
    """Counts of first mails by name."""

    counts: dict[str, int]


class DomainOut(_OutModel):
    """The mails of a domain."""

    domain: str
    mails: WeekMailsOut
    before: WeekMailsOut | None


class ReportOut(_OutModel):
    """A weekly report."""

    scope: ScopeOut
    start: dt.date = Field(description="The Monday.")
    end: dt.date = Field(description="The Sunday.")
    is_complete: bool = Field(description="Whether the week is over (UTC).")
    note: str = Field(description="That no mailbox has the tag or belongs to the domain; otherwise empty.")
    mails: list[FigureOut]
    grants: list[FigureOut] = Field(description="By state, at the last audit of the week; now for a tag.")
    needs_person: list[FigureOut] = Field(description="Mailboxes that need a person now, by cause.")
    readiness: list[FigureOut] = Field(description="Warmup mailboxes by readiness now.")
    domains: list[DomainOut] = Field(description="Of a report about all mailboxes: the fifty with most mails.")


class NewLinkOut(_OutModel):
    """A new link."""

    id: int
    url: str = Field(description="Returned only once, because only the hash of its token is stored.")
    expires_at: dt.datetime


class LinkOut(_OutModel):
    """A link, without its token."""

    id: int
    scope: ScopeOut
    week: dt.date = Field(description="The Monday of the week.")
    created_at: dt.datetime
    created_by: str
    expires_at: dt.datetime
    revoked_at: dt.datetime | None
    revoked_by: str | None
    is_open: bool


class LinkList(BaseModel):
    """The last hundred links, newest first."""

    links: list[LinkOut]


class RevokeLinkIn(Body):
    """An empty object."""


@router.get("/report")
def get_report(context: CurrentContext, params: Annotated[ReportParams, Query()]) -> ReportOut:
    """Return the report of a week: mails, grants, what needs a person, readiness, and the week before."""
    return ReportOut.model_validate(_load_report(context, params))


@router.get("/report.csv", response_class=Response)
def get_report_csv(context: CurrentContext, params: Annotated[ReportParams, Query()]) -> Response:
    """Download the report of a week as CSV."""
    report = _load_report(context, params)
    headers = {"Content-Disposition": f'attachment; filename="weekly-report-{report.start}.csv"'}
    return Response(BYTE_ORDER_MARK + write_report_csv(report), media_type="text/csv; charset=utf-8", headers=headers)


def _load_report(context: CurrentContext, params: ReportParams) -> WeeklyReport:
    scope = build_scope(domain=params.domain, tag=params.tag)
    with read_transaction(context.services.engine, snapshot=True) as connection:
        return load_weekly_report(connection, scope, week=params.week)


@router.get("/report-links")
def list_report_links(context: CurrentContext) -> LinkList:
    """List links to reports, newest first. A link that expired more than ninety days ago is deleted."""
    with read_transaction(context.services.engine) as connection:
        return LinkList(links=[LinkOut.model_validate(link) for link in links.list_report_links(connection)])


@router.post("/report-links", dependencies=OPERATE)
def create_report_link(body: LinkIn, context: CurrentContext, user: UserName) -> NewLinkOut:
    """Create a link that shows one report to whoever has it, without a login, until it expires or is revoked."""
    services, urls = context.services, load_urls()
    scope = build_scope(domain=body.domain, tag=body.tag)
    with write_transaction(services.engine) as connection:
        week = find_week(body.week, today=get_current_time(connection).date())
        new = links.create_report_link(connection, scope, week, actor=user, days=services.settings.report_link_days)
    return NewLinkOut(id=new.id, url=urls.shared_report_url(new.token), expires_at=new.expires_at)


@router.post("/report-links/{link_id}/revoke", dependencies=OPERATE)
def revoke_report_link(link_id: LinkId, body: RevokeLinkIn, context: CurrentContext, user: UserName) -> LinkOut:
    """Revoke a link to a report. An ended link remains unchanged."""
    with write_transaction(context.services.engine) as connection:
        return LinkOut.model_validate(links.revoke_report_link(connection, link_id, actor=user))
