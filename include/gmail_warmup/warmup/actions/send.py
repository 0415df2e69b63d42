"""Send: claim the slots that are due, and send one mail for each."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, MailboxKind, MailStatus, OAuthGrant
from gmail_warmup.gmail.errors import BadGmailRequestError, SendingLimitError
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup import due, ledger
from gmail_warmup.warmup.actions.base import Desk, deliver
from gmail_warmup.warmup.content import first_letter
from gmail_warmup.warmup.ledger import Entry
from gmail_warmup.warmup.partners import Candidate, choose
from gmail_warmup.warmup.plan import Slot

log = logging.getLogger(__name__)

_DAY = timedelta(days=1)


def send(desk: Desk) -> None:
    """Finish mails that an earlier task began, then send what is due; a pool mailbox sends nothing of itself."""
    if desk.mailbox.kind is not MailboxKind.WARMUP:
        return
    with desk.engine.begin() as connection:
        begun = ledger.of_sender(connection, desk.mailbox.id, ledger.UNSENT_FIRST)
    for entry in begun:
        _send_one(desk, entry, fresh=False)
    while (claimed := claim_next(desk)) is not None:
        _send_one(desk, claimed, fresh=True)


def claim_next(desk: Desk) -> Entry | None:
    """Claim the next due slot for a partner, or return None when nothing (more) is due.

    The sender's row is locked meanwhile, so volume and gap hold whatever else runs; the partner's row too, so that
    its cap holds.
    """
    with desk.engine.begin() as connection:
        connection.execute(sa.select(Mailbox.id).where(Mailbox.id == desk.mailbox.id).with_for_update())
        now: datetime = connection.execute(sa.select(sa.func.now())).scalar_one()
        history = due.histories(connection, [desk.mailbox.id]).get(desk.mailbox.id, due.History())
        slots = due.send_due(desk.mailbox, history, now=now, settings=desk.settings)
        if not slots:
            return None
        partner = _partner(connection, desk, now, slots[0])
        if partner is None:
            log.info(
                "%s: no pool mailbox may receive more today; add some or raise pool_daily_cap", desk.mailbox.address
            )
            desk.counts["without_partner"] += 1
            return None
        local_date = now.astimezone(desk.mailbox.zone).date()
        planned = due.volume_of(desk.mailbox, history.days, settings=desk.settings)
        ledger.open_day(connection, desk.mailbox.id, local_date, ramp=planned, planned=planned, lowered_by=None)
        token = ledger.new_token()
        letter = first_letter(seed=token, sender_name=name_of(desk.mailbox), recipient_name=name_of(partner))
        return ledger.claim(
            connection,
            token=token,
            sender_id=desk.mailbox.id,
            recipient_id=partner.id,
            local_date=local_date,
            slot=slots[0].number,
            due_at=slots[0].due_at,
            subject=letter.subject,
        )


def _partner(connection: sa.Connection, desk: Desk, now: datetime, slot: Slot) -> MailboxRecord | None:
    settings, mailbox = desk.settings, desk.mailbox
    full: set[int] = set()
    while True:
        candidates = [found for found in _candidates(connection, mailbox, now) if found.id not in full]
        chosen = choose(
            candidates,
            sender_domain=mailbox.domain,
            now=now,
            pool_daily_cap=settings.pool_daily_cap,
            pair_daily_cap=settings.pair_daily_cap,
            seed=f"{mailbox.address}:{slot.due_at.isoformat()}",
        )
        if chosen is None:
            return None
        connection.execute(sa.select(Mailbox.id).where(Mailbox.id == chosen.id).with_for_update())
        received = connection.scalar(
            sa.select(sa.func.count()).where(
                L.recipient_id == chosen.id, L.claimed_at > now - _DAY, L.parent_id.is_(None)
            )
        )
        if received is not None and received < settings.pool_daily_cap:
            row = connection.execute(repository.SELECT.where(Mailbox.id == chosen.id)).one()
            return repository.record(row)
        full.add(chosen.id)


def _candidates(connection: sa.Connection, mailbox: MailboxRecord, now: datetime) -> list[Candidate]:
    """Return every pool mailbox that works, with what it received; a day is the last 24 hours."""
    today = L.claimed_at > now - _DAY
    mine = L.sender_id == mailbox.id
    received = (
        sa.select(
            L.recipient_id,
            sa.func.count().filter(today).label("received_today"),
            sa.func.count().filter(today, mine).label("pair_today"),
            sa.func.max(L.claimed_at).filter(mine).label("last_pair_at"),
        )
        .where(L.parent_id.is_(None), L.claimed_at > now - 7 * _DAY)
        .group_by(L.recipient_id)
        .subquery()
    )
    query = (
        sa.select(Mailbox.id, Mailbox.address, received)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .outerjoin(received, received.c.recipient_id == Mailbox.id)
        .where(Mailbox.kind == MailboxKind.POOL, due.WORKS)
        .order_by(Mailbox.id)
    )
    return [
        Candidate(
            id=row.id,
            domain=row.address.rpartition("@")[2],
            received_today=row.received_today or 0,
            pair_today=row.pair_today or 0,
            last_pair_at=row.last_pair_at,
        )
        for row in connection.execute(query)
    ]


def _send_one(desk: Desk, entry: Entry, *, fresh: bool) -> None:
    with desk.engine.begin() as connection:
        recipient = repository.record(
            connection.execute(repository.SELECT.where(Mailbox.id == entry.recipient_id)).one()
        )
    letter = first_letter(seed=entry.token, sender_name=name_of(desk.mailbox), recipient_name=name_of(recipient))
    try:
        if deliver(desk, entry, letter, recipient, fresh=fresh):
            desk.counts["sent"] += 1
    except BadGmailRequestError as error:
        _fail(desk, entry, error.reason or "refused")
        log.warning("%s: Gmail refuses the mail of slot %s for good [%s]", desk.mailbox.address, entry.id, error.reason)
    except SendingLimitError:
        defer(desk, "sending_limit")
        raise


def _fail(desk: Desk, entry: Entry, failure: str) -> None:
    with desk.engine.begin() as connection:
        ledger.update(connection, entry.id, status=MailStatus.FAILED, failure=failure)
        ledger.tally(connection, entry, "failed")
    desk.counts["refused"] += 1


def defer(desk: Desk, reason: str) -> None:
    """Leave the mailbox alone until its next local day."""
    with desk.engine.begin() as connection:
        local = connection.execute(sa.select(sa.func.now())).scalar_one().astimezone(desk.mailbox.zone)
        tomorrow = (local + _DAY).replace(hour=0, minute=0, second=0, microsecond=0)
        connection.execute(
            sa.update(Mailbox)
            .where(Mailbox.id == desk.mailbox.id)
            .values(deferred_until=tomorrow, deferred_reason=reason)
        )


def name_of(mailbox: MailboxRecord) -> str:
    """Return the name for salutation and signature: the display name, else one made of the address."""
    return mailbox.display_name or mailbox.address.partition("@")[0].replace(".", " ").replace("_", " ").title()
