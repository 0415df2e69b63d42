"""Views of a mailbox, shared by the page and the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import STATE_LABELS
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import GrantState, MailboxAuth, MailboxKind
from gmail_warmup.domains.authentication import StoredReport, load_mailbox_reports
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.oauth import expiry
from gmail_warmup.oauth.clients.registry import load_mailbox_clients
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.health.failures import FailurePeriod, load_failures
from gmail_warmup.warmup.planning.schedules import find_schedule
from gmail_warmup.warmup.reporting.mailbox_statistics import MailboxStatistics, load_page_statistics
from gmail_warmup.web.queries.pool_activity import DAYS, Received, count_received
from gmail_warmup.web.views.authentication import AuthenticationReport, build_reports
from gmail_warmup.web.views.health import Health, Ramp, build_health, build_ramp, reason_text
from gmail_warmup.web.views.readiness import StoredReadiness, load_stored_views
from gmail_warmup.web.views.relative_time import format_time_left

_STATE_SENTENCES = {
    GrantState.NEEDS_REAUTH: "The owner of this mailbox has to sign in.",
    GrantState.DISABLED: "Gmail is disabled or locked for this user.",
}


class PlacementCounts(BaseModel):
    """Placement of the mails that a warmup mailbox sent on its last 7 local days, including today."""

    model_config = ConfigDict(frozen=True)

    inbox: int
    elsewhere: int = Field(description="In another category tab, the archive or the trash.")
    spam: int
    missing: int = Field(description="Not found at the recipient.")

    @property
    def total(self) -> int:
        """Return the number of mails with a known placement."""
        return self.inbox + self.elsewhere + self.spam + self.missing

    @property
    def bar_parts(self) -> list[tuple[str, int, float, float]]:
        """Return name, number of mails, start and width of each part of a bar that is 100 wide."""
        parts, begin = [], 0.0
        for name in ("inbox", "elsewhere", "spam", "missing"):
            number = getattr(self, name)
            width = 100 * number / self.total if self.total else 0
            parts.append((name, number, begin, width))
            begin += width
        return parts


class Failing(BaseModel):
    """The period in which the tasks of a mailbox have been failing."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    last_at: datetime
    failures: int = Field(description="Number of failed tasks.")
    reason: str = Field(description="Reason code of the last cause.")
    detail: str = Field(description="The last cause as a sentence, with Google's status and reason.")
    is_not_working: bool = Field(description="Whether it has lasted for `not_working_after`.")


class MailboxView(BaseModel):
    """A mailbox with the state of its grant, without secrets."""

    model_config = ConfigDict(frozen=True)

    address: str
    kind: MailboxKind
    auth: MailboxAuth
    display_name: str | None
    signature: str | None
    language: str | None = Field(description="Of its schedule, as the two rates: see /schedules/mailboxes.")
    owner_email: str | None = Field(description="Mail address of the person who is responsible for it.")
    tags: tuple[str, ...]
    client_conn_id: str | None = Field(
        description="Connection of the OAuth client that issued the grant; null if no Connection has it."
    )
    daily_target: int
    open_rate: int
    reply_rate: int
    timezone: str
    state: GrantState
    state_label: str
    reason: str | None = Field(description="Reason code.")
    sentence: str = Field(description="The reason as a sentence.")
    step: str = Field(description="The remedy.")
    since: datetime = Field(description="When the grant entered its state.")
    next_probe_at: datetime | None
    granted_at: datetime | None
    refreshed_at: datetime | None
    expires_at: datetime | None = Field(description="Predicted expiry of the grant; null if unknown.")
    expires_in: str | None = Field(description="The same as text.")
    expires_soon: bool
    paused_at: datetime | None
    pause_reason: str | None
    paused_until: date | None = Field(description="Local date on which it resumes; null: when a person resumes it.")
    deferred_until: datetime | None = Field(
        description="Until when Gmail accepts no requests or sends from this mailbox."
    )
    deferred_because: str = Field(description="The reason as a sentence, if it is a sending limit.")
    failing: Failing | None = Field(description="Null if its last task succeeded.")
    gmail_retry_at: datetime | None = Field(description="Until when Gmail wants no calls to this mailbox.")
    health: Health | None = Field(description="For warmup mailboxes only.")
    ramp: Ramp | None = Field(description="For warmup mailboxes only.")
    placement: PlacementCounts | None = Field(description="For warmup mailboxes only.")
    readiness: StoredReadiness | None = Field(description="As of the last DAG run; for warmup mailboxes only.")
    authentication: list[AuthenticationReport] = Field(
        description="What Google last reported about mail from this mailbox; empty for pool mailboxes."
    )
    received: Received | None = Field(description="For pool mailboxes only.")
    can_reauthenticate: bool
    needs_person: bool = Field(description="Whether re-authentication repairs the mailbox.")
    invalid: list[str] = Field(
        description="Stored values that break a rule, with the remedy; no task works in the mailbox until it is empty."
    )


def build_views(
    connection: sa.Connection, records: Sequence[MailboxRecord], *, now: datetime, settings: Settings
) -> list[MailboxView]:
    """Build the views of mailboxes."""
    warmup, pool = ([record.id for record in records if record.kind is kind] for kind in MailboxKind)
    sent = load_page_statistics(connection, warmup, settings, days=DAYS) if warmup else {}
    received = count_received(connection, pool)
    failing = load_failures(connection, [record.id for record in records])
    ready = load_stored_views(connection, warmup)
    reports = load_mailbox_reports(connection, warmup) if warmup else {}
    clients = load_mailbox_clients(connection, [r.id for r in records if r.auth is MailboxAuth.GRANT])
    return [
        _build_view(
            record,
            sent.get(record.id),
            received.get(record.id, Received()),
            failing.get(record.id),
            ready.get(record.id),
            reports.get(record.id, []),
            clients.get(record.id),
            now=now,
            settings=settings,
        )
        for record in records
    ]


def _build_view(
    record: MailboxRecord,
    sent: MailboxStatistics | None,
    received: Received,
    failing: FailurePeriod | None,
    ready: StoredReadiness | None,
    reports: list[StoredReport],
    client_conn_id: str | None,
    *,
    now: datetime,
    settings: Settings,
) -> MailboxView:
    deferred_until = record.deferred_until if record.deferred_until and record.deferred_until > now else None
    sentence, step = _describe_state(record)
    schedule = find_schedule(record, settings)
    expires_at = expiry.estimate_expiry(record)
    expires_soon = expires_at is not None and expires_at < now + timedelta(days=settings.expiring_days)
    if not expires_soon:  # the six months of inactivity are not worth showing
        expires_at = record.refresh_expires_at if expires_at else None
    return MailboxView(
        address=record.address,
        kind=record.kind,
        auth=record.auth,
        display_name=record.display_name,
        signature=record.signature,
        language=schedule.language,
        owner_email=record.owner_email,
        tags=record.tags,
        client_conn_id=client_conn_id,
        daily_target=record.daily_target,
        open_rate=schedule.open_rate,
        reply_rate=schedule.reply_rate,
        timezone=record.timezone,
        state=record.state,
        state_label=STATE_LABELS[record.state],
        reason=record.reason,
        sentence=sentence,
        step=step,
        since=record.state_since,
        next_probe_at=record.next_probe_at,
        granted_at=record.granted_at,
        refreshed_at=record.refreshed_at,
        expires_at=expires_at,
        expires_in=format_time_left(expires_at - now) if expires_at else None,
        expires_soon=expires_soon,
        paused_at=record.paused_at,
        pause_reason=record.pause_reason,
        paused_until=record.paused_until,
        deferred_until=deferred_until,
        deferred_because=reason_text(record.deferred_reason) if deferred_until else "",
        failing=Failing.model_validate(failing, from_attributes=True) if failing else None,
        gmail_retry_at=record.gmail_retry_at if record.gmail_retry_at and record.gmail_retry_at > now else None,
        health=build_health(sent) if sent else None,
        ramp=build_ramp(sent) if sent else None,
        placement=PlacementCounts.model_validate(sent.counts, from_attributes=True) if sent else None,
        readiness=ready,
        authentication=build_reports(reports),
        received=None if sent else received,
        can_reauthenticate=record.auth is MailboxAuth.GRANT,
        needs_person=record.auth is MailboxAuth.GRANT and record.state is GrantState.NEEDS_REAUTH,
        invalid=[str(value) for value in record.invalid],
    )


def _describe_state(record: MailboxRecord) -> tuple[str, str]:
    if record.state is GrantState.ACTIVE:
        return "", ""
    reason = REASONS.get(record.reason or "")
    if reason is None:
        return _STATE_SENTENCES.get(record.state, STATE_LABELS[record.state]), ""
    return reason.message, reason.remedy
