"""The page of the weekly report, and the public page that shows one report to whoever has its link."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from gmail_warmup.core import urls
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.option_types import parse_date
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.warmup.reporting.weekly import links
from gmail_warmup.warmup.reporting.weekly.report import load_weekly_report, write_report_csv
from gmail_warmup.warmup.reporting.weekly.scope import WEEK, ReportScope, build_scope
from gmail_warmup.web import render
from gmail_warmup.web.api.schemas import Body
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.errors import problem_response
from gmail_warmup.web.permissions import READ
from gmail_warmup.web.problems import INVITE_OVER
from gmail_warmup.web.security import SAME_SITE_JSON
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH

router = APIRouter(include_in_schema=False)

_Text = Annotated[str, Query(max_length=MAX_TEXT_LENGTH)]


@router.get("/report", dependencies=READ)
def show_report(
    request: Request,
    context: CurrentContext,
    domain: _Text = "",
    tag: _Text = "",
    week: _Text = "",
) -> Response:
    """Show the report of a week. A wrong filter is named, and the report is about all mailboxes or the last week."""
    problem, scope = "", ReportScope()
    try:
        scope = build_scope(domain=domain, tag=tag)
    except InvalidInputError as error:
        problem = str(error)
    with read_transaction(context.services.engine, snapshot=True) as connection:
        try:
            report = load_weekly_report(connection, scope, week=_parse_week(week))
        except InvalidInputError as error:
            problem, report = str(error), load_weekly_report(connection, scope)
        shared = links.list_report_links(connection)
    names = {} if not scope.name else {scope.kind.value: scope.name}
    return render.render_page(
        request,
        "report.html",
        report=report,
        names=names,
        problem=problem,
        links=shared,
        days=context.services.settings.report_link_days,
        csv_query=urlencode(names | {"week": report.start}),
        earlier_query=urlencode(names | {"week": report.start - WEEK}),
        later_query=urlencode(names | {"week": report.start + WEEK}) if report.is_complete else "",
    )


def _parse_week(text: str) -> date | None:
    try:
        return parse_date(text) if text else None
    except ValueError as error:
        raise InvalidInputError(f"week: {error}.") from None


class ReportTokenIn(Body):
    """The token from the fragment of the link."""

    token: str = Field(max_length=200)


class SharedReport(BaseModel):
    """A report as HTML without scripts, and as CSV."""

    title: str
    html: str
    csv: str
    expires_at: datetime


@router.head(urls.SHARED_REPORT_PATH)
@router.get(urls.SHARED_REPORT_PATH)
def show_shared_report(request: Request) -> Response:
    """Show the page of a link; its script requests the report with the token, which no server log contains."""
    return render.render_page(request, "shared_report.html", over=INVITE_OVER)


@router.post(
    f"{urls.SHARED_REPORT_PATH}/look",
    dependencies=SAME_SITE_JSON,
    response_model=SharedReport,
)
def read_shared_report(body: ReportTokenIn, request: Request, context: CurrentContext) -> SharedReport | Response:
    """Return the report of a link. Every link that is not open gets the same response."""
    with read_transaction(context.services.engine, snapshot=True) as connection:
        link = links.find_open_link(connection, body.token)
        if link is None:
            return problem_response(request, INVITE_OVER)
        report = load_weekly_report(connection, link.scope, week=link.week)
    return SharedReport(
        title=report.title,
        html=render.render_text("report_figures.html", report=report),
        csv=write_report_csv(report),
        expires_at=link.expires_at,
    )
