"""Render alerts as text: deterministic, of bounded length, with addresses but no secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from gmail_warmup.audit.report import AuditReport
from gmail_warmup.audit.report_text import format_headline, format_report
from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.core.text import pluralize
from gmail_warmup.oauth.reasons import REASONS

T = TypeVar("T")

MAX_BODY_LENGTH = 4000
"""Maximum characters of a body: most chat services accept this as one message."""
MAX_ADDRESSES, MAX_ADDRESSES_LENGTH, MAX_DOMAINS = 10, 320, 10
"""How many addresses per domain (and their total length) and how many domains are named; the rest is counted."""

MAX_LIST_ITEMS = 20
"""Maximum lines of a list in the daily report."""

PAGE_NAME = "the page 'Gmail accounts'"
_TRUNCATION_NOTE = f"\n... truncated; see {PAGE_NAME} for all."

BURST_SIZE, BURST_WINDOW = 3, timedelta(minutes=10)
_PASSWORD_RESET_REASONS = frozenset({"expired_or_revoked", "grant_refused_twice"})
"""Reasons after a password change, or after an administrator removed the app's access."""
_BURST_NOTE = "    All within 10 minutes: probably a forced password reset or an administrator's action (a guess)."


@dataclass(frozen=True, kw_only=True)
class AlertMessage:
    """The title and body of an alert."""

    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class GrantChange:
    """A mailbox that was flagged or has recovered."""

    address: str
    at: datetime
    reason: str | None
    """The reason code; meaningless for a mailbox that recovered."""
    worked_recently: bool = True
    """Whether it worked shortly before, so that ``at`` is close to the time of the refusal."""

    @property
    def domain(self) -> str:
        """Return the domain of the address."""
        return self.address.rpartition("@")[2]


def render_changes(down: Sequence[GrantChange], up: Sequence[GrantChange]) -> AlertMessage:
    """Return the alert about mailboxes that were flagged (``down``) or have recovered (``up``)."""
    times = [change.at for change in (*down, *up)]
    lines = [f"Detected {format_time_span(min(times), max(times))}."]
    lines += list_causes(down)
    if up:
        lines += ["", f"{pluralize(len(up), 'mailbox works', 'mailboxes work')} again:", *_list_domains(up)]
    return AlertMessage(title=_build_title(len(down), len(up)), body=render_body(lines))


def _build_title(down: int, up: int) -> str:
    if not down:
        return f"{pluralize(up, 'Gmail mailbox')} recovered"
    need = pluralize(down, "Gmail mailbox needs a person", "Gmail mailboxes need a person")
    return f"{need}, {up} recovered" if up else need


def list_causes(down: Iterable[GrantChange]) -> list[str]:
    """Return lines about mailboxes that need a person, grouped by cause and domain, the most frequent first."""
    lines: list[str] = []
    by_cause = group_by_key(down, lambda change: change.reason or "")
    named = max(2, MAX_DOMAINS // max(1, len(by_cause)))  # a long list of the first cause leaves room for the others
    for code, group in by_cause:
        lines += ["", f"{pluralize(len(group), 'mailbox')}: {explain_reason(code)}"]
        lines.append(remedy_line(remedy_for(code)))
        lines += _list_domains(group, named=named, guess=code in _PASSWORD_RESET_REASONS)
    return lines


def _list_domains(group: Iterable[GrantChange], *, named: int = MAX_DOMAINS, guess: bool = False) -> list[str]:
    by_domain = group_by_key(group, lambda change: change.domain)
    lines = []
    for domain, members in by_domain[:named]:
        lines.append(f"- {domain}, {len(members)}: {join_addresses([member.address for member in members])}")
        if (
            guess
            and domain not in CONSUMER_DOMAINS  # no administrator: these mailboxes have nothing in common
            and _has_burst([member.at for member in members if member.worked_recently])
        ):
            lines.append(_BURST_NOTE)
    if rest := by_domain[named:]:
        mailboxes = sum(len(members) for _, members in rest)
        lines.append(
            f"- and {pluralize(len(rest), 'more domain')} with {pluralize(mailboxes, 'mailbox')}, on {PAGE_NAME}"
        )
    return lines


def _has_burst(times: list[datetime]) -> bool:
    ordered = sorted(times)
    pairs = zip(ordered, ordered[BURST_SIZE - 1 :], strict=False)
    return any(last - first <= BURST_WINDOW for first, last in pairs)


def render_digest(report: AuditReport, *, key: str) -> AlertMessage:
    """Return the daily message with the report of an audit.

    Args:
        key: identifies the audit; ends the body.
    """
    lines = format_report(report, max_items=MAX_LIST_ITEMS, max_addresses=MAX_ADDRESSES)
    return AlertMessage(title=f"Gmail grants: {format_headline(report)}", body=render_body(lines) + render_footer(key))


def render_footer(key: str) -> str:
    """Return the last line of a report; an existing report is found by it."""
    return f"\n\nAudit: {key}"


def explain_reason(code: str) -> str:
    """Return the message of a reason, with its code."""
    return f"{REASONS[code].message} [{code}]" if code in REASONS else f"Unknown reason. [{code}]"


def remedy_for(code: str) -> str:
    """Return the remedy of a reason."""
    return REASONS[code].remedy if code in REASONS else f"See {PAGE_NAME}."


def remedy_line(remedy: str) -> str:
    """Return a remedy as a line of an alert."""
    return remedy if remedy.startswith(("No action", "Nothing")) else f"To do: {remedy}"


def group_by_key(items: Iterable[T], key: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    """Group items by key; the largest group first, then in the order of the keys."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


def join_addresses(addresses: Iterable[str]) -> str:
    """Return the first addresses in alphabetical order and the number of the others."""
    ordered = sorted(addresses)
    named = ordered[:MAX_ADDRESSES]
    while len(named) > 1 and len(", ".join(named)) > MAX_ADDRESSES_LENGTH:
        named.pop()
    rest = len(ordered) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest else "")


def format_time(at: datetime) -> str:
    """Return a time in UTC, because the readers of an alert may be in several time zones."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def format_time_span(first: datetime, last: datetime) -> str:
    """Return a time span, or one time if both ends are in the same minute."""
    return (
        format_time(first)
        if format_time(first) == format_time(last)
        else f"{format_time(first)} to {format_time(last)}"
    )


def render_body(lines: Sequence[str]) -> str:
    """Join lines; cut a body that is too long after a whole line, and add a note."""
    body = "\n".join(lines)
    if len(body) <= MAX_BODY_LENGTH:
        return body
    room = MAX_BODY_LENGTH - len(_TRUNCATION_NOTE)
    end = body.rfind("\n", 0, room)
    return body[: end if end > 0 else room] + _TRUNCATION_NOTE
