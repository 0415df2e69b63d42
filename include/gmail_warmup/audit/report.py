"""The report of the token health: how many grants are how, who needs a person, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from gmail_warmup.audit.results import UNREACHED_COUNT_NAMES
from gmail_warmup.core.enums import FLAGGED_STATES, ResponseCategory
from gmail_warmup.db.models import GrantState, Mailbox, OAuthGrant
from gmail_warmup.oauth import expiry
from gmail_warmup.oauth.incidents import list_open_incidents
from gmail_warmup.oauth.reasons import REASONS

MAX_LISTED_FLAGGED = 100
"""How many mailboxes a report names; it counts them all."""


@dataclass(frozen=True, kw_only=True)
class TokenHealth:
    """The state of all grants after an audit."""

    mailboxes: int
    valid: int
    refreshed: int
    needs_reauth: int
    blocked: int
    suspect: int
    deleted: int
    disabled: int
    expiring: int
    not_reached: int
    app_error: str | None
    attention: list[dict[str, str]]
    """Address, state, reason in words and the step to take, of those that need somebody."""
    expiring_list: list[dict[str, Any]]
    """Address, end and days left of those whose end is known to be near."""
    unknown: dict[str, int]
    """Answers of Google that are not in the table, by status and error code."""
    incidents: list[str]
    """What concerns many at once, a sentence each."""
    advice: list[str]
    """What to do so that grants stop dying for a known cause."""

    @property
    def flagged_count(self) -> int:
        """Return how many mailboxes need somebody."""
        return self.needs_reauth + self.blocked + self.deleted + self.disabled

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as XCom keeps them."""
        return asdict(self)

    def format_lines(self) -> list[str]:
        """Return the report as lines for a log."""
        lines = [self.format_headline(), *self.incidents, *self.advice]
        if self.app_error and not self.incidents:
            reason = REASONS[self.app_error]
            lines.append(f"The OAuth client is refused, no account is to blame: {reason.message} {reason.remedy}")
        lines += [f"Google's answer '{answer}' is not in the table: {count} times" for answer, count in
                  sorted(self.unknown.items())]  # fmt: skip
        lines += [f"{item['address']} [{item['state']}] {item['reason']} {item['step']}" for item in self.attention]
        if (unnamed := self.flagged_count - len(self.attention)) > 0:
            lines.append(f"... and {unnamed} more; see the page 'Gmail accounts'")
        lines += [f"{item['address']} expires in {_format_days(item['days'])}" for item in self.expiring_list]
        if (unnamed := self.expiring - len(self.expiring_list)) > 0:
            lines.append(f"... and {unnamed} more expire soon")
        return lines

    def format_headline(self) -> str:
        """Return the counts in one line."""
        return (
            f"{self.mailboxes} mailboxes: {self.valid} valid, {self.refreshed} refreshed, {self.needs_reauth} need "
            f"re-authentication, {self.blocked} blocked by an administrator, {self.suspect} suspect, "
            f"{self.deleted} deleted, {self.disabled} disabled, {self.expiring} expiring soon, "
            f"{self.not_reached} not reached"
        )


def _format_days(count: int) -> str:
    return "less than a day" if count < 1 else "1 day" if count == 1 else f"{count} days"


def build_token_health(connection: sa.Connection, found: Mapping[str, Any], *, expiring_days: int) -> TokenHealth:
    """Put the report together: states from the table, what was done from the results of the audit.

    Args:
        found: ``counts``, ``unknown`` and ``stopped`` of an AuditResult, or of several added up.
    """
    done, stopped = found["counts"], found.get("stopped")
    by_state = sa.select(OAuthGrant.state, sa.func.count()).group_by(OAuthGrant.state)
    states = {state: count for state, count in connection.execute(by_state)}
    active, refreshed = states.get(GrantState.ACTIVE, 0), done.get("refreshed", 0)
    not_reached = sum(done.get(name, 0) for name in UNREACHED_COUNT_NAMES.values())
    expiring, expiring_list = expiry.list_expiring_grants(connection, days=expiring_days)
    return TokenHealth(
        mailboxes=sum(states.values()),
        valid=max(0, active - refreshed - not_reached),
        refreshed=refreshed,
        needs_reauth=states.get(GrantState.NEEDS_REAUTH, 0),
        blocked=states.get(GrantState.BLOCKED_BY_ADMIN, 0),
        suspect=states.get(GrantState.SUSPECT, 0),
        deleted=states.get(GrantState.ACCOUNT_DELETED, 0),
        disabled=states.get(GrantState.DISABLED, 0),
        expiring=expiring,
        not_reached=not_reached,
        app_error=stopped if stopped and REASONS[stopped].category is ResponseCategory.APP else None,
        attention=_list_flagged(connection),
        expiring_list=expiring_list,
        unknown=dict(found.get("unknown", {})),
        incidents=describe_open_incidents(connection),
        advice=expiry.list_advice(connection),
    )


def describe_open_incidents(connection: sa.Connection) -> list[str]:
    """Say what is open: since when, what it is, and what to do."""
    sentences = []
    for incident in list_open_incidents(connection):
        reason = REASONS[incident.reason]
        many = incident.detail.get("mailboxes")
        sentences.append(
            f"Since {incident.opened_at:%Y-%m-%d %H:%M} UTC, {INCIDENT_TEXTS[incident.kind]}"
            f"{f' ({many} mailboxes)' if many else ''}: {reason.message} {reason.remedy}"
        )
    return sentences


INCIDENT_TEXTS = {
    "app_error": "the OAuth client is refused, no account is to blame",
    "outage": "Google is not asked, because one request after the other failed",
    "mass_refusal": "suspiciously many grants were refused at once, and wait for a second probe",
    "unreadable": "stored grants cannot be decrypted",
}
"""What an incident of a kind means, as part of a sentence."""


def _list_flagged(connection: sa.Connection) -> list[dict[str, str]]:
    query = (
        sa.select(Mailbox.address, OAuthGrant.state, OAuthGrant.reason)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(OAuthGrant.state.in_(FLAGGED_STATES))
        .order_by(OAuthGrant.state_since.desc(), Mailbox.address)
        .limit(MAX_LISTED_FLAGGED)
    )
    listed = []
    for address, state, code in connection.execute(query):
        reason = REASONS[code or "never_granted"]
        listed.append({"address": address, "state": state, "reason": reason.message, "step": reason.remedy})
    return listed
