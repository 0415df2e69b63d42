"""From records to what a person reads: the same words on the page and in the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import GrantState, MailboxAuth, MailboxKind
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.oauth import expiry
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.reporting import statistics
from gmail_warmup.warmup.reporting.statistics import MailboxStatistics
from gmail_warmup.web.queries.pool_activity import DAYS, Received, count_received
from gmail_warmup.web.views.health import Health, Ramp, build_health, build_ramp, reason_text

STATE_LABELS = {
    GrantState.ACTIVE: "Valid",
    GrantState.SUSPECT: "Suspect",
    GrantState.NEEDS_REAUTH: "Needs re-authentication",
    GrantState.BLOCKED_BY_ADMIN: "Blocked by admin",
    GrantState.ACCOUNT_DELETED: "Account deleted",
    GrantState.DISABLED: "Gmail disabled",
}
_STATE_SENTENCES = {
    GrantState.NEEDS_REAUTH: "Somebody has to sign in with this mailbox.",
    GrantState.DISABLED: "Gmail is switched off or locked for this user.",
}


class PlacementCounts(BaseModel):
    """Where Gmail put the mails that a warmup mailbox sent on its last 7 days, today's included."""

    model_config = ConfigDict(frozen=True)

    inbox: int
    elsewhere: int = Field(description="In another place: a tab, the archive or the bin.")
    spam: int
    missing: int = Field(description="Nowhere to be found.")

    @property
    def total(self) -> int:
        """Return how many were looked for."""
        return self.inbox + self.elsewhere + self.spam + self.missing

    @property
    def bar_parts(self) -> list[tuple[str, int, float, float]]:
        """Return each place with its mails, and where it begins and how wide it is in a bar of 100."""
        found, begin = [], 0.0
        for name in ("inbox", "elsewhere", "spam", "missing"):
            number = getattr(self, name)
            width = 100 * number / self.total if self.total else 0
            found.append((name, number, begin, width))
            begin += width
        return found


class MailboxView(BaseModel):
    """A mailbox with the state of its grant, in words. It holds no secret."""

    model_config = ConfigDict(frozen=True)

    address: str
    kind: MailboxKind
    auth: MailboxAuth
    display_name: str | None
    signature: str | None
    daily_target: int
    open_rate: int
    reply_rate: int
    timezone: str
    state: GrantState
    state_label: str
    reason: str | None = Field(description="The reason code.")
    sentence: str = Field(description="The reason in words.")
    step: str = Field(description="What to do about it.")
    since: datetime = Field(description="When the grant came into its state.")
    next_probe_at: datetime | None
    granted_at: datetime | None
    refreshed_at: datetime | None
    expires_at: datetime | None = Field(description="When the grant ends, as far as is known; mostly it is not.")
    expires_in: str | None = Field(description="The same in words.")
    expires_soon: bool
    paused_at: datetime | None
    pause_reason: str | None
    deferred_until: datetime | None = Field(description="Until when Gmail asks to leave this mailbox alone.")
    deferred_because: str = Field(description="Why, in words, where it is a limit of sending.")
    health: Health | None = Field(description="For warmup mailboxes only.")
    ramp: Ramp | None = Field(description="For warmup mailboxes only.")
    placement: PlacementCounts | None = Field(description="For warmup mailboxes only.")
    received: Received | None = Field(description="For pool mailboxes only.")
    can_reauthenticate: bool
    needs_person: bool = Field(description="Whether signing in again is what repairs it.")


def build_views(
    connection: sa.Connection, records: Sequence[MailboxRecord], *, now: datetime, settings: Settings
) -> list[MailboxView]:
    """Return the views of these mailboxes."""
    warmup, pool = ([record.id for record in records if record.kind is kind] for kind in MailboxKind)
    sent = statistics.load_page_statistics(connection, warmup, settings, days=DAYS) if warmup else {}
    found = count_received(connection, pool)
    return [
        _build_view(record, sent.get(record.id), found.get(record.id, Received()), now=now, settings=settings)
        for record in records
    ]


def _build_view(
    record: MailboxRecord, sent: MailboxStatistics | None, found: Received, *, now: datetime, settings: Settings
) -> MailboxView:
    deferred_until = record.deferred_until if record.deferred_until and record.deferred_until > now else None
    sentence, step = _describe_state(record)
    foretold = expiry.estimate_expiry(record)
    soon = foretold is not None and foretold < now + timedelta(days=settings.expiring_days)
    if not soon:  # that an idle grant would end in half a year is no news
        foretold = record.refresh_expires_at if foretold else None
    return MailboxView(
        address=record.address,
        kind=record.kind,
        auth=record.auth,
        display_name=record.display_name,
        signature=record.signature,
        daily_target=record.daily_target,
        open_rate=record.open_rate,
        reply_rate=record.reply_rate,
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
        expires_at=foretold,
        expires_in=format_time_left(foretold - now) if foretold else None,
        expires_soon=soon,
        paused_at=record.paused_at,
        pause_reason=record.pause_reason,
        deferred_until=deferred_until,
        deferred_because=reason_text(record.deferred_reason) if deferred_until else "",
        health=build_health(sent) if sent else None,
        ramp=build_ramp(sent) if sent else None,
        placement=PlacementCounts.model_validate(sent.counts, from_attributes=True) if sent else None,
        received=None if sent else found,
        can_reauthenticate=record.auth is MailboxAuth.GRANT,
        needs_person=record.auth is MailboxAuth.GRANT and record.state is GrantState.NEEDS_REAUTH,
    )


def _describe_state(record: MailboxRecord) -> tuple[str, str]:
    if record.state is GrantState.ACTIVE:
        return "", ""
    reason = REASONS.get(record.reason or "")
    if reason is None:
        return _STATE_SENTENCES.get(record.state, STATE_LABELS[record.state]), ""
    return reason.message, reason.remedy


def format_time_left(left: timedelta) -> str:
    """Say a length of time in its largest whole unit."""
    seconds = int(left.total_seconds())
    if seconds <= 0:
        return "ended"
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = seconds // size
        if count:
            return f"in {count} {unit}{'s' if count > 1 else ''}"
    return "in under a minute"
