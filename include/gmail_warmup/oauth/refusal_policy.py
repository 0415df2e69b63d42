"""Decide what a refused token request means for the grant."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass

from gmail_warmup.core.enums import FLAGGED_STATES, GrantState, ResponseCategory
from gmail_warmup.core.log_context import log_event
from gmail_warmup.oauth.expiry import infer_expiry_cause
from gmail_warmup.oauth.grant import StoredGrant
from gmail_warmup.oauth.grant_updates import GrantUpdate
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import TokenResult

log = logging.getLogger(__name__)

_DAY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class RefusalPolicy:
    """Turn refusals into updates of grants.

    Args:
        suspect_delay: seconds until a suspect grant is probed a second time.
    """

    suspect_delay: int = 900

    def decide(self, grant: StoredGrant, reason: Reason) -> GrantUpdate:
        """Return the update of a grant that was refused.

        A suspect that is refused again is flagged, but not before its second probe is due.

        Raises:
            ValueError: if the reason says nothing about a grant.
        """
        reason = infer_expiry_cause(grant, reason)
        state = reason.state
        if state is None:
            raise ValueError(f"the reason {reason.code} says nothing about a grant")
        if grant.state is state is GrantState.SUSPECT:
            reason, state = self._decide_suspect(grant, reason)
        return GrantUpdate(
            grant=grant,
            state=state,
            reason=reason.code,
            probe_seconds=self._get_probe_delay(state),
            drop_access=reason.category is not ResponseCategory.AMBIGUOUS,
            incident_id=grant.incident_id if grant.state is GrantState.SUSPECT else None,
        )

    def confirm(self, grant: StoredGrant) -> GrantUpdate:
        """Return the update that flags a suspect for the reason stored with it."""
        reason = REASONS[grant.reason or "grant_refused_twice"]
        assert reason.state
        return GrantUpdate(
            grant=grant,
            state=reason.state,
            reason=reason.code,
            probe_seconds=self._get_probe_delay(reason.state),
            drop_access=True,
            incident_id=grant.incident_id,
        )

    def hold(self, update: GrantUpdate, incident_id: int | None) -> GrantUpdate:
        """Return the update with the grant suspect instead of flagged; a valid access token stays in use."""
        return dataclasses.replace(
            update,
            state=GrantState.SUSPECT,
            probe_seconds=self.suspect_delay,
            drop_access=False,
            incident_id=incident_id,
        )

    def _decide_suspect(self, grant: StoredGrant, reason: Reason) -> tuple[Reason, GrantState]:
        first = REASONS[grant.reason or reason.code]
        if (grant.now - grant.state_since).total_seconds() < self.suspect_delay:
            return first, GrantState.SUSPECT
        decided = first if first.flags_grant else REASONS["grant_refused_twice"]
        assert decided.state
        return decided, decided.state

    def _get_probe_delay(self, state: GrantState) -> int | None:
        if state is GrantState.SUSPECT:
            return self.suspect_delay
        return _DAY_SECONDS if state in (GrantState.BLOCKED_BY_ADMIN, GrantState.DISABLED) else None


def find_preflight_refusal(grant: StoredGrant) -> Reason | None:
    """Return why a token request cannot succeed, or None if it is worth sending."""
    if grant.refresh_token is None:
        return REASONS["no_refresh_token"]
    if grant.refresh_expires_at is not None and grant.refresh_expires_at <= grant.now:
        return REASONS["expired_as_foretold"]
    return None


def reinterpret_result(
    result: TokenResult, grant: StoredGrant, client_id: str, *, recently_succeeded: bool
) -> TokenResult:
    """Correct the reason of a result by the client that issued the grant and by the results of other grants.

    An unexplained refusal of a grant that another client issued says nothing about the grant. A client that "may not
    use" one grant while it refreshes others is refused because that grant belongs to another client.

    Args:
        recently_succeeded: whether the client refreshed other grants in the last minutes.
    """
    code = result.reason.code
    if code == "grant_refused" and grant.client_id not in (None, client_id):
        code = "unauthorized_client"
    if code == "unauthorized_client" and recently_succeeded:
        code = "other_client"
    return result if code == result.reason.code else dataclasses.replace(result, reason=REASONS[code])


def log_refusal(update: GrantUpdate) -> None:
    """Log the stored state of a refused grant. The wording is documented; operators search for it."""
    reason, address = REASONS[update.reason or "unknown_answer"], update.grant.address
    if update.state is GrantState.NEEDS_REAUTH:
        text = "Account %s needs re-authentication: %s [%s]"
    elif update.state in FLAGGED_STATES:
        text = "Account %s cannot be used: %s [%s]"
    else:
        text = "Failed to refresh credentials for %s, a second probe decides: %s [%s]"
    log_event(
        log, logging.WARNING, text, address, reason.message, reason.code, mailbox=address, reason_code=reason.code
    )
