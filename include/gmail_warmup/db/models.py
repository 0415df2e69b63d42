"""The tables: mailboxes, their grants and history, consents and invites, the ledger; and what watches over the grants.

The ledger holds the mails of the last weeks and those in which something is due; what is done with moves on into
``ledger_history``, which has a partition for each month.

``breaker``, ``incident``, ``audit``, ``alert`` and ``alert_item`` belong to all mailboxes together, and so do ``halt``,
``plan_basis`` and ``client_in_use``; ``canary`` holds one known secret by which a wrong key is noticed before anything
is written.

All times are ``timestamptz``. Due times, leases and expiries are compared by the database's clock, never by a worker's.
Text columns with a fixed set of values carry a check constraint instead of an enum type: adding a value is then an
ordinary, reversible migration.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gmail_warmup.core.enums import AlertKind as AlertKind
from gmail_warmup.core.enums import ConsentPurpose as ConsentPurpose
from gmail_warmup.core.enums import DnsRecord as DnsRecord
from gmail_warmup.core.enums import DnsResult as DnsResult
from gmail_warmup.core.enums import GrantState as GrantState
from gmail_warmup.core.enums import HealthBand as HealthBand
from gmail_warmup.core.enums import IncidentKind as IncidentKind
from gmail_warmup.core.enums import MailboxAuth as MailboxAuth
from gmail_warmup.core.enums import MailboxKind as MailboxKind
from gmail_warmup.core.enums import MailStatus as MailStatus
from gmail_warmup.core.enums import Placement as Placement
from gmail_warmup.db.base import Base as Base
from gmail_warmup.db.sql_functions import (
    COUNT_CLAIMS,
    DROP_COUNT_CLAIMS,
    DROP_DELETE_MAILBOX_HISTORY,
    DROP_FUNCTIONS,
    FUNCTIONS,
    ON_CLAIM,
)


def _check_one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


Timestamp = DateTime(timezone=True)


class Mailbox(Base):
    """A Gmail mailbox of the operator."""

    __tablename__ = "mailbox"
    __table_args__ = (
        _check_one_of("kind", MailboxKind),
        _check_one_of("auth", MailboxAuth),
        CheckConstraint("address = lower(address)", name="address_lower"),
        CheckConstraint("daily_target BETWEEN 1 AND 2000", name="daily_target"),
        CheckConstraint("open_rate BETWEEN 0 AND 100", name="open_rate"),
        CheckConstraint("reply_rate BETWEEN 0 AND 100", name="reply_rate"),
        CheckConstraint("length(signature) <= 500", name="signature"),
        _check_one_of("band", HealthBand),
        Index("ix_mailbox_domain_address", "domain", "address"),
        Index("ix_mailbox_paused", "address", postgresql_where=text("paused_at IS NOT NULL")),
        Index("ix_mailbox_band", "band", "address",
              postgresql_where=text("kind = 'warmup' AND band IN ('throttled', 'paused', 'blocked')")),
        Index("ix_mailbox_warmup_days", "warmup_days", "id", postgresql_where=text("kind = 'warmup'")),
        Index("ix_mailbox_next_send_at", "next_send_at",
              postgresql_where=text("kind = 'warmup' AND paused_at IS NULL")),
        Index("ix_mailbox_notices_due_at", "notices_due_at", postgresql_where=text("notices_due_at IS NOT NULL")),
        Index("ix_mailbox_last_received_claim_at_id", "last_received_claim_at", "id",
              postgresql_where=text("kind = 'pool' AND paused_at IS NULL")),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    address: Mapped[str] = mapped_column(Text, unique=True)
    domain: Mapped[str] = mapped_column(Text, Computed("split_part(address, '@', 2)", persisted=True))
    kind: Mapped[str] = mapped_column(Text)
    auth: Mapped[str] = mapped_column(Text, server_default=MailboxAuth.GRANT)
    display_name: Mapped[str | None] = mapped_column(Text)
    signature: Mapped[str | None] = mapped_column(Text)
    daily_target: Mapped[int] = mapped_column(SmallInteger, server_default="50")
    open_rate: Mapped[int] = mapped_column(SmallInteger, server_default="80")
    reply_rate: Mapped[int] = mapped_column(SmallInteger, server_default="55")
    timezone: Mapped[str] = mapped_column(Text, server_default="UTC")
    label_id: Mapped[str | None] = mapped_column(Text)
    label_name: Mapped[str | None] = mapped_column(Text)
    """Name of the label that ``label_id`` is; another one in the settings is made when it is next needed."""
    history_id: Mapped[str | None] = mapped_column(Text)
    """Gmail's history up to which bounces and auto-replies were looked for."""
    notices_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When bounces and auto-replies to its mails are next looked for."""
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    created_by: Mapped[str] = mapped_column(Text)
    paused_at: Mapped[datetime | None] = mapped_column(Timestamp)
    paused_by: Mapped[str | None] = mapped_column(Text)
    pause_reason: Mapped[str | None] = mapped_column(Text)
    resumed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    deferred_until: Mapped[datetime | None] = mapped_column(Timestamp)
    deferred_reason: Mapped[str | None] = mapped_column(Text)
    warmup_days: Mapped[int] = mapped_column(Integer, server_default="0")
    """Days with at least one first mail sent, today's included."""
    mails_placed: Mapped[int] = mapped_column(Integer, server_default="0")
    """First mails that were found at their recipients, ever; with the two below, what the rates are held by."""
    mails_opened: Mapped[int] = mapped_column(Integer, server_default="0")
    """Of them those that are to be opened, or were."""
    mails_answered: Mapped[int] = mapped_column(Integer, server_default="0")
    """Of them those that are to be answered, or were."""
    next_send_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When it may be worth asking the plan; a hint, never the truth. None: not known, ask."""
    last_received_claim_at: Mapped[datetime] = mapped_column(Timestamp, server_default=text("'epoch'"))
    """When a mail was last claimed for this pool mailbox; those that waited longest are chosen first."""
    band: Mapped[str] = mapped_column(Text, server_default=HealthBand.HEALTHY)
    band_reason: Mapped[str | None] = mapped_column(Text)
    band_since: Mapped[datetime | None] = mapped_column(Timestamp)
    health_window_start: Mapped[date | None] = mapped_column(Date)
    """The first local day whose mails count for the health; later than today: nothing is sent until then."""
    half_volume_on: Mapped[date | None] = mapped_column(Date)
    """The local day of which Google's sending limit, met on the sending day before, halves the volume."""
    sent_24h: Mapped[int | None] = mapped_column(Integer)
    """Mails in Gmail's Sent of the last 24 hours, whoever sent them, when Gmail was last asked."""
    sent_24h_at: Mapped[datetime | None] = mapped_column(Timestamp)
    lease_holder: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = mapped_column(Timestamp)


class OAuthGrant(Base):
    """A mailbox's credential and what is known about it; one row per mailbox."""

    __tablename__ = "oauth_grant"
    __table_args__ = (
        _check_one_of("state", GrantState),
        Index("ix_oauth_grant_state", "state", "next_probe_at"),
        # What the list is sorted by; the last two also find the grants of which the end is near.
        Index("ix_oauth_grant_state_since", "state_since", "mailbox_id"),
        Index("ix_oauth_grant_refreshed_at", "refreshed_at", "mailbox_id"),
        Index("ix_oauth_grant_refresh_expires_at", "refresh_expires_at", "mailbox_id",
              postgresql_where=text("refresh_expires_at IS NOT NULL")),
    )  # fmt: skip

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    client_id: Mapped[str | None] = mapped_column(Text)
    refresh_token: Mapped[str | None] = mapped_column(Text)
    refresh_expires_at: Mapped[datetime | None] = mapped_column(Timestamp)
    access_token: Mapped[str | None] = mapped_column(Text)
    access_expires_at: Mapped[datetime | None] = mapped_column(Timestamp)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    state: Mapped[str] = mapped_column(Text, server_default=GrantState.NEEDS_REAUTH)
    reason: Mapped[str | None] = mapped_column(Text)
    state_since: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    next_probe_at: Mapped[datetime | None] = mapped_column(Timestamp)
    granted_at: Mapped[datetime | None] = mapped_column(Timestamp)
    refreshed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    version: Mapped[int] = mapped_column(BigInteger, server_default="0")
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incident.id", ondelete="SET NULL"))
    lease_holder: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = mapped_column(Timestamp)


class GrantEvent(Base):
    """One transition of a grant; rows are only ever added."""

    __tablename__ = "grant_event"
    __table_args__ = (
        Index("ix_grant_event_mailbox_id_at", "mailbox_id", "at"),
        Index("ix_grant_event_run_id", "run_id", postgresql_where=text("run_id IS NOT NULL")),
        Index("ix_grant_event_at", "at", postgresql_using="brin"),  # rows come in this order: it costs nothing
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    actor: Mapped[str] = mapped_column(Text)
    from_state: Mapped[str | None] = mapped_column(Text)
    to_state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    dag_id: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[str | None] = mapped_column(Text)


class Incident(Base):
    """Something that concerns many mailboxes at once; at most one of a kind is open for a key."""

    __tablename__ = "incident"
    __table_args__ = (
        _check_one_of("kind", IncidentKind),
        Index("uq_incident_open", "kind", "key", unique=True, postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text, server_default="")
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    opened_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    closed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    opened_alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))
    closed_alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))


class Breaker(Base):
    """Whether Google is asked at all for the grants of one OAuth client, over all processes, and at what pace."""

    __tablename__ = "breaker"

    client_id: Mapped[str] = mapped_column(Text, primary_key=True)
    reason: Mapped[str | None] = mapped_column(Text)
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    last_mailbox_id: Mapped[int | None] = mapped_column(BigInteger)
    opened_at: Mapped[datetime | None] = mapped_column(Timestamp)
    cooldown_until: Mapped[datetime | None] = mapped_column(Timestamp)
    cooldown_seconds: Mapped[int] = mapped_column(Integer, server_default="0")
    probe_until: Mapped[datetime | None] = mapped_column(Timestamp)
    succeeded_at: Mapped[datetime | None] = mapped_column(Timestamp)
    pace: Mapped[float | None] = mapped_column(Float)
    pace_limited: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    pace_at: Mapped[datetime | None] = mapped_column(Timestamp)


class AuditRun(Base):
    """One audit of all grants, and its report."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    run_id: Mapped[str] = mapped_column(Text, unique=True)
    actor: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(Timestamp)
    healthy: Mapped[int] = mapped_column(Integer)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class Alert(Base):
    """One message to the operator, kept until it is sent."""

    __tablename__ = "alert"
    __table_args__ = (
        _check_one_of("kind", AlertKind),
        Index("ix_alert_unsent", "created_at", postgresql_where=text("sent_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    kind: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(Timestamp)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_try_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    failure: Mapped[str | None] = mapped_column(Text)


class AlertItem(Base):
    """A transition that the operator is told about; written together with its event, so that none is missed."""

    __tablename__ = "alert_item"
    __table_args__ = (
        Index("ix_alert_item_unreported", "event_id", postgresql_where=text("alert_id IS NULL")),
        Index("ix_alert_item_mailbox_id", "mailbox_id"),
        # By these an alert or incident that is removed finds who refers to it.
        Index("ix_alert_item_alert_id", "alert_id", postgresql_where=text("alert_id IS NOT NULL")),
        Index("ix_alert_item_incident_id", "incident_id", postgresql_where=text("incident_id IS NOT NULL")),
    )

    event_id: Mapped[int] = mapped_column(ForeignKey("grant_event.id", ondelete="CASCADE"), primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incident.id", ondelete="SET NULL"))
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))


class Canary(Base):
    """One known text under the Fernet key: a process with another key notices before it writes anything."""

    __tablename__ = "canary"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default="1", autoincrement=False)
    ciphertext: Mapped[str] = mapped_column(Text)


class CachedClient(Base):
    """The OAuth client as the last plan read it, without its secrets, see ``grants.client_in_use``; one row."""

    __tablename__ = "client_in_use"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default="1", autoincrement=False)
    ciphertext: Mapped[str] = mapped_column(Text)


class DomainCheck(Base):
    """One record of a sending domain as it was last looked at; ``bad_*`` tell of a bad time that is not over."""

    __tablename__ = "domain_check"
    __table_args__ = (_check_one_of("record", DnsRecord), _check_one_of("result", DnsResult))

    domain: Mapped[str] = mapped_column(Text, primary_key=True)
    record: Mapped[str] = mapped_column(Text, primary_key=True)
    result: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text, server_default="")
    checked_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    bad_code: Mapped[str | None] = mapped_column(Text)
    bad_since: Mapped[datetime | None] = mapped_column(Timestamp)
    bad_seen_at: Mapped[datetime | None] = mapped_column(Timestamp)


class Consent(Base):
    """One run of the OAuth flow, from its start to the callback."""

    __tablename__ = "consent"
    __table_args__ = (
        _check_one_of("purpose", ConsentPurpose),
        CheckConstraint("(airflow_user IS NULL) = (invite_id IS NOT NULL)", name="user_or_invite"),
        Index("ix_consent_mailbox_id", "mailbox_id"),
        Index("ix_consent_invite_id", "invite_id", postgresql_where=text("invite_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    state_hash: Mapped[str] = mapped_column(Text, unique=True)
    purpose: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    mailbox_settings: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    code_verifier: Mapped[str] = mapped_column(Text)
    airflow_user: Mapped[str | None] = mapped_column(Text)
    invite_id: Mapped[int | None] = mapped_column(ForeignKey("invite.id", ondelete="CASCADE"))
    browser_hash: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
    used_at: Mapped[datetime | None] = mapped_column(Timestamp)
    outcome: Mapped[str | None] = mapped_column(Text)


class Invite(Base):
    """A link for the owner of one mailbox, who signs in at Google without an Airflow login."""

    __tablename__ = "invite"
    __table_args__ = (Index("ix_invite_mailbox_id", "mailbox_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token_hash: Mapped[str] = mapped_column(Text, unique=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    created_by: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
    used_at: Mapped[datetime | None] = mapped_column(Timestamp)
    revoked_at: Mapped[datetime | None] = mapped_column(Timestamp)
    revoked_by: Mapped[str | None] = mapped_column(Text)


class Halt(Base):
    """A time in which nothing is sent or done anywhere, by an operator's word; at most one goes on."""

    __tablename__ = "halt"
    __table_args__ = (
        Index("uq_halt_open", text("(ended_at IS NULL)"), unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("ix_halt_ended_at", "ended_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    started_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(Timestamp)
    ended_by: Mapped[str | None] = mapped_column(Text)


class PlanBasis(Base):
    """The settings under which the hints in ``mailbox.next_send_at`` were made; one row."""

    __tablename__ = "plan_basis"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default="1", autoincrement=False)
    settings: Mapped[str] = mapped_column(Text)


class HealthEvent(Base):
    """One change of a mailbox's health band, kept as its history and until the operator was told."""

    __tablename__ = "health_event"
    __table_args__ = (
        Index("ix_health_event_mailbox_id_at", "mailbox_id", "at"),
        Index("ix_health_event_at", "at", postgresql_using="brin"),
        Index("ix_health_event_unreported", "id", postgresql_where=text("alert_id IS NULL AND is_alertable")),
        Index("ix_health_event_alert_id", "alert_id", postgresql_where=text("alert_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    actor: Mapped[str] = mapped_column(Text)
    from_band: Mapped[str] = mapped_column(Text)
    to_band: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    placed: Mapped[int] = mapped_column(Integer)
    spam: Mapped[int] = mapped_column(Integer)
    bounced: Mapped[int] = mapped_column(Integer)
    is_alertable: Mapped[bool] = mapped_column(Boolean)
    """Whether it is news for the operator."""
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))


class MailboxDay(Base):
    """What became of the first mails that a mailbox sent on one local day; counted as the ledger is written.

    ``planned`` is the day's volume: fixed when its first mail is claimed, only ever lowered afterwards, and by a check
    never below ``claimed``, which a trigger on the ledger counts. So no row beyond the volume can be inserted.
    """

    __tablename__ = "mailbox_day"
    __table_args__ = (
        CheckConstraint("claimed <= planned", name="volume"),
        Index("ix_mailbox_day_local_date", "local_date"),
    )

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    local_date: Mapped[date] = mapped_column(Date, primary_key=True)
    ramp: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """What the ramp allowed on this day."""
    planned: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    reduction_reason: Mapped[str | None] = mapped_column(Text)
    """Why fewer mails than the ramp allowed are planned, or were sent: a reason code."""
    claimed: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    sent: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    failed: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    inbox: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    spam: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    elsewhere: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    missing: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    rescued: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    read: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    replied: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    bounced: Mapped[int] = mapped_column(SmallInteger, server_default="0")


class LedgerEntry(Base):
    """One warmup mail, from the claim of its slot to what became of it.

    A reply is a row of its own that names the mail it answers (``parent_id``), so that both are sent by one protocol.
    """

    __tablename__ = "ledger"
    __table_args__ = (
        _check_one_of("status", MailStatus),
        _check_one_of("placement", Placement),
        UniqueConstraint("sender_id", "local_date", "slot"),
        CheckConstraint("(slot IS NULL) = (parent_id IS NOT NULL)", name="slot_or_parent"),
        CheckConstraint("sender_id <> recipient_id", name="two_mailboxes"),
        Index("ix_ledger_unsent", "sender_id", postgresql_where=text("status IN ('claimed', 'drafted')")),
        Index("ix_ledger_unplaced", "recipient_id", "locate_due_at",
              postgresql_where=text("status = 'sent' AND parent_id IS NULL AND placement IS NULL")),
        Index("ix_ledger_unrescued", "recipient_id", "rescue_due_at",
              postgresql_where=text("rescue_due_at IS NOT NULL AND rescued_at IS NULL")),
        Index("ix_ledger_unread", "recipient_id", "read_due_at",
              postgresql_where=text("read_due_at IS NOT NULL AND read_at IS NULL")),
        Index("ix_ledger_unanswered", "recipient_id", "reply_due_at",
              postgresql_where=text("reply_due_at IS NOT NULL AND replied_at IS NULL")),
        Index("ix_ledger_uncollected", "recipient_id", "locate_due_at",
              postgresql_where=text("status = 'sent' AND parent_id IS NOT NULL AND collected_at IS NULL")),
        Index("ix_ledger_sender_id_claimed_at", "sender_id", "claimed_at"),
        Index("ix_ledger_unmarked", "recipient_id", "mark_due_at",
              postgresql_where=text("mark_due_at IS NOT NULL AND marked_at IS NULL")),
        Index("ix_ledger_untrashed_at_sender", "trash_due_at",
              postgresql_where=text("trash_due_at IS NOT NULL AND sender_trashed_at IS NULL")),
        Index("ix_ledger_untrashed_at_recipient", "trash_due_at",
              postgresql_where=text("recipient_gmail_id IS NOT NULL AND trash_due_at IS NOT NULL"
                                    " AND recipient_trashed_at IS NULL")),
        Index("ix_ledger_recipient_id_claimed_at", "recipient_id", "claimed_at"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token: Mapped[str] = mapped_column(Text, unique=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    recipient_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("ledger.id", ondelete="CASCADE"), unique=True)
    turn: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    local_date: Mapped[date] = mapped_column(Date)
    slot: Mapped[int | None] = mapped_column(SmallInteger)
    due_at: Mapped[datetime] = mapped_column(Timestamp)
    status: Mapped[str] = mapped_column(Text, server_default=MailStatus.CLAIMED)
    failure: Mapped[str | None] = mapped_column(Text)
    claimed_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    draft_id: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(Timestamp)
    subject: Mapped[str] = mapped_column(Text)
    rfc_message_id: Mapped[str | None] = mapped_column(Text)
    gmail_id: Mapped[str | None] = mapped_column(Text)
    thread_id: Mapped[str | None] = mapped_column(Text)
    locate_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    placement: Mapped[str | None] = mapped_column(Text)
    placed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    recipient_gmail_id: Mapped[str | None] = mapped_column(Text)
    recipient_thread_id: Mapped[str | None] = mapped_column(Text)
    rescue_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    rescued_at: Mapped[datetime | None] = mapped_column(Timestamp)
    read_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    read_at: Mapped[datetime | None] = mapped_column(Timestamp)
    important: Mapped[bool | None] = mapped_column(Boolean)
    starred: Mapped[bool | None] = mapped_column(Boolean)
    mark_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    marked_at: Mapped[datetime | None] = mapped_column(Timestamp)
    reply_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    replied_at: Mapped[datetime | None] = mapped_column(Timestamp)
    collected_at: Mapped[datetime | None] = mapped_column(Timestamp)
    bounced_at: Mapped[datetime | None] = mapped_column(Timestamp)
    bounce_status: Mapped[str | None] = mapped_column(Text)
    """The enhanced status code of the last delivery status notification; one without ``bounced_at`` says delayed."""
    auto_replied_at: Mapped[datetime | None] = mapped_column(Timestamp)
    notice_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Gmail ids, at the sender, of the bounces and auto-replies that this mail met."""
    trash_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    sender_trashed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    recipient_trashed_at: Mapped[datetime | None] = mapped_column(Timestamp)


LEDGER_MIN_AGE = timedelta(days=40)
"""A mail that was claimed within this time is in the ledger, whatever the settings: nothing younger is moved."""

LEDGER_HISTORY = Table(
    "ledger_history",
    Base.metadata,
    *(Column(column.name, column.type, nullable=column.nullable) for column in LedgerEntry.__table__.columns),
    # A partitioned table cannot have a key without the column that it is partitioned by.
    PrimaryKeyConstraint("id", "claimed_at"),
    Index("ix_ledger_history_sender_id_claimed_at", "sender_id", "claimed_at"),
    Index("ix_ledger_history_recipient_id_claimed_at", "recipient_id", "claimed_at"),
    postgresql_partition_by="RANGE (claimed_at)",
)
"""Mails in which nothing is due any more, by the month (in UTC) of their claim; whole months are dropped.

It has the ledger's columns, none of its constraints and few of its indexes: a row is written once and only read. There
are no foreign keys, so that neither a new month nor the rows of a day hold up anybody who works in a mailbox; the rows
of a mailbox that is removed go by a trigger.
"""

# Tables made from the models rather than by a migration get trigger and functions as well.
for table, when, statement in (
    (LedgerEntry.__table__, "after_create", COUNT_CLAIMS),
    (LedgerEntry.__table__, "after_create", ON_CLAIM),
    (LedgerEntry.__table__, "after_drop", DROP_COUNT_CLAIMS),
    *((Base.metadata, "after_create", function) for function in FUNCTIONS),
    (Base.metadata, "before_drop", DROP_FUNCTIONS),
    (Base.metadata, "before_drop", DROP_DELETE_MAILBOX_HISTORY),
):
    event.listen(table, when, DDL(statement.replace("%", "%%")))  # type: ignore[no-untyped-call]
