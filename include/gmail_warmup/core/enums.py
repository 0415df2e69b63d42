"""The words that code, tables, pages and docs share. Imports nothing heavy: DAG files reach this module."""

from __future__ import annotations

from enum import StrEnum


class MailboxKind(StrEnum):
    """What a mailbox does."""

    WARMUP = "warmup"
    """It is being warmed up: it sends to pool mailboxes."""
    POOL = "pool"
    """It receives warmup mail, rescues it from spam, reads it and replies."""


class MailboxAuth(StrEnum):
    """How a mailbox is reached."""

    GRANT = "grant"
    """By its owner's OAuth consent."""
    DELEGATED = "delegated"
    """By a service account with domain-wide delegation."""


class GrantState(StrEnum):
    """What can be done with a grant."""

    ACTIVE = "active"
    """It works as far as is known."""
    SUSPECT = "suspect"
    """Google's last answer may mean that it is dead; a second probe decides."""
    NEEDS_REAUTH = "needs_reauth"
    """It is dead; a person has to sign in again."""
    BLOCKED_BY_ADMIN = "blocked_by_admin"
    """A Workspace administrator blocks the app; probed daily."""
    ACCOUNT_DELETED = "account_deleted"
    """The Google account is gone."""
    DISABLED = "disabled"
    """Gmail is switched off or locked for this user; probed daily."""


FLAGGED_STATES = frozenset(
    {GrantState.NEEDS_REAUTH, GrantState.BLOCKED_BY_ADMIN, GrantState.ACCOUNT_DELETED, GrantState.DISABLED}
)
"""The states of a grant that somebody has to do something about; its mailbox costs nothing meanwhile."""


class MailStatus(StrEnum):
    """How far the sending of a warmup mail has come."""

    CLAIMED = "claimed"
    """The slot is taken; nothing is at Gmail, or a draft of which the id was not stored."""
    DRAFTED = "drafted"
    """The draft's id is stored; the draft is still there, or was sent."""
    SENT = "sent"
    """Gmail sent it and its ids are recorded."""
    FAILED = "failed"
    """Gmail refused it for good; the slot is spent."""


class Placement(StrEnum):
    """Where Gmail put a mail at its recipient, read before anything touched it."""

    INBOX = "inbox"
    SPAM = "spam"
    PROMOTIONS = "promotions"
    SOCIAL = "social"
    UPDATES = "updates"
    FORUMS = "forums"
    TRASH = "trash"
    ARCHIVE = "archive"
    MISSING = "missing"


class HealthBand(StrEnum):
    """How a warmup mailbox fares, by where its mails were put and by bounces, over seven days."""

    HEALTHY = "healthy"
    """Nothing is known against it."""
    WATCH = "watch"
    """More lies in spam than should; it sends as planned."""
    THROTTLED = "throttled"
    """It sends less, first 70 % and then half of its volume."""
    PAUSED = "paused"
    """It rests, and then has to earn its way back with a small fresh sample."""
    BLOCKED = "blocked"
    """It sends nothing until a person has looked at it."""


LIMITED_BANDS = frozenset({HealthBand.THROTTLED, HealthBand.PAUSED, HealthBand.BLOCKED})
"""The bands in which a mailbox sends less than its ramp allows, or nothing."""


class ConsentPurpose(StrEnum):
    """Why a run of the OAuth flow was started."""

    ADD = "add"
    REAUTH = "reauth"


class InviteState(StrEnum):
    """What can be done with an invite."""

    OPEN = "open"
    """Its link works."""
    USED = "used"
    """Its mailbox was connected with it."""
    REVOKED = "revoked"
    """A person took it back."""
    EXPIRED = "expired"
    """Its days are over."""


class IncidentKind(StrEnum):
    """What went wrong for many mailboxes at once."""

    APP_ERROR = "app_error"
    """Google refuses the OAuth client or our request; the breaker is open."""
    OUTAGE = "outage"
    """Google cannot be reached, or fails, for one account after the other; the breaker is open."""
    MASS_REFUSAL = "mass_refusal"
    """More grants were refused at once than accounts die by themselves; the verdicts wait for a second pass."""
    UNREADABLE = "unreadable"
    """Stored grants cannot be decrypted."""


class AlertKind(StrEnum):
    """What a message to the operator is about."""

    CHANGES = "changes"
    """Mailboxes that newly need somebody, and those that recovered."""
    INCIDENT = "incident"
    """An incident began or ended."""
    DIGEST = "digest"
    """The report of the daily audit."""
    HEALTH = "health"
    """Warmup mailboxes that were slowed or stopped by their health, and those that came back."""


class DnsRecord(StrEnum):
    """A record of a sending domain by which receivers tell its mail from a forgery."""

    SPF = "spf"
    """Which servers may send for it."""
    DKIM = "dkim"
    """The key that its mail is signed with."""
    DMARC = "dmarc"
    """What receivers do with mail that passes neither."""


class DnsResult(StrEnum):
    """How a look at a record ended."""

    OK = "ok"
    """The record is right."""
    BAD = "bad"
    """The record is missing or wrong."""
    COULD_NOT_TELL = "could_not_tell"
    """No answer came, or it depends on what only a receiver sees; that is never held against a domain."""


class Action(StrEnum):
    """What a task does in one mailbox, in the order of a mail's life."""

    SEND = "send"
    RESCUE = "rescue"
    READ = "read"
    REPLY = "reply"
    COLLECT = "collect"


class ResponseCategory(StrEnum):
    """What kind of event an answer is, and so whom it concerns."""

    OK = "ok"
    """An access token came back."""
    TRANSIENT = "transient"
    """Google, the network or the database is in trouble; nobody has to do anything."""
    THROTTLED = "throttled"
    """Too many requests; slow down for everybody."""
    ACCOUNT = "account"
    """This grant is dead; a person has to sign in again."""
    AMBIGUOUS = "ambiguous"
    """This grant may be dead; a second probe decides."""
    BLOCKED = "blocked"
    """An administrator blocks the app; the grant is kept and probed daily."""
    UNUSABLE = "unusable"
    """Gmail is switched off or locked for this user; the grant is kept and probed daily."""
    GONE = "gone"
    """The Google account does not exist any more."""
    APP = "app"
    """The OAuth client or our request is wrong; no account is to blame."""
    LOCAL = "local"
    """Our own storage is in trouble: a key or a row."""
