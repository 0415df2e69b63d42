"""Record what Google reported about the authentication of a mail: for the mail, its sender and the sender's domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.orm import InstrumentedAttribute

from gmail_warmup.core.enums import CONSUMER_DOMAINS, AuthenticationMethod
from gmail_warmup.db.models import DomainAuthentication, Mailbox, MailboxAuthentication
from gmail_warmup.gmail.authentication_results import MethodReport


def build_mail_columns(reports: Sequence[MethodReport]) -> dict[str, Any]:
    """Return the columns of a ledger row that hold the reports."""
    columns: dict[str, Any] = {}
    for report in reports:
        columns[f"{report.method}_result"] = report.result
        if report.method is not AuthenticationMethod.DMARC:
            columns[f"{report.method}_aligned"] = report.is_aligned
    return columns


def record_authentication(connection: sa.Connection, sender_id: int, reports: Sequence[MethodReport]) -> None:
    """Update the last reports of a sender and of its domain. A report that says neither pass nor fail is left out.

    Call it at the end of the transaction that records the placement: the row of a domain is shared by all its senders.
    """
    decided = [report for report in reports if report.has_failed is not None]
    if not decided:
        return
    parameters = {
        "sender": sender_id,
        "methods": [report.method for report in decided],
        "results": [report.result for report in decided],
        "aligned": [report.is_aligned for report in decided],
        "passed": [report.passes for report in decided],
        "failed": [report.has_failed for report in decided],
    }
    connection.execute(_RECORD_FOR_MAILBOX, parameters)
    connection.execute(_RECORD_FOR_DOMAIN, parameters)


_REPORTS = (
    sa.func.unnest(
        sa.bindparam("methods", type_=ARRAY(sa.Text)),
        sa.bindparam("results", type_=ARRAY(sa.Text)),
        sa.bindparam("aligned", type_=ARRAY(sa.Boolean)),
        sa.bindparam("passed", type_=ARRAY(sa.Boolean)),
        sa.bindparam("failed", type_=ARRAY(sa.Boolean)),
    )
    .table_valued(
        sa.column("method", sa.Text),
        sa.column("result", sa.Text),
        sa.column("is_aligned", sa.Boolean),
        sa.column("has_passed", sa.Boolean),
        sa.column("has_failed", sa.Boolean),
    )
    .render_derived(name="report")
)


def _build_upsert(
    table: type[MailboxAuthentication] | type[DomainAuthentication], key: str, value: InstrumentedAttribute[Any]
) -> Insert:
    """Return the statement that updates the rows of one mailbox or domain, in the order of the methods."""
    now, report = sa.func.now(), _REPORTS.c
    rows = (
        sa.select(
            value,
            report.method,
            report.result,
            report.is_aligned,
            now,
            sa.case((report.has_passed, now)),
            sa.case((report.has_failed, 1), else_=0),
        )
        .select_from(Mailbox)
        .join(_REPORTS, sa.true())
        .where(Mailbox.id == sa.bindparam("sender"))
        .order_by(report.method)
    )
    if key == "domain":
        # Their records are Google's own, and thousands of senders would share the row.
        rows = rows.where(Mailbox.domain.not_in(CONSUMER_DOMAINS))
    columns = ("method", "result", "is_aligned", "seen_at", "passed_at", "failures")
    statement = insert(table).from_select([key, *columns], rows)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[key, "method"],
        set_={
            "result": new.result,
            "is_aligned": new.is_aligned,
            "seen_at": new.seen_at,
            "passed_at": sa.func.coalesce(new.passed_at, table.passed_at),
            "failures": sa.case((new.failures > 0, table.failures + 1), else_=0),
        },
    )


_RECORD_FOR_MAILBOX = _build_upsert(MailboxAuthentication, "mailbox_id", Mailbox.id)
_RECORD_FOR_DOMAIN = _build_upsert(DomainAuthentication, "domain", Mailbox.domain)
