"""``gmail-warmup stats``: mail statistics of one mailbox or all."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.output import JsonOption, get_services, print_json, print_pairs, print_table, report_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gmail_warmup.warmup.reporting.counts import MailCounts
    from gmail_warmup.warmup.reporting.mailbox_statistics import MailboxStatistics
    from gmail_warmup.warmup.reporting.totals import DayCounts, TotalStatistics


def show_stats(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="Address of a warmup mailbox. Default: all of them.")] = "",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Number of local days, including today.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Show mail statistics by local day, with ramp, health band and score."""
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.mailboxes import repository
    from gmail_warmup.warmup.reporting import mailbox_statistics, totals

    found: MailboxStatistics | TotalStatistics
    with report_errors():
        services = get_services(context)
        with read_transaction(services.engine) as connection:
            if address:
                found = mailbox_statistics.load_mailbox_statistics(connection, address, services.settings, days=days)
                mailbox_id = repository.get_mailbox(connection, address).id
                by_day = totals.load_daily_counts(connection, mailbox_id=mailbox_id, days=days)
            else:
                by_day = totals.load_daily_counts(connection, days=days)
                found = totals.load_total_statistics(connection, by_day=by_day)
    if as_json:
        print_json(asdict(found) | {"days": [asdict(day) for day in by_day]})
        return
    print_pairs(_total_pairs(found) if isinstance(found, totals.TotalStatistics) else _mailbox_pairs(found))
    if by_day:
        typer.echo()
        _print_days(by_day)


def _mailbox_pairs(found: MailboxStatistics) -> list[tuple[str, Any]]:
    from gmail_warmup.warmup.health.reasons import WARMUP_REASONS

    today = found.today
    lowered = WARMUP_REASONS.get(today.lowered_by or "")
    reason = WARMUP_REASONS.get(found.band_reason or "")
    pairs: list[tuple[str, Any]] = [
        ("mailbox", found.address),
        ("ramp", f"{found.phase}; {found.progress} % of full volume"),
        ("today", f"{today.sent} sent, {today.pending} pending; the ramp allows {today.ramp}"),
        ("reduced because", lowered.message if lowered else None),
        ("health", found.band.value),
        ("reason", reason.message if reason else None),
        ("remedy", reason.remedy_for(found.address) if reason else None),
        (
            "score",
            found.score
            if found.score is not None
            else f"none yet: {found.sample.placed} of the required 20 mails placed",
        ),
    ]
    return [pair for pair in pairs if pair[1] is not None] + _count_pairs(found.counts)


def _total_pairs(found: TotalStatistics) -> list[tuple[str, Any]]:
    bands = ", ".join(f"{count} {band.value}" for band, count in sorted(found.bands.items()))
    return [
        ("warmup mailboxes", f"{found.mailboxes}: {bands}" if bands else "0"),
        ("today", f"{found.sent_today} sent of {found.planned_today} planned so far"),
        *_count_pairs(found.counts),
    ]


def _count_pairs(counts: MailCounts) -> list[tuple[str, Any]]:
    def format_share(percent: float | None) -> str:
        return "" if percent is None else f" ({percent} %)"

    return [
        ("sent", counts.sent),
        ("opened", f"{counts.read}{format_share(counts.open_percent)}"),
        ("replied", f"{counts.replied}{format_share(counts.reply_percent)}"),
        ("spam", f"{counts.spam}{format_share(counts.spam_percent)}, {counts.rescued} rescued"),
        ("missing", counts.missing),
        ("bounced", f"{counts.bounced}, {counts.rejected} of them rejected as spam or by policy"),
    ]


def _print_days(by_day: Sequence[DayCounts]) -> None:
    titles = ("day", "ramp", "planned", "sent", "opened", "replied", "spam", "rescued", "missing", "reduced because")
    rows = [
        (day.local_date, day.ramp, day.planned, day.counts.sent, day.counts.read, day.counts.replied, day.counts.spam,
         day.counts.rescued, day.counts.missing, day.lowered_by)
        for day in by_day
    ]  # fmt: skip
    print_table(titles, rows, fold="reduced because")
