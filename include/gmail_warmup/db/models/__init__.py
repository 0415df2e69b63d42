"""The tables of the package, by subject; importing this package registers all of them on the metadata.

All times are ``timestamptz``. Due times, leases and expiries are compared with the clock of the database, never with
that of a worker. A text column with a fixed set of values has a check constraint instead of an enum type: adding a
value is then an ordinary, reversible migration.
"""

from __future__ import annotations

from sqlalchemy import DDL, event

from gmail_warmup.core.enums import AlertKind as AlertKind
from gmail_warmup.core.enums import AuthenticationMethod as AuthenticationMethod
from gmail_warmup.core.enums import AuthenticationResult as AuthenticationResult
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
from gmail_warmup.core.enums import ReadinessState as ReadinessState
from gmail_warmup.core.enums import RemovalStep as RemovalStep
from gmail_warmup.core.enums import RepairOutcome as RepairOutcome
from gmail_warmup.core.enums import WebhookType as WebhookType
from gmail_warmup.db.base import Base as Base
from gmail_warmup.db.models.alerts import Alert as Alert
from gmail_warmup.db.models.alerts import AlertItem as AlertItem
from gmail_warmup.db.models.alerts import AssetFlag as AssetFlag
from gmail_warmup.db.models.alerts import DagHeartbeat as DagHeartbeat
from gmail_warmup.db.models.alerts import Incident as Incident
from gmail_warmup.db.models.authentication import DomainAuthentication as DomainAuthentication
from gmail_warmup.db.models.authentication import MailboxAuthentication as MailboxAuthentication
from gmail_warmup.db.models.change_log import ChangeLogEntry as ChangeLogEntry
from gmail_warmup.db.models.consents import Consent as Consent
from gmail_warmup.db.models.consents import Invite as Invite
from gmail_warmup.db.models.consents import Repair as Repair
from gmail_warmup.db.models.grants import AuditRun as AuditRun
from gmail_warmup.db.models.grants import Breaker as Breaker
from gmail_warmup.db.models.grants import Canary as Canary
from gmail_warmup.db.models.grants import ClientRegistration as ClientRegistration
from gmail_warmup.db.models.grants import ClientUser as ClientUser
from gmail_warmup.db.models.grants import GrantEvent as GrantEvent
from gmail_warmup.db.models.grants import OAuthGrant as OAuthGrant
from gmail_warmup.db.models.ledger import LEDGER_HISTORY as LEDGER_HISTORY
from gmail_warmup.db.models.ledger import LEDGER_MIN_AGE as LEDGER_MIN_AGE
from gmail_warmup.db.models.ledger import LedgerEntry as LedgerEntry
from gmail_warmup.db.models.mailbox import HealthEvent as HealthEvent
from gmail_warmup.db.models.mailbox import Mailbox as Mailbox
from gmail_warmup.db.models.mailbox import MailboxDay as MailboxDay
from gmail_warmup.db.models.mailbox import MailboxFailure as MailboxFailure
from gmail_warmup.db.models.mailbox import MailboxTag as MailboxTag
from gmail_warmup.db.models.owner_mails import OwnerMail as OwnerMail
from gmail_warmup.db.models.planning import DomainCheck as DomainCheck
from gmail_warmup.db.models.planning import Halt as Halt
from gmail_warmup.db.models.planning import PlanBasis as PlanBasis
from gmail_warmup.db.models.readiness import MailboxReadiness as MailboxReadiness
from gmail_warmup.db.models.removals import MailboxRemoval as MailboxRemoval
from gmail_warmup.db.models.report_links import ReportLink as ReportLink
from gmail_warmup.db.models.reporting import DomainDay as DomainDay
from gmail_warmup.db.models.reporting import DomainVolume as DomainVolume
from gmail_warmup.db.models.reporting import GrantDay as GrantDay
from gmail_warmup.db.models.schedules import ScheduleColumns as ScheduleColumns
from gmail_warmup.db.models.schedules import TagSchedule as TagSchedule
from gmail_warmup.db.models.webhooks import WebhookDelivery as WebhookDelivery
from gmail_warmup.db.models.webhooks import WebhookEvent as WebhookEvent
from gmail_warmup.db.models.webhooks import WebhookReceiver as WebhookReceiver
from gmail_warmup.db.sql_functions import (
    COUNT_CLAIMS,
    COUNT_CLIENT_USERS,
    DROP_COUNT_CLAIMS,
    DROP_COUNT_CLIENT_USERS,
    DROP_DELETE_MAILBOX_HISTORY,
    DROP_DOMAIN_DAYS,
    DROP_FORGET_MAILBOX_CHANGES,
    DROP_FUNCTIONS,
    ON_CLAIM,
    build_functions,
)
from gmail_warmup.db.webhook_triggers import DROP_WEBHOOK_TRIGGERS, WEBHOOK_TRIGGERS

# Tables that are created from the models instead of by the migrations get the trigger and the functions as well.
for _target, _moment, _statement in (
    (LedgerEntry.__table__, "after_create", COUNT_CLAIMS),
    (LedgerEntry.__table__, "after_create", ON_CLAIM),
    (LedgerEntry.__table__, "after_drop", DROP_COUNT_CLAIMS),
    *((Base.metadata, "after_create", function) for function in build_functions(LedgerEntry.__table__.columns.keys())),
    (Base.metadata, "before_drop", DROP_FUNCTIONS),
    (Base.metadata, "before_drop", DROP_DELETE_MAILBOX_HISTORY),
    (Base.metadata, "before_drop", DROP_FORGET_MAILBOX_CHANGES),
    *((Base.metadata, "before_drop", statement) for statement in DROP_DOMAIN_DAYS),
    *((Base.metadata, "after_create", statement) for statement in COUNT_CLIENT_USERS),
    (Base.metadata, "before_drop", DROP_COUNT_CLIENT_USERS),
    *((Base.metadata, "after_create", statement) for statement in WEBHOOK_TRIGGERS),
    (Base.metadata, "before_drop", DROP_WEBHOOK_TRIGGERS),
):
    event.listen(_target, _moment, DDL(_statement.replace("%", "%%")))  # type: ignore[no-untyped-call]
