"""What must be true after every fault, on both sides: in the database, and at Google.

Each promise is one method here and nowhere else; every single thing that is compared counts as one check.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from bench.engine.reckoning import UNFINISHED
from chaos.faults import Fault
from gmail_sandbox.control.report_models import MailOut
from gmail_warmup.core.errors import CiphertextError
from gmail_warmup.crypto.cipher import build_secret_owner
from gmail_warmup.db.models import GrantEvent, GrantState, Mailbox, MailboxDay, MailStatus, OAuthGrant
from gmail_warmup.db.models import LedgerEntry as L
from support.mail_kit import HEADER
from support.world import World

_PAGE = 10_000


@dataclass
class Invariants:
    """Both sides, and the account of the fault that was injected.

    Attributes:
        tokens: the refresh token that must be stored, by address; what `remember` found, and each consent since.
        suspects: mailboxes about whose grants Google said something; every other one must never have been flagged.
        refused: mails that Gmail refused for good, or whose day was over, by the reason in the ledger.
    """

    fault: Fault
    world: World
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    suspects: set[str] = field(default_factory=set)
    refused: Collection[str] = ()
    _events: int | None = None

    def remember(self) -> None:
        """Keep what is true before a fault: the refresh token of each mailbox, and from where the history counts."""
        self.tokens = self.stored()
        if self._events is not None:
            return
        with self.world.store.engine.begin() as connection:
            self._events = connection.scalar(sa.select(sa.func.coalesce(sa.func.max(GrantEvent.id), 0))) or 0

    def check(self) -> None:
        """Look at everything, when what was struck has recovered and nothing runs."""
        self.no_mail_twice_and_none_lost()
        self.nothing_stuck()
        self.volume_kept()
        self.no_newer_grant_overwritten()
        self.nobody_flagged_for_nothing()
        self.no_lease_left()
        self.no_transaction_left()

    def no_mail_twice_and_none_lost(self) -> None:
        """Hold every mail at Google against its row in the ledger, and the other way round."""
        mails = self._mails()
        sent = Counter(mail.headers[HEADER] for mail in mails)
        answered = Counter(mail.headers["in-reply-to"] for mail in mails if "in-reply-to" in mail.headers)
        for what, counts in (("sent", sent), ("answered", answered)):
            twice = [f"a mail was {what} {count} times" for count in counts.values() if count > 1]
            self.fault.found(twice, checked=len(counts))
        with self.world.store.engine.begin() as connection:
            rows = connection.execute(sa.select(L.token, L.status, L.failure)).all()
        wrong = [self._wrong(row.status, row.failure, at_google=row.token in sent) for row in rows]
        self.fault.found(filter(None, wrong), checked=len(rows))
        unknown = sent.keys() - {row.token for row in rows}
        self.fault.check(not unknown, f"{len(unknown)} mails at Google are not in the ledger")

    def _wrong(self, status: str, failure: str | None, *, at_google: bool) -> str:
        if (status == MailStatus.SENT) != at_google:
            return f"a mail is {status} in the ledger and {'sent' if at_google else 'not there'} at Google"
        if status == MailStatus.FAILED and failure in self.refused:
            return ""
        return "" if status == MailStatus.SENT else f"a mail stopped as {status} [{failure}]"

    def nothing_stuck(self) -> None:
        """Find everything done that was due."""
        query = sa.select(L.id, UNFINISHED.label("unfinished")).where(L.status == MailStatus.SENT)
        with self.world.store.engine.begin() as connection:
            rows = connection.execute(query).all()
        self.fault.found((f"the mail {row.id} stopped on its way" for row in rows if row.unfinished), checked=len(rows))

    def volume_kept(self) -> None:
        """Find no day with more mails than planned, and counts that agree with the ledger."""
        counted = (
            sa.select(sa.func.count())
            .where(L.sender_id == MailboxDay.mailbox_id, L.local_date == MailboxDay.local_date, L.parent_id.is_(None))
            .where(L.status == MailStatus.SENT)
            .scalar_subquery()
        )
        query = sa.select(MailboxDay.planned, MailboxDay.sent, counted.label("counted"))
        with self.world.store.engine.begin() as connection:
            days = connection.execute(query).all()
        for day in days:
            self.fault.check(day.counted <= day.planned, f"{day.counted} mails on a day for {day.planned}")
            self.fault.check(day.counted == day.sent, f"{day.counted} mails on a day that counts {day.sent}")

    def no_newer_grant_overwritten(self) -> None:
        """Find the refresh token stored that came last, readable."""
        for address, token in self.stored().items():
            self.fault.check(token == self.tokens[address], f"{address}: another refresh token is stored")

    def nobody_flagged_for_nothing(self) -> None:
        """Find every grant active, and no flag in the history since; suspects must have been repaired."""
        states = sa.select(Mailbox.address, OAuthGrant.state).join(Mailbox, Mailbox.id == OAuthGrant.mailbox_id)
        history = (
            sa.select(Mailbox.address, GrantEvent.to_state, GrantEvent.reason)
            .join(Mailbox, Mailbox.id == GrantEvent.mailbox_id)
            .where(GrantEvent.id > self._events, GrantEvent.to_state != GrantState.ACTIVE)
            .where(GrantEvent.from_state.is_not(None))  # a mailbox begins without a grant
        )
        with self.world.store.engine.begin() as connection:
            grants, flags = connection.execute(states).all(), connection.execute(history).all()
        for grant in grants:
            self.fault.check(grant.state == GrantState.ACTIVE, f"{grant.address} is {grant.state} in the end")
        false = [
            f"{row.address} was {row.to_state} [{row.reason}]" for row in flags if row.address not in self.suspects
        ]
        self.fault.found(false, checked=len(grants))

    def no_lease_left(self) -> None:
        """Find no lease in force: who took one either gave it back, or is dead and its time is over."""
        with self.world.store.engine.begin() as connection:
            for table in (Mailbox, OAuthGrant):
                held = sa.func.count().filter(table.lease_until > sa.func.now())
                total, left = connection.execute(sa.select(sa.func.count(), held).select_from(table)).one()
                self.fault.found([f"{left} leases of {table.__tablename__} are left"] if left else [], checked=total)

    def no_transaction_left(self) -> None:
        """Find nobody waiting for a lock or standing in a transaction of the product."""
        query = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND (wait_event_type = 'Lock' OR state LIKE 'idle in transaction%') AND query ILIKE '%gmail_warmup.%'"
        )
        with self.world.store.engine.begin() as connection:
            left = connection.scalar(query)
        self.fault.check(left == 0, f"{left} transactions are left open")

    def next_run_clean(self, errors: Counter[str], done: Counter[str]) -> None:
        """Find that a further run met no error and nothing to do."""
        self.fault.check(not errors, f"the next run failed: {dict(errors)}")
        self.fault.check(not done, f"the next run found something left to do: {dict(done)}")

    def _mails(self) -> list[MailOut]:
        found: list[MailOut] = []
        while page := self.world.sandbox.mails(after=len(found), limit=_PAGE):
            found += page
        return [mail for mail in found if HEADER in mail.headers]

    def stored(self) -> dict[str, str]:
        """Return the refresh token of each mailbox; empty where there is none that can be read."""
        query = sa.select(Mailbox.id, Mailbox.address, OAuthGrant.refresh_token).join(
            OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id
        )
        with self.world.store.engine.begin() as connection:
            rows = connection.execute(query).all()
        return {row.address: self._read(row.id, row.refresh_token or "") for row in rows}

    def _read(self, mailbox_id: int, ciphertext: str) -> str:
        try:
            return self.world.store.cipher.decrypt(build_secret_owner(mailbox_id), ciphertext)
        except CiphertextError:
            return ""
