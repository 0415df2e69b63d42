"""Claim from many processes at a time, without the mailbox lease, which would admit only one of them."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.errors import VolumeReachedError
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.engine import make_engine
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.actions.claim import claim_next_slot
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.content.generators import MailWriter, build_template_generator
from gmail_warmup.warmup.ledger import entries as ledger


class Keyless(MailboxSession):
    """A session without a lease."""

    def extend_lease_in(self, connection: sa.Connection) -> None:
        """Lock the row as the real one does."""
        connection.execute(
            sa.text("UPDATE gmail_warmup.mailbox SET lease_until = now() WHERE id = :id"), {"id": self.mailbox.id}
        )


def rush(work: Callable[..., Counter[str]], jobs: Sequence[tuple[Any, ...]]) -> Counter[str]:
    """Run the jobs concurrently, each in its own process; return the sum of their counts."""
    with multiprocessing.get_context("spawn").Pool(len(jobs)) as pool:
        counted: Counter[str] = Counter()
        for one in pool.starmap(work, jobs, chunksize=1):
            counted.update(one)
        return counted


def claim_all(url: str, addresses: Sequence[str], settings: Settings) -> Counter[str]:
    """Claim with the package's code until nothing is due, in one mailbox after another."""
    engine, counted = make_engine(url), Counter[str]()
    for address in addresses:
        with engine.begin() as connection:
            mailbox = repository.get_mailbox(connection, address)
        session = Keyless(
            engine=engine, settings=settings, gmail=None, mailbox=mailbox,  # type: ignore[arg-type]
            writer=MailWriter(build_template_generator(settings)), holder="",
        )  # fmt: skip
        while claim_next_slot(session) is not None:
            counted[address] += 1
        counted.update(session.counts)
    return counted


def insert_blindly(url: str, sender_id: int, recipient_id: int, slots: Sequence[int]) -> Counter[str]:
    """Claim slots without regard to volume, locks or plan."""
    engine, counted = make_engine(url), Counter[str]()
    for slot in slots:
        try:
            with engine.begin() as connection:
                today = connection.scalar(sa.text("SELECT (now() AT TIME ZONE 'UTC')::date"))
                entry = ledger.claim_entry(
                    connection, token=ledger.generate_token(), sender_id=sender_id, recipient_id=recipient_id,
                    local_date=today, slot=slot, due_at=datetime.now(UTC), subject="Notes",
                )  # fmt: skip
            counted["claimed" if entry else "taken"] += 1
        except VolumeReachedError:
            counted["refused"] += 1
    return counted
