"""Format the report of an audit as text, for the log of the task, the daily alert and the command line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from gmail_warmup.audit.report import MAX_LISTED_FLAGGED, AuditReport, FlaggedMailbox
from gmail_warmup.core.text import pluralize
from gmail_warmup.oauth.reasons import REASONS

_PAGE_NAME = "the page 'Gmail accounts'"
_LINE_LENGTH = 120
_COUNT_LABELS = {
    "valid": "valid",
    "refreshed": "refreshed",
    "needs_reauth": "need re-authentication",
    "blocked": "blocked by an administrator",
    "suspect": "suspect",
    "deleted": "deleted",
    "disabled": "disabled",
    "expiring": "expire soon",
    "not_reached": "not reached",
}


def format_headline(report: AuditReport) -> str:
    """Return the most important fact of a report in one phrase."""
    if report.app_error:
        return "the OAuth client is refused"
    if flagged := report.flagged_count:
        verb = "needs" if report.mailboxes == 1 else "need"
        return f"{flagged} of {pluralize(report.mailboxes, 'mailbox')} {verb} a person"
    return f"{pluralize(report.mailboxes, 'mailbox')}, nobody needs a person"


def format_report(
    report: AuditReport, *, max_items: int = MAX_LISTED_FLAGGED, max_addresses: int = MAX_LISTED_FLAGGED
) -> list[str]:
    """Return the lines of a report: the counts, then one section per subject that has something to report.

    Args:
        max_items: maximum number of lines in a list; the others are counted.
        max_addresses: maximum number of addresses per reason; the others are counted.
    """
    expiring = [f"{grant.address}, {_format_time(grant.ends_at)}" for grant in report.expiring_list]
    clients = [
        f"{client.conn_id}: {pluralize(client.mailboxes, 'mailbox')}, {client.flagged} flagged"
        for client in report.clients
    ]
    unknown = [f"{response}: {pluralize(count, 'time')}" for response, count in sorted(report.unknown.items())]
    return [
        _format_counts(report),
        *_format_client_error(report),
        *_format_list("Open incidents", report.incidents, max_items),
        *_format_flagged(report, max_addresses),
        *_format_list("OAuth clients", clients, max_items),
        *_format_list("Grants that expire soon", expiring, max_items, total=report.expiring),
        *_format_list("Unknown responses from Google", unknown, max_items),
        *_format_list("Advice", report.advice, max_items),
    ]


def _format_counts(report: AuditReport) -> str:
    counts = [f"{count} {label}" for name, label in _COUNT_LABELS.items() if (count := getattr(report, name))]
    return f"{pluralize(report.mailboxes, 'mailbox')}: {', '.join(counts) or 'nothing to report'}."


def _format_client_error(report: AuditReport) -> list[str]:
    if report.app_error is None or report.incidents:  # the incident says the same
        return []
    reason = REASONS.look_up(report.app_error, "invalid_client")
    text = f"The OAuth client is refused; no account is affected: {reason.message} {reason.remedy} [{reason.code}]"
    return ["", text]


def _format_flagged(report: AuditReport, max_addresses: int) -> list[str]:
    total = max(report.flagged_count, len(report.attention))
    if not total:
        return []
    lines = ["", f"{pluralize(total, 'mailbox')} {'needs' if total == 1 else 'need'} a person:"]
    for text, mailboxes in _group_by_reason(report.attention):
        lines += [f"- {len(mailboxes)}: {text}", *_format_addresses(mailboxes, max_addresses)]
    if total > len(report.attention):
        lines.append(f"- {total - len(report.attention)} more are on {_PAGE_NAME}")
    return lines


def _group_by_reason(mailboxes: Iterable[FlaggedMailbox]) -> list[tuple[str, list[FlaggedMailbox]]]:
    groups: dict[str, list[FlaggedMailbox]] = {}
    for mailbox in mailboxes:
        groups.setdefault(f"{mailbox.reason} {mailbox.step}", []).append(mailbox)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


def _format_addresses(mailboxes: Iterable[FlaggedMailbox], max_addresses: int) -> list[str]:
    addresses = sorted(mailbox.address for mailbox in mailboxes)
    rest = len(addresses) - max_addresses
    text = ", ".join(addresses[:max_addresses]) + (f" and {rest} more" if rest > 0 else "")
    indent = "    "
    return textwrap.wrap(
        text, _LINE_LENGTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _format_list(heading: str, items: Sequence[str], max_items: int, *, total: int = 0) -> list[str]:
    if not items:
        return []
    rest = max(total, len(items)) - len(items[:max_items])
    more = [f"- and {rest} more"] if rest > 0 else []
    return ["", f"{heading}:", *(f"- {item}" for item in items[:max_items]), *more]


def _format_time(value: str) -> str:
    return datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
