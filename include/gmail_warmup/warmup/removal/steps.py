"""The steps of a removal at Google: move the warmup mail to the trash, and revoke the grant.

Each returns the outcome to record, or raises an error after which it is tried again. Both may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from gmail_warmup.core.errors import CiphertextError, GmailWarmupError
from gmail_warmup.db.engine import autocommit, read_transaction
from gmail_warmup.db.models import LEDGER_HISTORY, MailboxAuth, MailboxRemoval, MailStatus
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.mailboxes import removals
from gmail_warmup.mailboxes.removals import DONE, Removal
from gmail_warmup.oauth.leases import GrantLeases
from gmail_warmup.oauth.revocation.request import revoke_token
from gmail_warmup.warmup.ledger.retention import TRASH_BATCH_SIZE
from gmail_warmup.warmup.removal.tools import RemovalTools

NO_GRANT = "no_grant"
TIME_IS_UP, DATABASE_REFUSED = "time_is_up", "database_refused"
"""Reason codes of a removal that waits."""


class RemovalWaitsError(GmailWarmupError):
    """A step of a removal cannot be done now; it is tried again.

    Attributes:
        reason: the reason code.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"The removal waits [{reason}]")
        self.reason = reason

    @property
    def is_busy(self) -> bool:
        """Return whether it waits for a task, which ends within seconds or minutes."""
        return self.reason.endswith("_busy")

    @property
    def is_refusal(self) -> bool:
        """Return whether Google did not do what was asked."""
        return not self.is_busy and self.reason != TIME_IS_UP


def trash_mail(tools: RemovalTools, removal: Removal, *, keep_lease: Callable[[], None]) -> str:
    """Move the warmup mail of a mailbox to the trash, batch by batch, from where an earlier call ended.

    Only messages whose ids were recorded when they were identified are moved, and drafts that were not sent.

    Raises:
        GmailError: by cause; the batches before it are recorded.
        GrantError: by cause.
    """
    assert removal.address is not None
    gmail, until = tools.open_gmail(removal.address), removal.trashed_until
    while True:
        with read_transaction(tools.engine) as connection:
            batch = _find_batch(connection, removal.mailbox_id, until)
        if not batch:
            return DONE
        keep_lease()
        messages = _trash_batch(gmail, batch)
        until = batch[-1].id
        with autocommit(tools.engine) as connection:
            count = MailboxRemoval.trashed + messages
            removals.store_progress(connection, removal.id, trashed=count, trashed_until=until)


def _trash_batch(gmail: GmailClient, batch: list[sa.Row[tuple[object, ...]]]) -> int:
    """Move the messages of these mails to the trash and delete their drafts; return the number of messages."""
    ids = [message_id for row in batch for message_id in (row.message_id, *row.notice_ids[:3]) if message_id]
    if ids:
        gmail.trash_messages(ids)
    for row in batch:
        if row.status == MailStatus.DRAFTED and row.draft_id:
            gmail.delete_draft(row.draft_id)
    return len(ids)


def _find_batch(connection: sa.Connection, mailbox_id: int, after: int) -> list[sa.Row[tuple[object, ...]]]:
    """Return the next mails of a mailbox, oldest first; they stay in this order when they move to the history."""
    queries = [
        query
        for table in (L.__table__, LEDGER_HISTORY)
        for query in (
            sa.select(table.c.id, table.c.gmail_id.label("message_id"), table.c.notice_ids, table.c.status,
                      table.c.draft_id).where(table.c.sender_id == mailbox_id),
            sa.select(table.c.id, table.c.recipient_gmail_id, sa.cast([], table.c.notice_ids.type), sa.literal(""),
                      sa.null()).where(table.c.recipient_id == mailbox_id),
        )
    ]  # fmt: skip
    mails = sa.union_all(*queries).subquery()
    return list(
        connection.execute(sa.select(mails).where(mails.c.id > after).order_by(mails.c.id).limit(TRASH_BATCH_SIZE))
    )


def revoke_grant(tools: RemovalTools, removal: Removal) -> str:
    """Revoke the grant of a mailbox at Google.

    Raises:
        RemovalWaitsError: another process refreshes the grant, or the endpoint did not confirm it.
        ConfigurationError: the OAuth client cannot be loaded.
    """
    grants = GrantLeases(tools.engine, seconds=tools.settings.refresh_lease)
    leased = grants.take([removal.mailbox_id])
    if not leased:
        raise RemovalWaitsError("grant_busy")
    try:
        ciphertext = leased[0].refresh_token
        if leased[0].auth is MailboxAuth.DELEGATED or ciphertext is None:
            return NO_GRANT
        try:
            token = tools.store.cipher.decrypt(leased[0].secret_owner, ciphertext)
        except CiphertextError:
            return "undecryptable"
        reason = revoke_token(tools.open_endpoint(leased[0].client_conn_id), token)
        if reason.code != "ok":
            raise RemovalWaitsError(reason.code)
        return DONE
    finally:
        grants.release([removal.mailbox_id])
