"""The wording of alerts: the same facts give the same text, of bounded length, with addresses but never a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from gmail_warmup.oauth.reasons import REASONS

T = TypeVar("T")

LONGEST = 4000
"""Characters of a body at most: what most chat services take as one message."""
ADDRESSES, WIDTH, DOMAINS = 10, 320, 10
"""How many addresses of a domain, on so many characters, and how many domains a message names; it counts them all."""

LISTED = 20
"""How many lines a list of the daily report has."""

PAGE = "the page 'Gmail accounts'"
_MORE = f"\n... cut here; all of it is on {PAGE}."

BURST, BURST_WITHIN = 3, timedelta(minutes=10)
_BY_PASSWORD = frozenset({"expired_or_revoked", "grant_refused_twice"})
"""What Google answers after a change of password, or when an administrator takes the app's access away."""
_ANYBODY = frozenset({"gmail.com", "googlemail.com"})
"""Domains without an administrator: their mailboxes have nothing in common."""
_GUESS = "    Together within 10 minutes: likely a forced password reset or an administrator's action. This is a guess."


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is sent: one line, and the rest."""

    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """A mailbox that went down or came up again."""

    address: str
    at: datetime
    reason: str | None
    """The reason code; says nothing for a mailbox that came up."""
    worked: bool = True
    """Whether it worked shortly before, so that ``at`` is about when it went down."""

    @property
    def domain(self) -> str:
        """Return what follows the @."""
        return self.address.rpartition("@")[2]


def changes(down: Sequence[Change], up: Sequence[Change]) -> Message:
    """Word what happened to single mailboxes since the last message."""
    times = [change.at for change in (*down, *up)]
    lines = [f"Found {span(min(times), max(times))}."]
    lines += causes(down)
    if up:
        lines += ["", f"{counted(len(up), 'mailbox works', 'mailboxes work')} again:", *_domains(up)]
    return Message(title=_title(len(down), len(up)), body=bounded(lines))


def _title(down: int, up: int) -> str:
    if not down:
        return f"{counted(up, 'Gmail mailbox', 'Gmail mailboxes')} recovered"
    need = counted(down, "Gmail mailbox needs a person", "Gmail mailboxes need a person")
    return f"{need}, {up} recovered" if up else need


def causes(down: Iterable[Change]) -> list[str]:
    """Return lines about mailboxes that need a person, by cause and domain, the most frequent first."""
    lines: list[str] = []
    by_cause = grouped(down, lambda change: change.reason or "")
    named = max(2, DOMAINS // max(1, len(by_cause)))  # a long list of the first cause leaves room for the others
    for code, group in by_cause:
        lines += ["", f"{counted(len(group), 'mailbox', 'mailboxes')}: {explained(code)}"]
        lines.append(to_do(step_of(code)))
        lines += _domains(group, named=named, guess=code in _BY_PASSWORD)
    return lines


def _domains(group: Iterable[Change], *, named: int = DOMAINS, guess: bool = False) -> list[str]:
    by_domain = grouped(group, lambda change: change.domain)
    lines = []
    for domain, members in by_domain[:named]:
        lines.append(f"- {domain}, {len(members)}: {some([member.address for member in members])}")
        if guess and domain not in _ANYBODY and _burst([member.at for member in members if member.worked]):
            lines.append(_GUESS)
    if rest := by_domain[named:]:
        mailboxes = sum(len(members) for _, members in rest)
        lines.append(
            f"- and {counted(len(rest), 'more domain', 'more domains')} with "
            f"{counted(mailboxes, 'mailbox', 'mailboxes')}, on {PAGE}"
        )
    return lines


def _burst(times: list[datetime]) -> bool:
    ordered = sorted(times)
    pairs = zip(ordered, ordered[BURST - 1 :], strict=False)
    return any(last - first <= BURST_WITHIN for first, last in pairs)


def digest(report: Mapping[str, Any], *, key: str) -> Message:
    """Word the report of an audit.

    Args:
        report: a token health report as plain values; what it lacks is not mentioned.
        key: names the audit; two audits differ in it.
    """
    lines = [_counts(report)]
    incidents = report.get("incidents") or ()
    if (code := report.get("app_error")) and not incidents:
        lines += ["", f"The OAuth client is refused, no account is to blame: {explained(code)}", to_do(step_of(code))]
    lines += _listed("Open incidents", incidents)
    lines += _attention(report)
    ending = [f"{item['address']}, {_moment_of(item['ends_at'])}" for item in report.get("expiring_list") or ()]
    lines += _listed("Grants that end soon", ending, total=int(report.get("expiring") or 0))
    unknown = [f"{answer}: {count} times" for answer, count in sorted((report.get("unknown") or {}).items())]
    lines += _listed("Answers of Google that are not in the table", unknown)
    lines += _listed("Advice", report.get("advice") or ())
    return Message(title=f"Gmail grants: {_headline(report)}", body=bounded(lines) + signed(key))


def signed(key: str) -> str:
    """Return the end of a report, by which it is known again."""
    return f"\n\nAudit: {key}"


def _headline(report: Mapping[str, Any]) -> str:
    mailboxes, flagged = int(report.get("mailboxes") or 0), _flagged(report)
    if report.get("app_error"):
        return "the OAuth client is refused"
    if flagged:
        return f"{flagged} of {counted(mailboxes, 'mailbox needs', 'mailboxes need')} a person"
    return f"{counted(mailboxes, 'mailbox', 'mailboxes')}, nobody needs a person"


def _flagged(report: Mapping[str, Any]) -> int:
    return sum(int(report.get(name) or 0) for name in ("needs_reauth", "blocked", "deleted", "disabled"))


_COUNTED = {
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


def _counts(report: Mapping[str, Any]) -> str:
    found = [f"{report[name]} {words}" for name, words in _COUNTED.items() if report.get(name)]
    mailboxes = counted(int(report.get("mailboxes") or 0), "mailbox", "mailboxes")
    return f"{mailboxes}: {', '.join(found) or 'nothing to report'}."


def _attention(report: Mapping[str, Any]) -> list[str]:
    listed: Sequence[Mapping[str, str]] = report.get("attention") or ()
    flagged = max(_flagged(report), len(listed))
    if not flagged:
        return []
    lines = ["", f"{counted(flagged, 'mailbox needs', 'mailboxes need')} a person:"]
    for words, group in grouped(listed, lambda item: f"{item.get('reason', '')} {item.get('step', '')}".strip()):
        lines += [f"- {len(group)}: {words}", f"    {some([item['address'] for item in group])}"]
    if flagged > len(listed):
        lines.append(f"- {flagged - len(listed)} more are on {PAGE}")
    return lines


def _listed(heading: str, items: Sequence[str], *, total: int = 0) -> list[str]:
    if not items:
        return []
    rest = max(total, len(items)) - len(items[:LISTED])
    more = [f"- and {rest} more"] if rest > 0 else []
    return ["", f"{heading}:", *(f"- {item}" for item in items[:LISTED]), *more]


def explained(code: str) -> str:
    """Return a reason in words, with its code."""
    return f"{REASONS[code].sentence} [{code}]" if code in REASONS else f"The reason is not known. [{code}]"


def step_of(code: str) -> str:
    """Return what a person does about a reason."""
    return REASONS[code].step if code in REASONS else f"Look at {PAGE}."


def to_do(step: str) -> str:
    """Return a step as a line of its own."""
    return step if step.startswith("Nothing") else f"To do: {step}"


def grouped(items: Iterable[T], key: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    """Return the items by key, the largest group first, then by the key."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


def some(addresses: Iterable[str]) -> str:
    """Name the first addresses of the alphabet and count the rest."""
    ordered = sorted(addresses)
    named = ordered[:ADDRESSES]
    while len(named) > 1 and len(", ".join(named)) > WIDTH:
        named.pop()
    rest = len(ordered) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest else "")


def counted(number: int, one: str, many: str) -> str:
    """Return a number with the words that agree with it."""
    return f"{number} {one if number == 1 else many}"


def moment(at: datetime) -> str:
    """Return a time as everybody on a team reads it alike."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _moment_of(value: str) -> str:
    return moment(datetime.fromisoformat(value))


def span(first: datetime, last: datetime) -> str:
    """Return one time, or two."""
    return moment(first) if moment(first) == moment(last) else f"{moment(first)} to {moment(last)}"


def bounded(lines: Sequence[str]) -> str:
    """Join lines; what is too long ends with a whole line and says so."""
    body = "\n".join(lines)
    if len(body) <= LONGEST:
        return body
    room = LONGEST - len(_MORE)
    end = body.rfind("\n", 0, room)
    return body[: end if end > 0 else room] + _MORE
