"""The wording of alerts about incidents: what, since when, how many, what happens meanwhile, what a person does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gmail_warmup.alerts.text import (
    PAGE_NAME,
    AlertMessage,
    GrantChange,
    explain_reason,
    format_count,
    format_time,
    list_causes,
    remedy_for,
    remedy_line,
    render_body,
)
from gmail_warmup.core.enums import IncidentKind

_TITLES = {
    IncidentKind.APP_ERROR: "Google refuses the OAuth client",
    IncidentKind.OUTAGE: "Google cannot be reached",
    IncidentKind.MASS_REFUSAL: "Many Gmail grants were refused at once",
    IncidentKind.UNREADABLE: "Stored Gmail grants cannot be decrypted",
}

_RETRY_NOTE = (
    "No account is changed; access tokens that are still valid go on being used; Google is asked again by itself."
)
_INTERIM_EFFECTS = {
    IncidentKind.APP_ERROR: _RETRY_NOTE,
    IncidentKind.OUTAGE: _RETRY_NOTE,
    IncidentKind.MASS_REFUSAL: (
        "The verdicts are held until a second pass decides; access tokens that are still valid go on being used. What "
        f"the second pass confirms is flagged and waits on {PAGE_NAME}; if it clears some, another message says so."
    ),
    IncidentKind.UNREADABLE: "No account is changed; the stored grants stay as they are.",
}

_KIND_REMEDIES = {
    IncidentKind.MASS_REFUSAL: (
        "Nothing yet. Find out whether passwords were reset, or the app's access was changed, for these domains."
    ),
}
"""Steps of a kind that stand above that of its reason: a held verdict needs no consent yet."""


@dataclass(frozen=True, kw_only=True)
class IncidentView:
    """An incident as it is told.

    Args:
        flagged: the mailboxes that it left in need of a person.
    """

    kind: IncidentKind
    key: str
    reason: str
    detail: Mapping[str, Any]
    opened_at: datetime
    closed_at: datetime | None
    flagged: Sequence[GrantChange] = ()


def render_opened(incident: IncidentView) -> AlertMessage:
    """Word an incident that goes on."""
    lines = [
        *_render_facts(incident),
        f"Since: {format_time(incident.opened_at)}",
        "",
        f"Meanwhile: {_INTERIM_EFFECTS[incident.kind]}",
        remedy_line(_KIND_REMEDIES.get(incident.kind) or remedy_for(incident.reason)),
    ]
    return AlertMessage(title=_build_title(incident), body=render_body(lines))


def render_closed(incident: IncidentView, *, told: bool) -> AlertMessage:
    """Word an incident that has ended.

    Args:
        told: whether its beginning was told; if not, this message says all of it.
    """
    assert incident.closed_at
    lines = [] if told else [*_render_facts(incident), "It began and ended before this message."]
    lines += [
        f"From {format_time(incident.opened_at)} to {format_time(incident.closed_at)}, {_format_duration(incident)}.",
        "",
        *_render_outcome(incident),
    ]
    return AlertMessage(title=f"Over: {_build_title(incident)}", body=render_body(lines))


def _build_title(incident: IncidentView) -> str:
    mailboxes = _get_count(incident.detail, "mailboxes")
    if incident.kind is IncidentKind.MASS_REFUSAL and mailboxes:
        return f"{format_count(mailboxes, 'Gmail grant was', 'Gmail grants were')} refused at once"
    return _TITLES[incident.kind]


def _render_facts(incident: IncidentView) -> list[str]:
    lines = [f"What: {explain_reason(incident.reason)}"]
    if incident.key:
        lines.append(f"OAuth client: {incident.key}")
    mailboxes, healthy = _get_count(incident.detail, "mailboxes"), _get_count(incident.detail, "healthy")
    if mailboxes:
        share = f" of {healthy} that worked before" if healthy else ""
        lines.append(f"Mailboxes: {mailboxes}{share}")
    if domains := _render_domains(incident.detail):
        lines.append(f"Domains: {domains}")
    return lines


def _render_domains(detail: Mapping[str, Any]) -> str:
    found = detail.get("domains")
    if not isinstance(found, Mapping):
        return ""
    ordered = sorted(((str(name), int(count)) for name, count in found.items()), key=lambda item: (-item[1], item[0]))
    more = f" and {len(ordered) - 10} more" if len(ordered) > 10 else ""
    return ", ".join(f"{name} ({count})" for name, count in ordered[:10]) + more


def _render_outcome(incident: IncidentView) -> list[str]:
    if incident.kind is not IncidentKind.MASS_REFUSAL:
        return ["Nothing is left to do."]
    held = _get_count(incident.detail, "held") or _get_count(incident.detail, "mailboxes")
    if not incident.flagged:
        return ["The second pass cleared them: nobody has to do anything."]
    left = format_count(len(incident.flagged), "mailbox needs", "mailboxes need")
    of = f" of {held}" if held and held >= len(incident.flagged) else ""
    return [f"The second pass has decided: {left} a person{of}; the others work.", *list_causes(incident.flagged)]


def _format_duration(incident: IncidentView) -> str:
    assert incident.closed_at
    minutes = max(1, round((incident.closed_at - incident.opened_at).total_seconds() / 60))
    if minutes < 120:
        return format_count(minutes, "minute", "minutes")
    return f"{minutes // 60} h {minutes % 60:02} min"


def _get_count(detail: Mapping[str, Any], name: str) -> int:
    value = detail.get(name)
    return value if isinstance(value, int) else 0
