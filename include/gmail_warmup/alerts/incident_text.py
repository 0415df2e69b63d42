"""Render alerts about incidents: cause, start, number of mailboxes, effects in the meantime, remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gmail_warmup.alerts.text import (
    PAGE_NAME,
    AlertMessage,
    GrantChange,
    format_time,
    list_causes,
    remedy_line,
    render_body,
)
from gmail_warmup.core.enums import IncidentKind
from gmail_warmup.core.reasons import ReasonBase
from gmail_warmup.core.text import pluralize
from gmail_warmup.oauth.incidents import explain_incident

_TITLES = {
    IncidentKind.APP_ERROR: "Google refuses the OAuth client",
    IncidentKind.OUTAGE: "Google cannot be reached",
    IncidentKind.MASS_REFUSAL: "Many Gmail grants were refused at once",
    IncidentKind.UNREADABLE: "Stored Gmail grants cannot be decrypted",
    IncidentKind.UNAUTHENTICATED: "Google does not authenticate mail",
    IncidentKind.OVERDUE: "A DAG is overdue",
}

_RETRY_NOTE = "No account is changed; valid access tokens remain in use; requests are retried automatically."
_INTERIM_EFFECTS = {
    IncidentKind.APP_ERROR: _RETRY_NOTE,
    IncidentKind.OUTAGE: _RETRY_NOTE,
    IncidentKind.MASS_REFUSAL: (
        "No mailbox is flagged until a second pass has checked them all; valid access tokens remain in use. Mailboxes "
        f"that are refused again are flagged on {PAGE_NAME}; if some are accepted, another message reports it."
    ),
    IncidentKind.UNREADABLE: "No account is changed; the stored grants are kept.",
    IncidentKind.UNAUTHENTICATED: (
        "The domain continues to send, because only its mails can show that they pass again. The first one that passes "
        "ends this incident."
    ),
    IncidentKind.OVERDUE: "Nothing is lost or sent twice: the next run does what is due then.",
}

_KIND_REMEDIES = {
    IncidentKind.MASS_REFUSAL: (
        "Check whether passwords were reset, or the app's access was changed, in these domains. Do not sign in again "
        "yet."
    ),
}
"""Remedies that replace the remedy of the reason: before the second pass, no consent is needed."""


@dataclass(frozen=True, kw_only=True)
class IncidentView:
    """The data of an incident that its alerts contain.

    Args:
        client: the name of the OAuth client, or of the service account; empty if it concerns none.
        flagged: the mailboxes that were flagged under it and still are.
    """

    kind: IncidentKind
    key: str
    reason: str
    detail: Mapping[str, Any]
    opened_at: datetime
    closed_at: datetime | None
    client: str = ""
    flagged: Sequence[GrantChange] = ()

    @property
    def explanation(self) -> ReasonBase:
        """Return the reason with its message and remedy."""
        return explain_incident(self.kind, self.reason, self.key)


def render_opened(incident: IncidentView) -> AlertMessage:
    """Return the alert for an incident that is still open."""
    lines = [
        *_render_facts(incident),
        f"Since: {format_time(incident.opened_at)}",
        "",
        f"Meanwhile: {_INTERIM_EFFECTS[incident.kind]}",
        remedy_line(_KIND_REMEDIES.get(incident.kind) or incident.explanation.remedy),
    ]
    return AlertMessage(title=_build_title(incident), body=render_body(lines))


def render_closed(incident: IncidentView, *, opening_reported: bool) -> AlertMessage:
    """Return the alert for an incident that has ended.

    Args:
        opening_reported: whether an alert about its start exists; if not, this alert contains all of it.
    """
    assert incident.closed_at
    lines = [] if opening_reported else [*_render_facts(incident), "It began and ended before this message."]
    lines += [
        f"From {format_time(incident.opened_at)} to {format_time(incident.closed_at)}, {_format_duration(incident)}.",
        "",
        *_render_outcome(incident),
    ]
    return AlertMessage(title=f"Over: {_build_title(incident)}", body=render_body(lines))


def _build_title(incident: IncidentView) -> str:
    mailboxes = _get_count(incident.detail, "mailboxes")
    title = _TITLES[incident.kind]
    if incident.kind is IncidentKind.MASS_REFUSAL and mailboxes:
        title = f"{pluralize(mailboxes, 'Gmail grant was', 'Gmail grants were')} refused at once"
    if incident.kind is IncidentKind.UNAUTHENTICATED:
        title = f"{title} of {incident.key}"
    if incident.kind is IncidentKind.OVERDUE and incident.key:
        title = f"The DAG {incident.key} is overdue"
    return f"{title} ({incident.client})" if incident.client else title


def _render_facts(incident: IncidentView) -> list[str]:
    lines = [f"What: {incident.explanation.message} [{incident.reason}]"]
    if incident.kind is IncidentKind.OVERDUE:
        lines.append(f"Last success: {incident.detail.get('last_success', 'unknown')}")
    elif incident.kind is IncidentKind.UNAUTHENTICATED:
        lines.append(f"Domain: {incident.key}")
    elif incident.client:
        client_id = f" ({incident.key})" if incident.key != incident.client else ""
        lines.append(f"OAuth client: {incident.client}{client_id}")
    mailboxes, healthy = _get_count(incident.detail, "mailboxes"), _get_count(incident.detail, "healthy")
    if mailboxes:
        share = f" of {healthy} that worked before" if healthy else ""
        lines.append(f"Mailboxes: {mailboxes}{share}")
    if domains := _render_domains(incident.detail):
        lines.append(f"Domains: {domains}")
    return lines


def _render_domains(detail: Mapping[str, Any]) -> str:
    counts = detail.get("domains")
    if not isinstance(counts, Mapping):
        return ""
    ordered = sorted(((str(name), int(count)) for name, count in counts.items()), key=lambda item: (-item[1], item[0]))
    more = f" and {len(ordered) - 10} more" if len(ordered) > 10 else ""
    return ", ".join(f"{name} ({count})" for name, count in ordered[:10]) + more


def _render_outcome(incident: IncidentView) -> list[str]:
    if incident.kind is not IncidentKind.MASS_REFUSAL:
        return ["No action needed."]
    held = _get_count(incident.detail, "held") or _get_count(incident.detail, "mailboxes")
    if not incident.flagged:
        return ["The second pass found that all of them work. No action needed."]
    count = len(incident.flagged)
    share = f"{count} of {pluralize(held, 'mailbox')}" if held and held >= count else pluralize(count, "mailbox")
    verb = "needs" if count == 1 else "need"
    return [f"After the second pass, {share} {verb} a person; the others work.", *list_causes(incident.flagged)]


def _format_duration(incident: IncidentView) -> str:
    assert incident.closed_at
    minutes = max(1, round((incident.closed_at - incident.opened_at).total_seconds() / 60))
    if minutes < 120:
        return pluralize(minutes, "minute")
    return f"{minutes // 60} h {minutes % 60:02} min"


def _get_count(detail: Mapping[str, Any], name: str) -> int:
    value = detail.get(name)
    return value if isinstance(value, int) else 0
