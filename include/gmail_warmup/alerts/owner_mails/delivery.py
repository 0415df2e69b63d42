"""Send the mails to owners that are due: each at least once, and one owner after the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from gmail_warmup.alerts.outbox import MAX_CONSECUTIVE_FAILURES, SendCounts
from gmail_warmup.alerts.owner_mails import digest
from gmail_warmup.alerts.owner_mails.digest import Digest, DigestItem
from gmail_warmup.alerts.owner_mails.template import OwnerMailTemplate
from gmail_warmup.core.errors import GmailWarmupError, describe_safely
from gmail_warmup.core.text import pluralize
from gmail_warmup.core.urls import SiteUrls
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.rows import WRITE_ERRORS
from gmail_warmup.oauth.reasons import REASONS

log = logging.getLogger(__name__)

MAX_SECONDS = 120
"""Seconds after which no further mail is begun in this run."""


def send_due_mails(engine: sa.Engine, build_mailer: Callable[[], OwnerMailer]) -> SendCounts:
    """Send the mails that are due.

    Args:
        build_mailer: called only if there are any; its error is raised.
    """
    with read_transaction(engine) as connection:
        owners = digest.list_due_owners(connection)
    return build_mailer().send_to(engine, owners) if owners else SendCounts()


@dataclass(frozen=True, kw_only=True)
class OwnerMessage:
    """A mail to an owner. Its text contains links, so it is neither stored nor logged."""

    owner: str
    subject: str
    text: str


@dataclass(frozen=True, kw_only=True)
class OwnerMailer:
    """Writes and sends mails to owners.

    Attributes:
        send: sends one mail; raises if it was not accepted.
    """

    send: Callable[[OwnerMessage], None]
    template: OwnerMailTemplate
    urls: SiteUrls
    invite_days: int

    def send_to(self, engine: sa.Engine, owners: Sequence[str]) -> SendCounts:
        """Send these owners the mails that are due; a failed one is tried again in a later run, and stops no other one.

        Processes may do this concurrently: each mail is claimed by one of them.
        """
        sent = failed = in_a_row = 0
        ends_at = time.monotonic() + MAX_SECONDS
        for owner in owners:
            if in_a_row >= MAX_CONSECUTIVE_FAILURES or time.monotonic() > ends_at:
                break
            try:
                is_sent = self._send_to(engine, owner)
            except (GmailWarmupError, *WRITE_ERRORS) as error:  # says nothing about the mail server
                log.error("%s gets no mail in this run: %s", owner, describe_safely(error))
                failed += 1
                continue
            if is_sent is not None:
                sent, failed = sent + is_sent, failed + (not is_sent)
                in_a_row = 0 if is_sent else in_a_row + 1
        return SendCounts(sent=sent, failed=failed)

    def _send_to(self, engine: sa.Engine, owner: str) -> bool | None:
        """Send the mail to one owner; return whether it was sent, or None if none may be sent now."""
        with write_transaction(engine) as connection:
            claimed = digest.claim_digest(connection, owner, invite_days=self.invite_days)
        if claimed is None:
            return None
        addresses = ", ".join(item.address for item in claimed.items)
        try:
            self.send(self._write(claimed))
        except Exception as error:
            why = describe_safely(error)
            log.warning("The mail to %s about %s was not sent, and is tried again later: %s", owner, addresses, why)
            with write_transaction(engine) as connection:
                digest.revoke_links(connection, claimed)
            return False
        with write_transaction(engine) as connection:
            digest.record_sent(connection, claimed)
        log.info("Mailed %s the links to sign in again with %s", owner, addresses)
        return True

    def _write(self, claimed: Digest) -> OwnerMessage:
        values = {
            "mailboxes": pluralize(len(claimed.items), "mailbox"),
            "links": "\n\n".join(map(self._describe, claimed.items)),
            "days": str(self.invite_days),
        }
        subject, text = self.template.render(values)
        return OwnerMessage(owner=claimed.owner, subject=subject, text=text)

    def _describe(self, item: DigestItem) -> str:
        reason = REASONS.get(item.reason or "")
        lines = [item.address, reason.message if reason else "", self.urls.invite_url(item.token)]
        return "\n".join(line for line in lines if line)
