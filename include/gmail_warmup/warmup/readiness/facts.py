"""Load what the readiness of warmup mailboxes follows from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.enums import AuthenticationMethod, HealthBand, MailboxKind
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import DomainDay, Mailbox
from gmail_warmup.domains.authentication import ALERTED_AFTER, load_domain_reports
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions.sending_limit import get_daily_limit
from gmail_warmup.warmup.health.bands import HEALTH_WINDOW
from gmail_warmup.warmup.health.failures import load_failures
from gmail_warmup.warmup.planning.eligibility import GlobalBlockers, find_send_blocker, load_blockers
from gmail_warmup.warmup.planning.schedules import resolve_schedule
from gmail_warmup.warmup.readiness.rules import RECENT_DAYS, DomainSample, ReadinessFacts
from gmail_warmup.warmup.reporting.mailbox_statistics import MailboxStatistics, load_page_statistics

_SELECT_WARMUP = repository.SELECT_MAILBOXES.where(
    Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))), Mailbox.kind == MailboxKind.WARMUP
).order_by(Mailbox.address)
_SAMPLE_NAMES = tuple(field.name for field in fields(DomainSample))


def load_warmup_mailboxes(connection: sa.Connection, mailbox_ids: Collection[int]) -> list[MailboxRecord]:
    """Return the warmup mailboxes among some mailboxes, ordered by address."""
    return [repository.to_record(row) for row in connection.execute(_SELECT_WARMUP, {"ids": list(mailbox_ids)})]


@dataclass(frozen=True, kw_only=True)
class FactLoader:
    """Load the facts of mailboxes, a batch at a time.

    Attributes:
        blockers: the blockers that apply to many mailboxes, and the database's time.
        domains: the placements of each domain.
        unauthenticated: the domains whose mail Google does not authenticate.
    """

    settings: Settings
    blockers: GlobalBlockers
    domains: Mapping[str, DomainSample]
    unauthenticated: frozenset[str]

    @classmethod
    def prepare(
        cls, connection: sa.Connection, settings: Settings, domains: Collection[str] | None = None
    ) -> FactLoader:
        """Load what many mailboxes share.

        Args:
            domains: the domains of the mailboxes; None for all.
        """
        return cls(
            settings=settings,
            blockers=load_blockers(connection),
            domains=_load_domain_samples(connection, domains),
            unauthenticated=_load_unauthenticated(connection),
        )

    def load_facts(
        self, connection: sa.Connection, records: Sequence[MailboxRecord]
    ) -> Iterator[tuple[MailboxRecord, ReadinessFacts]]:
        """Yield warmup mailboxes in the same order, each with its facts.

        One with a stored value that breaks a rule has no statistics: nothing is sent from it until it is corrected.
        """
        statistics = load_page_statistics(connection, [record.id for record in records], self.settings, days=7)
        failing = load_failures(connection, [record.id for record in records])
        not_working = {mailbox_id for mailbox_id, period in failing.items() if period.is_not_working}
        for record in records:
            if record.id in statistics:
                yield record, self._build_facts(record, statistics[record.id], record.id in not_working)
            elif record.invalid:
                yield record, ReadinessFacts(blocker=find_send_blocker(record, self.blockers))

    def _build_facts(
        self, record: MailboxRecord, statistics: MailboxStatistics, is_not_working: bool
    ) -> ReadinessFacts:
        ramp = resolve_schedule(record, self.settings).ramp
        return ReadinessFacts(
            blocker=find_send_blocker(record, self.blockers),
            is_interrupted=self._is_interrupted(record),
            is_not_working=is_not_working,
            band=HealthBand(record.band),
            band_reason=record.band_reason,
            requalifies=statistics.requalifies,
            domain=self.domains.get(record.domain, DomainSample()),
            is_unauthenticated=record.domain in self.unauthenticated,
            ramp_is_complete=statistics.warmup_day > ramp.count_ramp_days(record.daily_target),
            placed=statistics.sample.placed,
            planned=statistics.today.planned,
            daily_limit=get_daily_limit(record, self.settings),
        )

    def _is_interrupted(self, record: MailboxRecord) -> bool:
        """Return whether nothing is sent because of the kill switch or a limit, although the mailbox could send."""
        if not record.is_usable:
            return False
        waits = [moment for moment in (record.deferred_until, record.gmail_retry_at) if moment is not None]
        return self.blockers.active_halt is not None or any(moment > self.blockers.now for moment in waits)


def _load_domain_samples(connection: sa.Connection, domains: Collection[str] | None) -> dict[str, DomainSample]:
    """Return the placements of domains; the days are those of UTC, since a domain has mailboxes in several zones."""
    rows = connection.execute(_SELECT_SAMPLES, {"domains": None if domains is None else list(domains)})
    return {row.domain: DomainSample(**{name: int(row._mapping[name]) for name in _SAMPLE_NAMES}) for row in rows}


def _build_sample_query() -> sa.Select[Any]:
    """Return the query of the placements of the parameter ``domains``; NULL for all."""
    today = sa.cast(sa.func.now(), sa.Date)
    is_recent = DomainDay.local_date > today - RECENT_DAYS
    placed = sa.func.sum(DomainDay.inbox + DomainDay.spam + DomainDay.elsewhere)
    sums = {
        "placed": placed,
        "spam": sa.func.sum(DomainDay.spam),
        "recent_placed": placed.filter(is_recent),
        "recent_spam": sa.func.sum(DomainDay.spam).filter(is_recent),
    }
    chosen = sa.bindparam("domains", type_=ARRAY(sa.Text))
    columns: list[Any] = [sa.func.coalesce(sums[name], 0).label(name) for name in _SAMPLE_NAMES]
    return (
        sa.select(DomainDay.domain, *columns)
        .where(DomainDay.local_date > today - HEALTH_WINDOW.days, DomainDay.domain.is_not(None))
        .where(sa.or_(chosen.is_(None), DomainDay.domain == sa.any_(chosen)))
        .group_by(DomainDay.domain)
    )


_SELECT_SAMPLES = _build_sample_query()


def _load_unauthenticated(connection: sa.Connection) -> frozenset[str]:
    reports = load_domain_reports(connection)
    return frozenset(
        domain
        for domain, found in reports.items()
        if any(report.method is AuthenticationMethod.DMARC and report.failures >= ALERTED_AFTER for report in found)
    )
