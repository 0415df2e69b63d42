"""The wording of alerts: the same facts give the same text, of bounded length, with addresses but never a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from gmail_warmup.oauth.reasons import REASONS

T = TypeVar("T")

MAX_BODY_LENGTH = 4000
"""Characters of a body at most: what most chat services take as one message."""
MAX_ADDRESSES, MAX_ADDRESSES_LENGTH, MAX_DOMAINS = 10, 320, 10
"""How many addresses of a domain, on so many characters, and how many domains a message names; it counts them all."""

MAX_LIST_ITEMS = 20
"""How many lines a list of the daily report has."""

PAGE_NAME = "the page 'Gmail accounts'"
_TRUNCATION_NOTE = f"\n... cut here; all of it is on {PAGE_NAME}."

BURST_SIZE, BURST_WINDOW = 3, timedelta(minutes=10)
_PASSWORD_RESET_REASONS = frozenset({"expired_or_revoked", "grant_refused_twice"})
"""What Google answers after a change of password, or when an administrator takes the app's access away."""
_CONSUMER_DOMAINS = frozenset({"gmail.com", "googlemail.com"})
"""Domains without an administrator: their mailboxes have nothing in common."""
_BURST_NOTE = (
    "    Together within 10 minutes: likely a forced password reset or an administrator's action. This is a guess."
)


@dataclass(frozen=True, kw_only=True)
class AlertMessage:
    """What is sent: one line, and the rest."""

    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class GrantChange:
    """A mailbox that went down or came up again."""

    address: str
    at: datetime
    reason: str | None
    """The reason code; says nothing for a mailbox that came up."""
    worked_recently: bool = True
    """Whether it worked shortly before, so that ``at`` is about when it went down."""

    @property
    def domain(self) -> str:
        """Return what follows the @."""
        return self.address.rpartition("@")[2]


def render_changes(down: Sequence[GrantChange], up: Sequence[GrantChange]) -> AlertMessage:
    """Word what happened to single mailboxes since the last message."""
    times = [change.at for change in (*down, *up)]
    lines = [f"Found {format_time_span(min(times), max(times))}."]
    lines += list_causes(down)
    if up:
        lines += ["", f"{format_count(len(up), 'mailbox works', 'mailboxes work')} again:", *_list_domains(up)]
    return AlertMessage(title=_build_title(len(down), len(up)), body=render_body(lines))


def _build_title(down: int, up: int) -> str:
    if not down:
        return f"{format_count(up, 'Gmail mailbox', 'Gmail mailboxes')} recovered"
    need = format_count(down, "Gmail mailbox needs a person", "Gmail mailboxes need a person")
    return f"{need}, {up} recovered" if up else need


def list_causes(down: Iterable[GrantChange]) -> list[str]:
    """Return lines about mailboxes that need a person, by cause and domain, the most frequent first."""
    lines: list[str] = []
    by_cause = group_by_key(down, lambda change: change.reason or "")
    named = max(2, MAX_DOMAINS // max(1, len(by_cause)))  # a long list of the first cause leaves room for the others
    for code, group in by_cause:
        lines += ["", f"{format_count(len(group), 'mailbox', 'mailboxes')}: {explain_reason(code)}"]
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
            and domain not in _CONSUMER_DOMAINS
            and _has_burst([member.at for member in members if member.worked_recently])
        ):
            lines.append(_BURST_NOTE)
    if rest := by_domain[named:]:
        mailboxes = sum(len(members) for _, members in rest)
        lines.append(
            f"- and {format_count(len(rest), 'more domain', 'more domains')} with "
            f"{format_count(mailboxes, 'mailbox', 'mailboxes')}, on {PAGE_NAME}"
        )
    return lines


def _has_burst(times: list[datetime]) -> bool:
    ordered = sorted(times)
    pairs = zip(ordered, ordered[BURST_SIZE - 1 :], strict=False)
    return any(last - first <= BURST_WINDOW for first, last in pairs)


def render_digest(report: Mapping[str, Any], *, key: str) -> AlertMessage:
    """Word the report of an audit.

    Args:
        report: a token health report as plain values; what it lacks is not mentioned.
        key: names the audit; two audits differ in it.
    """
    lines = [_render_counts(report)]
    incidents = report.get("incidents") or ()
    if (code := report.get("app_error")) and not incidents:
        lines += [
            "",
            f"The OAuth client is refused, no account is to blame: {explain_reason(code)}",
            remedy_line(remedy_for(code)),
        ]
    lines += _render_list("Open incidents", incidents)
    lines += _render_attention(report)
    ending = [f"{item['address']}, {_format_iso_time(item['ends_at'])}" for item in report.get("expiring_list") or ()]
    lines += _render_list("Grants that end soon", ending, total=int(report.get("expiring") or 0))
    unknown = [f"{answer}: {count} times" for answer, count in sorted((report.get("unknown") or {}).items())]
    lines += _render_list("Answers of Google that are not in the table", unknown)
    lines += _render_list("Advice", report.get("advice") or ())
    return AlertMessage(title=f"Gmail grants: {_build_headline(report)}", body=render_body(lines) + render_footer(key))


def render_footer(key: str) -> str:
    """Return the end of a report, by which it is known again."""
    return f"\n\nAudit: {key}"


def _build_headline(report: Mapping[str, Any]) -> str:
    mailboxes, flagged = int(report.get("mailboxes") or 0), _count_flagged(report)
    if report.get("app_error"):
        return "the OAuth client is refused"
    if flagged:
        return f"{flagged} of {format_count(mailboxes, 'mailbox needs', 'mailboxes need')} a person"
    return f"{format_count(mailboxes, 'mailbox', 'mailboxes')}, nobody needs a person"


def _count_flagged(report: Mapping[str, Any]) -> int:
    return sum(int(report.get(name) or 0) for name in ("needs_reauth", "blocked", "deleted", "disabled"))


_COUNT_LABELS = {
    "valid": "valid",
    "refreshed": "refreshed",
    "needs_reauth": "need re-authentication",
    "blocked": "blocked by an administrator",
    "suspect": "suspect",
    "deleted": "deleted",
    "disabled": "disabled",
    "expiring": "end soon",
    "not_reached": "not reached",
}


def _render_counts(report: Mapping[str, Any]) -> str:
    found = [f"{report[name]} {words}" for name, words in _COUNT_LABELS.items() if report.get(name)]
    mailboxes = format_count(int(report.get("mailboxes") or 0), "mailbox", "mailboxes")
    return f"{mailboxes}: {', '.join(found) or 'nothing to report'}."


def _render_attention(report: Mapping[str, Any]) -> list[str]:
    listed: Sequence[Mapping[str, str]] = report.get("attention") or ()
    flagged = max(_count_flagged(report), len(listed))
    if not flagged:
        return []
    lines = ["", f"{format_count(flagged, 'mailbox needs', 'mailboxes need')} a person:"]
    for words, group in group_by_key(listed, lambda item: f"{item.get('reason', '')} {item.get('step', '')}".strip()):
        lines += [f"- {len(group)}: {words}", f"    {join_addresses([item['address'] for item in group])}"]
    if flagged > len(listed):
        lines.append(f"- {flagged - len(listed)} more are on {PAGE_NAME}")
    return lines


def _render_list(heading: str, items: Sequence[str], *, total: int = 0) -> list[str]:
    if not items:
        return []
    rest = max(total, len(items)) - len(items[:MAX_LIST_ITEMS])
    more = [f"- and {rest} more"] if rest > 0 else []
    return ["", f"{heading}:", *(f"- {item}" for item in items[:MAX_LIST_ITEMS]), *more]


def explain_reason(code: str) -> str:
    """Return a reason in words, with its code."""
    return f"{REASONS[code].message} [{code}]" if code in REASONS else f"The reason is not known. [{code}]"


def remedy_for(code: str) -> str:
    """Return what a person does about a reason."""
    return REASONS[code].remedy if code in REASONS else f"Look at {PAGE_NAME}."


def remedy_line(step: str) -> str:
    """Return a step as a line of its own."""
    return step if step.startswith("Nothing") else f"To do: {step}"


def group_by_key(items: Iterable[T], key: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    """Return the items by key, the largest group first, then by the key."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


def join_addresses(addresses: Iterable[str]) -> str:
    """Name the first addresses of the alphabet and count the rest."""
    ordered = sorted(addresses)
    named = ordered[:MAX_ADDRESSES]
    while len(named) > 1 and len(", ".join(named)) > MAX_ADDRESSES_LENGTH:
        named.pop()
    rest = len(ordered) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest else "")


def format_count(number: int, one: str, many: str) -> str:
    """Return a number with the words that agree with it."""
    return f"{number} {one if number == 1 else many}"


def format_time(at: datetime) -> str:
    """Return a time as everybody on a team reads it alike."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _format_iso_time(value: str) -> str:
    return format_time(datetime.fromisoformat(value))


def format_time_span(first: datetime, last: datetime) -> str:
    """Return one time, or two."""
    return (
        format_time(first)
        if format_time(first) == format_time(last)
        else f"{format_time(first)} to {format_time(last)}"
    )


def render_body(lines: Sequence[str]) -> str:
    """Join lines; what is too long ends with a whole line and says so."""
    body = "\n".join(lines)
    if len(body) <= MAX_BODY_LENGTH:
        return body
    room = MAX_BODY_LENGTH - len(_TRUNCATION_NOTE)
    end = body.rfind("\n", 0, room)
    return body[: end if end > 0 else room] + _TRUNCATION_NOTE
