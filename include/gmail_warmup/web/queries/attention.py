"""The mailboxes that need a person, oldest first: by grant, by health, or because their tasks keep failing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import FLAGGED_STATES
from gmail_warmup.db.models import HealthBand, Mailbox, MailboxAuth, MailboxFailure, MailboxKind, OAuthGrant
from gmail_warmup.db.rows import convert_rows
from gmail_warmup.warmup.health.failures import IS_NOT_WORKING
from gmail_warmup.web.queries.filters import MailboxFilter, build_conditions, in_band


class Cause(StrEnum):
    """Why a mailbox needs a person."""

    GRANT = "grant"
    HEALTH = "health"
    NOT_WORKING = "not_working"


@dataclass(frozen=True, kw_only=True)
class NeedyMailbox:
    """A mailbox that needs a person.

    Attributes:
        code: the state of the grant, for the cause ``grant``.
        reason: a reason code.
        detail: the last cause as a sentence, for the cause ``not_working``.
    """

    address: str
    kind: MailboxKind
    cause: Cause
    code: str
    reason: str | None
    detail: str | None
    since: datetime
    can_reauthenticate: bool


def load_needy(connection: sa.Connection, mailbox_filter: MailboxFilter, *, limit: int) -> list[NeedyMailbox]:
    """Return the mailboxes that have needed a person for the longest time."""
    parts = [part.limit(limit) for part in _select_parts(build_conditions(mailbox_filter, expiring_days=0))]
    both = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery()
    rows = connection.execute(sa.select(both).order_by(both.c.since, both.c.address).limit(limit))
    return convert_rows(rows, _to_needy, table=Mailbox.__tablename__)


def _to_needy(row: sa.Row[Any]) -> NeedyMailbox:
    return NeedyMailbox(**{**row._mapping, "kind": MailboxKind(row.kind), "cause": Cause(row.cause)})


def _select_parts(conditions: list[sa.ColumnElement[bool]]) -> list[sa.Select[Any]]:
    grant = _select_mailboxes(Cause.GRANT, OAuthGrant.state_since, code=OAuthGrant.state, reason=OAuthGrant.reason)
    health = _select_mailboxes(Cause.HEALTH, Mailbox.band_since, code=Mailbox.band, reason=Mailbox.band_reason)
    failing = _select_mailboxes(
        Cause.NOT_WORKING, MailboxFailure.since, code=sa.literal(""), reason=MailboxFailure.reason,
        detail=MailboxFailure.detail,
    ).join(MailboxFailure, MailboxFailure.mailbox_id == Mailbox.id)  # fmt: skip
    return [
        grant.where(OAuthGrant.state.in_(FLAGGED_STATES), *conditions),
        health.where(in_band(HealthBand.BLOCKED), Mailbox.band_since.is_not(None), *conditions),
        failing.where(IS_NOT_WORKING, *conditions),
    ]


def _select_mailboxes(cause: Cause, since: Any, *, code: Any, reason: Any, detail: Any = None) -> sa.Select[Any]:
    return (
        sa.select(
            Mailbox.address,
            Mailbox.kind,
            sa.literal(cause.value).label("cause"),
            code.label("code"),
            reason.label("reason"),
            (sa.cast(sa.null(), sa.Text) if detail is None else detail).label("detail"),
            since.label("since"),
            sa.and_(Mailbox.auth == MailboxAuth.GRANT, sa.literal(cause is Cause.GRANT)).label("can_reauthenticate"),
        )
        .select_from(Mailbox)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .order_by(since, Mailbox.address)
    )
