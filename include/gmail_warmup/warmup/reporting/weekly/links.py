"""Links to a weekly report that need no login: they show one report until they expire or are revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import ChangeAction, SubjectKind
from gmail_warmup.core.errors import UnknownReportLinkError
from gmail_warmup.crypto.link_tokens import hash_link_token, make_link_token
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.models import ReportLink
from gmail_warmup.mailboxes.change_log import Subject, record_change
from gmail_warmup.warmup.reporting.weekly.scope import ReportScope, ScopeKind

_L = ReportLink
_DAY_SECONDS = 86_400
_KEPT_DAYS = 90
"""Days for which an expired link is still listed."""
MAX_LISTED = 100


@dataclass(frozen=True, kw_only=True)
class NewReportLink:
    """A new link with its token, which is not stored in plain text anywhere."""

    id: int
    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class ReportLinkRecord:
    """A stored link. Times have a time zone."""

    id: int
    scope: ReportScope
    week: date
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    is_open: bool


_IS_OPEN = sa.and_(_L.revoked_at.is_(None), _L.expires_at > sa.func.now())
_SELECT_LINKS = sa.select(
    _L.id, _L.scope_kind, _L.scope_name, _L.week, _L.created_at, _L.created_by, _L.expires_at, _L.revoked_at,
    _L.revoked_by, _IS_OPEN.label("is_open"),
)  # fmt: skip


def create_report_link(
    connection: sa.Connection, scope: ReportScope, week: date, *, actor: str, days: int
) -> NewReportLink:
    """Create a link to the report of a week, which starts on this Monday; delete links that expired long ago."""
    connection.execute(sa.delete(_L).where(_L.expires_at < sa.func.now() - make_interval(_KEPT_DAYS * _DAY_SECONDS)))
    token = make_link_token()
    row = connection.execute(
        sa.insert(_L)
        .values(
            token_hash=hash_link_token(token),
            scope_kind=scope.kind.value,
            scope_name=scope.name,
            week=week,
            created_by=actor,
            expires_at=sa.func.now() + make_interval(days * _DAY_SECONDS),
        )
        .returning(_L.id, _L.expires_at)
    ).one()
    after = {"report_id": row.id, "week": week, "expires_at": row.expires_at}
    record_change(connection, ChangeAction.REPORT_LINK_CREATE, actor=actor, subject=_to_subject(scope), after=after)
    return NewReportLink(id=row.id, token=token, expires_at=row.expires_at)


def find_open_link(connection: sa.Connection, token: str) -> ReportLinkRecord | None:
    """Return the link with this token that has not expired and is not revoked, or None."""
    token_hash = hash_link_token(token)
    if token_hash is None:
        return None
    row = connection.execute(_SELECT_LINKS.where(_L.token_hash == token_hash, _IS_OPEN)).one_or_none()
    return _to_record(row) if row else None


def list_report_links(connection: sa.Connection) -> Sequence[ReportLinkRecord]:
    """Return the last links, the newest first."""
    rows = connection.execute(_SELECT_LINKS.order_by(_L.id.desc()).limit(MAX_LISTED))
    return [_to_record(row) for row in rows]


def revoke_report_link(connection: sa.Connection, link_id: int, *, actor: str) -> ReportLinkRecord:
    """Revoke a link; one that has ended is not changed.

    Raises:
        UnknownReportLinkError: if it does not exist.
    """
    revoke = sa.update(_L).where(_L.id == link_id, _IS_OPEN).values(revoked_at=sa.func.now(), revoked_by=actor)
    revoked = connection.execute(revoke).rowcount
    row = connection.execute(_SELECT_LINKS.where(_L.id == link_id)).one_or_none()
    if row is None:
        raise UnknownReportLinkError(link_id)
    link = _to_record(row)
    if revoked:
        before = {"report_id": link_id, "week": link.week, "expires_at": link.expires_at}
        subject = _to_subject(link.scope)
        record_change(connection, ChangeAction.REPORT_LINK_REVOKE, actor=actor, subject=subject, before=before)
    return link


def _to_subject(scope: ReportScope) -> Subject:
    return Subject(kind=SubjectKind(scope.kind.value), name=scope.name)


def _to_record(row: Any) -> ReportLinkRecord:
    values = dict(row._mapping)
    scope = ReportScope(kind=ScopeKind(values.pop("scope_kind")), name=values.pop("scope_name"))
    return ReportLinkRecord(scope=scope, **values)
