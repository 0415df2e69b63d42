"""Values that code, tables, pages and docs share. Imports nothing heavy, since DAG files import this module."""

from __future__ import annotations

from enum import StrEnum


class MailboxKind(StrEnum):
    """The role of a mailbox."""

    WARMUP = "warmup"
    """It is warmed up: it sends to pool mailboxes."""
    POOL = "pool"
    """It receives warmup mail, rescues it from spam, reads it and replies."""


class MailboxAuth(StrEnum):
    """How the package authenticates to a mailbox."""

    GRANT = "grant"
    """With an OAuth grant from its owner's consent."""
    DELEGATED = "delegated"
    """With a service account that has domain-wide delegation."""


CONSUMER_DOMAINS = ("gmail.com", "googlemail.com")
"""The domains of consumer Gmail. Every other domain of a mailbox belongs to a Google Workspace."""

DEFAULT_TARGET = 40
"""Mails a day at the end of the ramp of a mailbox that names no target, and the default of ``ramp_cap``."""


class GrantState(StrEnum):
    """The state of a grant."""

    ACTIVE = "active"
    """Google accepts it."""
    SUSPECT = "suspect"
    """Google's last response may mean that it is revoked; a second probe decides."""
    NEEDS_REAUTH = "needs_reauth"
    """It is revoked or expired; a person has to sign in again."""
    BLOCKED_BY_ADMIN = "blocked_by_admin"
    """A Workspace administrator blocks the app; probed daily."""
    ACCOUNT_DELETED = "account_deleted"
    """The Google account does not exist anymore."""
    DISABLED = "disabled"
    """Gmail is disabled or locked for this user; probed daily."""


STATE_LABELS: dict[GrantState, str] = {
    GrantState.ACTIVE: "Valid",
    GrantState.SUSPECT: "Suspect",
    GrantState.NEEDS_REAUTH: "Needs re-authentication",
    GrantState.BLOCKED_BY_ADMIN: "Blocked by admin",
    GrantState.ACCOUNT_DELETED: "Account deleted",
    GrantState.DISABLED: "Gmail disabled",
}
"""As pages, messages and reports show them."""

FLAGGED_STATES = frozenset(
    {GrantState.NEEDS_REAUTH, GrantState.BLOCKED_BY_ADMIN, GrantState.ACCOUNT_DELETED, GrantState.DISABLED}
)
"""States that need manual action. No tasks or token requests are made for these mailboxes."""


class GrantEventReason(StrEnum):
    """The reason of an entry in the history of a grant that no response of Google caused."""

    CONSENT = "consent"
    """The owner of the mailbox consented; the mailbox has a new grant."""
    IMPORTED = "imported"
    """A grant was imported."""
    AUTH_GRANT = "auth_grant"
    """The mailbox changed from a service account to an OAuth grant."""
    AUTH_DELEGATED = "auth_delegated"
    """The mailbox changed from an OAuth grant to a service account."""


GRANT_EVENT_TEXTS: dict[str, str] = {
    GrantEventReason.CONSENT: "The owner of the mailbox consented; it has a new grant.",
    GrantEventReason.IMPORTED: "A grant was imported.",
    GrantEventReason.AUTH_GRANT: "The mailbox now uses an OAuth grant of its owner.",
    GrantEventReason.AUTH_DELEGATED: "The mailbox now uses a service account.",
}
"""The reasons as sentences, as page and API show them."""


class RefusingParty(StrEnum):
    """The party at Google whose refusal caused the state of a grant. Only its own answer ends that state."""

    TOKEN_ENDPOINT = "token_endpoint"  # noqa: S105  a name, not a secret
    """It refused a token request; it is probed with a refresh."""
    GMAIL = "gmail"
    """It refused a call with a valid access token; it is probed with a Gmail call."""


class MailStatus(StrEnum):
    """The state of the delivery of a warmup mail."""

    CLAIMED = "claimed"
    """The slot is taken. Gmail has nothing, or a draft whose id is not stored."""
    DRAFTED = "drafted"
    """The draft's id is stored. The draft exists, or was sent."""
    SENT = "sent"
    """Gmail sent it and its ids are recorded."""
    FAILED = "failed"
    """Gmail rejected it permanently; the slot is used up."""


class BounceKind(StrEnum):
    """Why a mail was not delivered, by its enhanced status code and the text of the mail server."""

    UNKNOWN_RECIPIENT = "unknown_recipient"
    """The recipient or its domain does not exist, or is disabled."""
    MAILBOX_FULL = "mailbox_full"
    """The recipient's mailbox has no room."""
    REJECTED = "rejected"
    """The receiving mail server refuses the mail as spam, by its policy, or because the sender is not authenticated."""
    UNREACHABLE = "unreachable"
    """The receiving mail server cannot be reached, or is overloaded."""
    MESSAGE = "message"
    """The receiving mail server does not accept this message, for example for its size."""
    SENDING_LIMIT = "sending_limit"
    """Google did not send it, because the sender had reached its daily sending limit."""
    OTHER = "other"
    """The notification gives no reason that is known."""


class Placement(StrEnum):
    """The folder that Gmail delivered a mail to, read before anything changed it."""

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
    """The health of a warmup mailbox, from the placements and bounces of seven days."""

    HEALTHY = "healthy"
    """No problem is known."""
    WATCH = "watch"
    """The share of spam is raised; it sends as planned."""
    THROTTLED = "throttled"
    """It sends less: first 70 %, then 50 % of its volume."""
    PAUSED = "paused"
    """It sends nothing for some days, then requalifies with a small sample of mails."""
    BLOCKED = "blocked"
    """It sends nothing until a person releases it."""


BAND_LABELS: dict[HealthBand, str] = {
    HealthBand.HEALTHY: "Healthy",
    HealthBand.WATCH: "Watched",
    HealthBand.THROTTLED: "Throttled",
    HealthBand.PAUSED: "Paused by health",
    HealthBand.BLOCKED: "Blocked by health",
}
"""As pages, messages and reports show them."""


class ReadinessState(StrEnum):
    """Whether a warmup mailbox may send cold mail."""

    READY = "ready"
    """It may send cold mail."""
    WARMING = "warming"
    """Its ramp is not complete, or too few of its mails have a known placement."""
    RESTING = "resting"
    """It sends less or nothing for a while, because of its health or a sending limit; this ends automatically."""
    NOT_READY = "not_ready"
    """Something has to be repaired first."""


READINESS_LABELS: dict[ReadinessState, str] = {
    ReadinessState.READY: "Ready",
    ReadinessState.WARMING: "Warming up",
    ReadinessState.RESTING: "Resting",
    ReadinessState.NOT_READY: "Not ready",
}
"""As pages, messages and reports show them."""


LIMITED_BANDS = frozenset({HealthBand.THROTTLED, HealthBand.PAUSED, HealthBand.BLOCKED})
"""Bands in which a mailbox sends less than its ramp allows, or nothing."""


class ScheduleOrigin(StrEnum):
    """Where a value of the schedule of a mailbox comes from; the first one that has a value counts."""

    MAILBOX = "mailbox"
    """It is set for the mailbox."""
    TAG = "tag"
    """It is set for a tag of the mailbox; of several tags, the first by alphabet counts."""
    GLOBAL = "global"
    """It is the option of the section [gmail_warmup]."""


class ConsentPurpose(StrEnum):
    """The purpose of a run of the OAuth flow."""

    ADD = "add"
    REAUTH = "reauth"


class RepairOutcome(StrEnum):
    """Why a mailbox of a repair queue was left behind; null while it waits for its consent."""

    SKIPPED = "skipped"
    FAILED = "failed"


class RemovalStep(StrEnum):
    """The steps of the removal of a mailbox, in their order."""

    TRASH = "trash"
    """Move its warmup mail to the trash."""
    REVOKE = "revoke"
    """Revoke its grant at Google."""
    ERASE = "erase"
    """Delete what is stored about it."""
    DONE = "done"
    """Nothing is stored about it."""


class InviteState(StrEnum):
    """The state of an invite."""

    OPEN = "open"
    """Its link is valid."""
    USED = "used"
    """A consent was given with it."""
    REVOKED = "revoked"
    """A person revoked it."""
    EXPIRED = "expired"
    """Its link is no longer valid."""


class IncidentKind(StrEnum):
    """The kind of a problem that affects many mailboxes."""

    APP_ERROR = "app_error"
    """Google rejects the OAuth client or the request; the breaker is open."""
    OUTAGE = "outage"
    """Google cannot be reached, or fails, for several accounts in a row; the breaker is open."""
    MASS_REFUSAL = "mass_refusal"
    """More grants were refused than normally expire; the decisions wait for a second pass."""
    UNREADABLE = "unreadable"
    """Stored grants cannot be decrypted."""
    UNAUTHENTICATED = "unauthenticated"
    """Google reported for several mails of a domain in a row that they are not authenticated."""
    OVERDUE = "overdue"
    """A DAG has had no success although a run was due."""


class AlertKind(StrEnum):
    """The subject of a message to the operator."""

    CHANGES = "changes"
    """Mailboxes that were flagged, and those that recovered."""
    INCIDENT = "incident"
    """An incident started or ended."""
    DIGEST = "digest"
    """The report of the daily audit."""
    HEALTH = "health"
    """Warmup mailboxes with deliverability problems, and those that recovered."""
    NOT_WORKING = "not_working"
    """Mailboxes whose tasks keep failing although they should work, and those that work again."""
    WEEKLY_REPORT = "weekly_report"
    """The report of a week."""


class WebhookType(StrEnum):
    """The event that a webhook reports."""

    NEEDS_REAUTH = "mailbox.needs_reauth"
    """Its grant was flagged: a person has to act. `state` says which."""
    RECOVERED = "mailbox.recovered"
    """Its grant works again, or its tasks succeed again after `mailbox.not_working`."""
    EXPIRING = "mailbox.expiring"
    """Its grant expires within `expiring_days`; `expires_at` says when."""
    NOT_WORKING = "mailbox.not_working"
    """Its tasks have been failing for `not_working_after`, although its grant works."""
    HEALTH_CHANGED = "mailbox.health_changed"
    """Its health band changed."""
    READY = "mailbox.ready"
    """It may send cold mail: `cold_mails` on this day."""
    NOT_READY = "mailbox.not_ready"
    """It may not send cold mail any more."""
    REMOVED = "mailbox.removed"
    """It was removed."""
    TEST = "webhook.test"
    """Somebody pressed *Send a test*."""


class DeliveryState(StrEnum):
    """The state of the delivery of a webhook."""

    WAITING = "waiting"
    """Its receiver has not accepted it yet; it is tried again."""
    DELIVERED = "delivered"
    """Its receiver accepted it."""
    GIVEN_UP = "given_up"
    """Its receiver did not accept it within `webhook_retry_days`."""


class DnsRecord(StrEnum):
    """A DNS record of a sending domain that authenticates its mail."""

    SPF = "spf"
    """The servers that may send for the domain."""
    DKIM = "dkim"
    """The public key of its signatures."""
    DMARC = "dmarc"
    """The policy for mail that passes neither SPF nor DKIM."""


class DnsResult(StrEnum):
    """The result of checking a record."""

    OK = "ok"
    """The record is correct."""
    WARNING = "warning"
    """Receivers accept mail from Google, but something should be corrected. It never blocks a domain."""
    BAD = "bad"
    """The record is missing or wrong."""
    COULD_NOT_TELL = "could_not_tell"
    """There was no response, or the result depends on the receiver. It never blocks a domain."""


class AuthenticationMethod(StrEnum):
    """A method with which Google authenticates a received mail."""

    SPF = "spf"
    """Whether the sending server may send for the domain of the envelope sender."""
    DKIM = "dkim"
    """Whether a signature of a domain is valid."""
    DMARC = "dmarc"
    """Whether SPF or DKIM passes for the domain of the From header."""


class AuthenticationResult(StrEnum):
    """The result of a method in ``Authentication-Results`` (RFC 8601, 2.7)."""

    PASS = "pass"  # noqa: S105  a result, not a secret
    """The mail is authenticated by this method."""
    FAIL = "fail"
    """The mail is not authenticated by this method."""
    SOFTFAIL = "softfail"
    """The server is probably not allowed to send for the domain (SPF)."""
    NEUTRAL = "neutral"
    """The domain does not say whether the server may send (SPF), or the signature cannot be checked (DKIM)."""
    NONE = "none"
    """There is no record or no signature."""
    POLICY = "policy"
    """The signature is valid, but Google does not accept it, for example because its key is too short."""
    TEMPERROR = "temperror"
    """Google could not check it, for example because a name server did not answer."""
    PERMERROR = "permerror"
    """The record or the signature is malformed."""
    BESTGUESSPASS = "bestguesspass"
    """There is no record; Google guessed that the mail is genuine."""
    UNKNOWN = "unknown"
    """A result that this version does not know."""


class ChangeAction(StrEnum):
    """A change that a person made, or a mail to an owner, in the change log."""

    MAILBOX_ADD = "mailbox_add"
    """A mailbox was added."""
    MAILBOX_CHANGE = "mailbox_change"
    """Settings of a mailbox were changed."""
    MAILBOX_PAUSE = "mailbox_pause"
    """A mailbox was paused."""
    MAILBOX_RESUME = "mailbox_resume"
    """A paused mailbox was resumed."""
    TAG_SCHEDULE = "tag_schedule"
    """The schedule of a tag was changed."""
    MAILBOX_REQUALIFY = "mailbox_requalify"
    """A mailbox that its health paused or blocked may send a fresh sample."""
    MAILBOX_REMOVE = "mailbox_remove"
    """The removal of a mailbox was begun; its receipt has the counts."""
    MAILBOX_RENAME = "mailbox_rename"
    """A mailbox got the new address of its account."""
    MAILBOX_EXPORT = "mailbox_export"
    """Everything that is stored about a mailbox was exported."""
    CONSENT = "consent"
    """The owner of a mailbox consented; the mailbox has a new grant."""
    INVITE_CREATE = "invite_create"
    """An invite for the owner of a mailbox was created."""
    INVITE_REVOKE = "invite_revoke"
    """An invite was revoked."""
    OWNER_MAIL = "owner_mail"
    """The owner of a mailbox that needs re-authentication was mailed an invite."""
    HALT_BEGIN = "halt_begin"
    """All mailboxes were stopped."""
    HALT_END = "halt_end"
    """All mailboxes were started again."""
    IMPORT = "import"
    """A file or another system was imported; each added or changed mailbox has an entry of its own."""
    EXPORT = "export"
    """The settings of mailboxes were exported."""
    BACKUP = "backup"
    """An encrypted backup with refresh tokens was made."""
    KEY_ROTATION = "key_rotation"
    """The stored secrets were re-encrypted with the newest Fernet key."""
    CLIENT_SET = "client_set"
    """An OAuth client was registered, or its limit or tags were changed."""
    CLIENT_RETIRE = "client_retire"
    """An OAuth client was retired: it gets no new grants."""
    CLIENT_REOPEN = "client_reopen"
    """A retired OAuth client gets new grants again."""
    WEBHOOK_TEST = "webhook_test"
    """A test was sent to a receiver of webhooks."""
    WEBHOOK_REPEAT = "webhook_repeat"
    """A webhook was sent again."""
    REPORT_LINK_CREATE = "report_link_create"
    """A link to a weekly report was created."""
    REPORT_LINK_REVOKE = "report_link_revoke"
    """A link to a weekly report was revoked."""


CHANGE_LABELS: dict[str, str] = {
    ChangeAction.MAILBOX_ADD: "Mailbox added",
    ChangeAction.MAILBOX_CHANGE: "Mailbox settings changed",
    ChangeAction.MAILBOX_PAUSE: "Mailbox paused",
    ChangeAction.MAILBOX_RESUME: "Mailbox resumed",
    ChangeAction.TAG_SCHEDULE: "Schedule of a tag changed",
    ChangeAction.MAILBOX_REQUALIFY: "Fresh sample allowed",
    ChangeAction.MAILBOX_REMOVE: "Removal of a mailbox begun",
    ChangeAction.MAILBOX_RENAME: "Mailbox renamed",
    ChangeAction.MAILBOX_EXPORT: "Data of a mailbox exported",
    ChangeAction.CONSENT: "Consent given",
    ChangeAction.INVITE_CREATE: "Invite created",
    ChangeAction.INVITE_REVOKE: "Invite revoked",
    ChangeAction.OWNER_MAIL: "Invite mailed to the owner",
    ChangeAction.HALT_BEGIN: "All mailboxes stopped",
    ChangeAction.HALT_END: "All mailboxes started again",
    ChangeAction.IMPORT: "Mailboxes imported",
    ChangeAction.EXPORT: "Mailbox settings exported",
    ChangeAction.BACKUP: "Encrypted backup made",
    ChangeAction.KEY_ROTATION: "Stored secrets re-encrypted",
    ChangeAction.CLIENT_SET: "OAuth client registered or changed",
    ChangeAction.CLIENT_RETIRE: "OAuth client retired",
    ChangeAction.CLIENT_REOPEN: "OAuth client opened again",
    ChangeAction.WEBHOOK_TEST: "Test webhook sent",
    ChangeAction.WEBHOOK_REPEAT: "Webhook sent again",
    ChangeAction.REPORT_LINK_CREATE: "Report link created",
    ChangeAction.REPORT_LINK_REVOKE: "Report link revoked",
}
"""The actions, by code, as page and command show them."""


class ChangeSource(StrEnum):
    """The interface through which a change was made."""

    PAGE = "page"
    """A browser with a login or an invite."""
    API = "api"
    """A client with a bearer token."""
    CLI = "cli"
    """The command gmail-warmup."""
    TASK = "task"
    """A task of a DAG."""


class SubjectKind(StrEnum):
    """What a change concerns."""

    MAILBOX = "mailbox"
    """One mailbox."""
    FLEET = "fleet"
    """All mailboxes, or a selection of them."""
    DOMAIN = "domain"
    """The mailboxes of a domain."""
    TAG = "tag"
    """The mailboxes with a tag."""
    CLIENT = "client"
    """An OAuth client, by its Connection."""


class DagId(StrEnum):
    """The DAGs of this package."""

    WARMUP = "gmail_warmup"
    """Plans and runs the actions."""
    AUDIT = "gmail_token_health"
    """Audits the grants and maintains the database, daily."""
    MONITOR = "gmail_monitor"
    """Sends alerts also while the other DAGs do not run."""


class Action(StrEnum):
    """What a task does in one mailbox, in the order in which a mail passes through the actions."""

    SEND = "send"
    RESCUE = "rescue"
    READ = "read"
    REPLY = "reply"
    COLLECT = "collect"


class ResponseCategory(StrEnum):
    """The category of a response of Google: what it concerns, and who has to act."""

    OK = "ok"
    """An access token was returned."""
    TRANSIENT = "transient"
    """Google, the network or the database has a problem; it is retried."""
    THROTTLED = "throttled"
    """Too many requests; all processes slow down."""
    ACCOUNT = "account"
    """This grant is revoked or expired; a person has to sign in again."""
    AMBIGUOUS = "ambiguous"
    """The account may be unusable, or the grant revoked; a second probe decides."""
    BLOCKED = "blocked"
    """An administrator blocks the app; the grant is kept and probed daily."""
    UNUSABLE = "unusable"
    """Gmail is disabled or locked for this user; the grant is kept and probed daily."""
    GONE = "gone"
    """The Google account does not exist anymore."""
    REQUEST = "request"
    """Google rejects this one request; neither the account nor the OAuth client is affected."""
    APP = "app"
    """The OAuth client or the token request is wrong; no account is affected."""
    LOCAL = "local"
    """The stored grant cannot be used: a wrong key or row."""


REPAIRED_BY: dict[ResponseCategory, str] = {
    ResponseCategory.OK: "no one",
    ResponseCategory.TRANSIENT: "no one",
    ResponseCategory.THROTTLED: "no one",
    ResponseCategory.ACCOUNT: "a person who can sign in with the mailbox",
    ResponseCategory.AMBIGUOUS: "no one yet",
    ResponseCategory.BLOCKED: "the Workspace's administrator",
    ResponseCategory.UNUSABLE: "the Workspace's administrator or the owner",
    ResponseCategory.GONE: "the operator, who pauses the mailbox",
    ResponseCategory.REQUEST: "the person who started it",
    ResponseCategory.APP: "the operator, in the Google Cloud console",
    ResponseCategory.LOCAL: "the operator, with the Fernet keys",
}
"""Who repairs the cause of a response of each category."""

RETRIED: dict[ResponseCategory, str] = {
    ResponseCategory.OK: "not necessary",
    ResponseCategory.TRANSIENT: "by the next task or audit, not before the time that Google named",
    ResponseCategory.THROTTLED: "by the next task or audit, not before the time that Google named",
    ResponseCategory.ACCOUNT: "after a new consent",
    ResponseCategory.AMBIGUOUS: "by a second probe, after `suspect_delay`",
    ResponseCategory.BLOCKED: "daily",
    ResponseCategory.UNUSABLE: "daily",
    ResponseCategory.GONE: "never",
    ResponseCategory.REQUEST: "never",
    ResponseCategory.APP: "by single probes of the circuit breaker",
    ResponseCategory.LOCAL: "by the next task or audit",
}
"""Whether and when a request is sent again after a response of each category."""


class Permission(StrEnum):
    """What a user may do on the page and in the API. Each member includes those before it.

    The value is the name of the action in Airflow's FAB auth manager.
    """

    READ = "can_read"
    """See mailboxes, statistics and history, and export settings."""
    OPERATE = "can_operate"
    """Pause, resume and requalify mailboxes; sign in again for them, one by one or in the repair queue; create and
    revoke invites and links to a report; send a webhook again, and tests; use the kill switch."""
    ADMINISTER = "can_administer"
    """Add mailboxes, import them, change their settings, rename and remove them, and export all their data."""
