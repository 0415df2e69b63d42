"""Control routes of reports: statistics, mails, token requests and Gmail calls."""

from __future__ import annotations

from itertools import islice

from fastapi import APIRouter

from gmail_sandbox.control.common import After, Limit, WorldNow
from gmail_sandbox.control.report_models import GmailCallOut, MailsOut, StatsOut, TokenRequestsOut
from gmail_sandbox.control.views import gmail_call_out, mail_out, stats_out, token_request_out, totals

router = APIRouter()


@router.get("/stats")
async def stats(world: WorldNow) -> StatsOut:
    """Return all counters."""
    rows = world.stats.mailboxes
    return StatsOut(
        totals=totals(rows.values()),
        token_outcomes=dict(world.stats.token_outcomes),
        consents=dict(world.stats.consents),
        unauthenticated_calls=world.stats.unauthenticated_calls,
        units_today=world.quota.in_day,
        mailboxes={address: stats_out(row) for address, row in rows.items()},
    )


@router.get("/mails")
async def mails(world: WorldNow, after: After = 0, limit: Limit = 1000) -> MailsOut:
    """Return the mails after an id, in the order in which Gmail accepted them."""
    shown = world.mails[after : after + limit]  # ids count from 1 without gaps
    return MailsOut(mails=[mail_out(record) for record in shown], last_id=shown[-1].id if shown else after)


@router.get("/token-requests")
async def token_requests(
    world: WorldNow, address: str | None = None, after: After = 0, limit: Limit = 1000
) -> TokenRequestsOut:
    """Return the requests to the token endpoint after an id, optionally of one account."""
    selected = (
        row
        for row in world.stats.token_requests
        if row.id > after and (address is None or row.address == address.lower())
    )
    shown = list(islice(selected, limit))
    return TokenRequestsOut(
        requests=[token_request_out(row) for row in shown], last_id=shown[-1].id if shown else after
    )


@router.get("/calls")
async def calls(world: WorldNow, address: str) -> list[GmailCallOut]:
    """Return the most recent Gmail calls on a mailbox that passed all checks, oldest first."""
    return [gmail_call_out(call) for call in world.stats.calls if call.address == address.lower()]
