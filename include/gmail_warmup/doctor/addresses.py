"""Checks of the mailboxes' addresses and time zones against the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from gmail_warmup.core.text import join_first, pluralize
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import Mailbox
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.mailboxes.addresses import describe_twins
from gmail_warmup.mailboxes.zone_comparison import ZoneDifference, describe_refusal, find_differences
from gmail_warmup.mailboxes.zone_data import DATA_VERSION, find_zone


def check_duplicate_addresses(context: DoctorContext) -> CheckOutcome:
    """Find second addresses of one Google mailbox, which were added before the upgrade to one identity."""
    kept = aliased(Mailbox)
    is_kept = sa.and_(kept.identity == Mailbox.identity, kept.duplicate_number == 0)
    query = sa.select(Mailbox.address, kept.address.label("first")).join(kept, is_kept)
    rows = context.fetch_rows(query.where(Mailbox.duplicate_number > 0).order_by(Mailbox.address))
    if not rows:
        return Status.OK, "No Google mailbox has two addresses here."
    listed = join_first([describe_twins(row.address, row.first) for row in rows])
    step = "No action needed: the second address stays paused. Use the first one."
    return Status.WARNING, f"{pluralize(len(rows), 'mailbox')} with a second address: {listed}.", step


def check_time_zones(context: DoctorContext) -> CheckOutcome:
    """Find mailboxes whose time zone PostgreSQL does not know, or reads in another way than Python."""
    with read_transaction(context.services.engine) as connection:
        zones = sorted(connection.scalars(sa.select(Mailbox.timezone).distinct()))
        refused = [zone for zone in zones if find_zone(zone) is None or describe_refusal(connection, zone)]
        different = {zone: find_differences(connection, zone) for zone in zones if zone not in refused}
    if refused:
        return _report_refused_zones(context, refused)
    if any(different.values()):
        return _report_differences(context, different)
    return Status.OK, "Python and PostgreSQL read the time zone of every mailbox in the same way."


def _report_refused_zones(context: DoctorContext, zones: Sequence[str]) -> CheckOutcome:
    query = sa.select(Mailbox.address, Mailbox.timezone).where(Mailbox.timezone.in_(zones))
    rows = context.fetch_rows(query.order_by(Mailbox.address))
    listed = join_first([f"{row.address} ({row.timezone!r})" for row in rows])
    step = "Set the time zone of a city, such as Europe/Berlin, on the page of each mailbox."
    return (
        Status.PROBLEM,
        f"{pluralize(len(rows), 'mailbox')} whose time zone PostgreSQL does not know or reads differently: {listed}.",
        step,
    )


def _report_differences(context: DoctorContext, different: Mapping[str, Sequence[ZoneDifference]]) -> CheckOutcome:
    """Report data of two versions. PostgreSQL has no function that returns the version of its own data."""
    server = context.fetch_rows(sa.text("SELECT current_setting('server_version') AS version"))[0].version
    listed = join_first([f"{zone}: {join_first(list(map(str, found)))}" for zone, found in different.items() if found])
    return (
        Status.WARNING,
        f"PostgreSQL {server.split()[0]} has other time zone data than Python (tzdata {DATA_VERSION}), which "
        f"decides when mails are sent. PostgreSQL's local time differs: {listed}.",
        "Update the time zone data of the database server (its package tzdata, or PostgreSQL) and restart PostgreSQL.",
    )
