"""The wording of alerts about incidents: what, since when, how many, what happens meanwhile, what a person does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gmail_warmup.alerts.text import PAGE, Change, Message, bounded, causes, counted, explained, moment, step_of, to_do
from gmail_warmup.core.enums import IncidentKind

_TITLE = {
    IncidentKind.APP_ERROR: "Google refuses the OAuth client",
    IncidentKind.OUTAGE: "Google cannot be reached",
    IncidentKind.MASS_REFUSAL: "Many Gmail grants were refused at once",
    IncidentKind.UNREADABLE: "Stored Gmail grants cannot be decrypted",
}

_ASKED_AGAIN = (
    "No account is changed; access tokens that are still valid go on being used; Google is asked again by itself."
)
_MEANWHILE = {
    IncidentKind.APP_ERROR: _ASKED_AGAIN,
    IncidentKind.OUTAGE: _ASKED_AGAIN,
    IncidentKind.MASS_REFUSAL: (
        "The verdicts are held until a second pass decides; access tokens that are still valid go on being used. What "
        f"the second pass confirms is flagged and waits on {PAGE}; if it clears some, another message says so."
    ),
    IncidentKind.UNREADABLE: "No account is changed; the stored grants stay as they are.",
}

_STEP = {
    IncidentKind.MASS_REFUSAL: (
        "Nothing yet. Find out whether passwords were reset, or the app's access was changed, for these domains."
    ),
}
"""Steps of a kind that stand above that of its reason: a held verdict needs no consent yet."""


@dataclass(frozen=True, kw_only=True)
class Happening:
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
    flagged: Sequence[Change] = ()


def opened(incident: Happening) -> Message:
    """Word an incident that goes on."""
    lines = [
        *_facts(incident),
        f"Since: {moment(incident.opened_at)}",
        "",
        f"Meanwhile: {_MEANWHILE[incident.kind]}",
        to_do(_STEP.get(incident.kind) or step_of(incident.reason)),
    ]
    return Message(title=_titled(incident), body=bounded(lines))


def closed(incident: Happening, *, told: bool) -> Message:
    """Word an incident that has ended.

    Args:
        told: whether its beginning was told; if not, this message says all of it.
    """
    assert incident.closed_at
    lines = [] if told else [*_facts(incident), "It began and ended before this message."]
    lines += [
        f"From {moment(incident.opened_at)} to {moment(incident.closed_at)}, {_length(incident)}.",
        "",
        *_outcome(incident),
    ]
    return Message(title=f"Over: {_titled(incident)}", body=bounded(lines))


def _titled(incident: Happening) -> str:
    mailboxes = _number(incident.detail, "mailboxes")
    if incident.kind is IncidentKind.MASS_REFUSAL and mailboxes:
        return f"{counted(mailboxes, 'Gmail grant was', 'Gmail grants were')} refused at once"
    return _TITLE[incident.kind]


def _facts(incident: Happening) -> list[str]:
    lines = [f"What: {explained(incident.reason)}"]
    if incident.key:
        lines.append(f"OAuth client: {incident.key}")
    mailboxes, healthy = _number(incident.detail, "mailboxes"), _number(incident.detail, "healthy")
    if mailboxes:
        share = f" of {healthy} that worked before" if healthy else ""
        lines.append(f"Mailboxes: {mailboxes}{share}")
    if domains := _domains(incident.detail):
        lines.append(f"Domains: {domains}")
    return lines


def _domains(detail: Mapping[str, Any]) -> str:
    found = detail.get("domains")
    if not isinstance(found, Mapping):
        return ""
    ordered = sorted(((str(name), int(count)) for name, count in found.items()), key=lambda item: (-item[1], item[0]))
    more = f" and {len(ordered) - 10} more" if len(ordered) > 10 else ""
    return ", ".join(f"{name} ({count})" for name, count in ordered[:10]) + more


def _outcome(incident: Happening) -> list[str]:
    if incident.kind is not IncidentKind.MASS_REFUSAL:
        return ["Nothing is left to do."]
    held = _number(incident.detail, "held") or _number(incident.detail, "mailboxes")
    if not incident.flagged:
        return ["The second pass cleared them: nobody has to do anything."]
    left = counted(len(incident.flagged), "mailbox needs", "mailboxes need")
    of = f" of {held}" if held and held >= len(incident.flagged) else ""
    return [f"The second pass has decided: {left} a person{of}; the others work.", *causes(incident.flagged)]


def _length(incident: Happening) -> str:
    assert incident.closed_at
    minutes = max(1, round((incident.closed_at - incident.opened_at).total_seconds() / 60))
    if minutes < 120:
        return counted(minutes, "minute", "minutes")
    return f"{minutes // 60} h {minutes % 60:02} min"


def _number(detail: Mapping[str, Any], name: str) -> int:
    value = detail.get(name)
    return value if isinstance(value, int) else 0
