"""The counts of first mails per mailbox and local day, and their percentages.

They are read from ``mailbox_day``, which is updated in the same transactions as the ledger. So the cost of statistics
does not depend on the size of the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import MailboxDay

DEFAULT_DAYS = 30
"""Local days over which totals are summed by default, including today."""


@dataclass(frozen=True, kw_only=True)
class MailCounts:
    """The outcomes of first mails.

    Attributes:
        elsewhere: mails placed neither in the inbox nor in spam.
        rejected: bounced mails that were rejected as spam or by policy.
        read: mails that the recipient opened.
    """

    sent: int = 0
    failed: int = 0
    inbox: int = 0
    spam: int = 0
    elsewhere: int = 0
    missing: int = 0
    bounced: int = 0
    rejected: int = 0
    rescued: int = 0
    read: int = 0
    replied: int = 0

    @property
    def placed(self) -> int:
        """Return the number of mails that were found at their recipients."""
        return self.inbox + self.spam + self.elsewhere

    @property
    def open_percent(self) -> float | None:
        """Return the percentage of placed mails that were opened; None without placed mails."""
        return compute_percent(self.read, self.placed)

    @property
    def reply_percent(self) -> float | None:
        """Return the percentage of placed mails that were answered; None without placed mails."""
        return compute_percent(self.replied, self.placed)

    @property
    def spam_percent(self) -> float | None:
        """Return the percentage of placed mails that were in spam; None without placed mails."""
        return compute_percent(self.spam, self.placed)


def compute_percent(part: int, whole: int) -> float | None:
    """Return a share in per cent with one decimal place; None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def count_known_placements(counts: Mapping[str, int]) -> int:
    """Return the number of mails that were found or are missing, of counts by name."""
    return sum(counts[name] for name in ("inbox", "elsewhere", "spam", "missing"))


def compute_placement_percent(counts: Mapping[str, int], name: str) -> float | None:
    """Return a count in per cent of the mails that were found or are missing; None without any."""
    return compute_percent(counts[name], count_known_placements(counts))


COUNT_NAMES = tuple(field.name for field in fields(MailCounts))
"""The columns of ``mailbox_day`` that are summed."""


def build_sum_columns(condition: sa.ColumnElement[bool] | None = None) -> list[sa.Label[Any]]:
    """Return the sums of all counts, labelled by their names, over the rows that meet a condition."""
    sums = {name: sa.func.sum(getattr(MailboxDay, name)) for name in COUNT_NAMES}
    return [
        sa.func.coalesce(total if condition is None else total.filter(condition), 0).label(name)
        for name, total in sums.items()
    ]


def to_mail_counts(row: Any) -> MailCounts:
    """Return the counts of a row that has the columns of ``build_sum_columns``."""
    return MailCounts(**{name: int(getattr(row, name)) for name in COUNT_NAMES})


def is_in_last_days(days: int, today: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that a row of ``mailbox_day`` is of the last local days, including today.

    Args:
        today: the local day of the mailbox.
    """
    # The second condition uses the index on the date: a local date differs from the UTC date by one day at most.
    return sa.and_(
        MailboxDay.local_date > today - days,
        MailboxDay.local_date > sa.cast(sa.func.now(), sa.Date) - days - 1,
    )
