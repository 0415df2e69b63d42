"""Checks of the mailboxes' addresses and time zones against the database."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from gmail_warmup.core.text import join_first, pluralize
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import Mailbox
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.mailboxes.addresses import describe_twins
from gmail_warmup.mailboxes.time_zones import CITY_OF_ZONE, is_known_to_database


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
        zones = connection.scalars(sa.select(Mailbox.timezone).distinct()).all()
        wrong = [zone for zone in zones if zone in CITY_OF_ZONE or not is_known_to_database(connection, zone)]
    if not wrong:
        return Status.OK, "Python and PostgreSQL know the time zone of every mailbox."
    query = sa.select(Mailbox.address, Mailbox.timezone).where(Mailbox.timezone.in_(wrong))
    rows = context.fetch_rows(query.order_by(Mailbox.address))
    listed = join_first([f"{row.address} ({row.timezone!r})" for row in rows])
    step = "Set the time zone of a city, such as Europe/Berlin, on the page of each mailbox."
    return (
        Status.PROBLEM,
        f"{pluralize(len(rows), 'mailbox')} whose time zone PostgreSQL does not know or reads differently: {listed}.",
        step,
    )
