"""The report of the token health: how many grants are how, who needs a person, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import GrantState, Mailbox, OAuthGrant
from gmail_warmup.grants.reasons import REASONS

LISTED = 100
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

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as XCom keeps them."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the report as lines for a log."""
        lines = [
            f"{self.mailboxes} mailboxes: {self.valid} valid, {self.refreshed} refreshed, {self.needs_reauth} need "
            f"re-authentication, {self.blocked} blocked by an administrator, {self.suspect} suspect, "
            f"{self.deleted} deleted, {self.disabled} disabled, {self.expiring} expiring soon, "
            f"{self.not_reached} not reached"
        ]
        if self.app_error:
            reason = REASONS[self.app_error]
            lines.append(f"The OAuth client is refused, no account is to blame: {reason.sentence} {reason.step}")
        lines += [f"{item['address']} [{item['state']}] {item['reason']} {item['step']}" for item in self.attention]
        unnamed = self.needs_reauth + self.blocked + self.deleted + self.disabled - len(self.attention)
        if unnamed > 0:
            lines.append(f"... and {unnamed} more; see the page 'Gmail accounts'")
        return lines


def token_health(connection: sa.Connection, shards: Iterable[Mapping[str, Any]], *, expiring_days: int) -> TokenHealth:
    """Put the report together: states from the table, what was done from the shards of the audit."""
    done: dict[str, int] = {}
    app_error = None
    for shard in shards:
        app_error = app_error or shard["app_error"]
        for name, count in shard["counts"].items():
            done[name] = done.get(name, 0) + count
    by_state = sa.select(OAuthGrant.state, sa.func.count()).group_by(OAuthGrant.state)
    states = {state: count for state, count in connection.execute(by_state)}
    active, refreshed = states.get(GrantState.ACTIVE, 0), done.get("refreshed", 0)
    not_reached = sum(done.get(name, 0) for name in ("transient", "throttled", "local", "app_error"))
    expiring = connection.scalar(
        sa.select(sa.func.count()).where(
            OAuthGrant.state == GrantState.ACTIVE,
            OAuthGrant.refresh_expires_at < sa.func.now() + sa.func.make_interval(0, 0, 0, expiring_days),
        )
    )
    return TokenHealth(
        mailboxes=sum(states.values()),
        valid=max(0, active - refreshed - not_reached),
        refreshed=refreshed,
        needs_reauth=states.get(GrantState.NEEDS_REAUTH, 0),
        blocked=states.get(GrantState.BLOCKED_BY_ADMIN, 0),
        suspect=states.get(GrantState.SUSPECT, 0),
        deleted=states.get(GrantState.ACCOUNT_DELETED, 0),
        disabled=states.get(GrantState.DISABLED, 0),
        expiring=expiring or 0,
        not_reached=not_reached,
        app_error=app_error,
        attention=_attention(connection),
    )


def _attention(connection: sa.Connection) -> list[dict[str, str]]:
    query = (
        sa.select(Mailbox.address, OAuthGrant.state, OAuthGrant.reason)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(OAuthGrant.state.not_in((GrantState.ACTIVE, GrantState.SUSPECT)))
        .order_by(OAuthGrant.since.desc(), Mailbox.address)
        .limit(LISTED)
    )
    listed = []
    for address, state, code in connection.execute(query):
        reason = REASONS[code or "never_granted"]
        listed.append({"address": address, "state": state, "reason": reason.sentence, "step": reason.step})
    return listed
