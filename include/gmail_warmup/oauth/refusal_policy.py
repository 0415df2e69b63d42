"""Decide what a refusal by the token endpoint or by Gmail means for the grant."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass

from gmail_warmup.core.enums import FLAGGED_STATES, GrantState, MailboxAuth, RefusingParty, ResponseCategory
from gmail_warmup.core.log_context import log_event
from gmail_warmup.oauth.expiry import infer_expiry_cause
from gmail_warmup.oauth.grant import StoredGrant
from gmail_warmup.oauth.grant_updates import GrantUpdate
from gmail_warmup.oauth.reasons import REASONS, Reason, confirm_reason
from gmail_warmup.oauth.token_endpoint import TokenResult

log = logging.getLogger(__name__)

DAILY_PROBE_SECONDS = 21 * 3600
"""Seconds until a flagged grant is probed again: less than a day, so that the probe is due at the next daily audit."""


@dataclass(frozen=True, kw_only=True)
class RefusalPolicy:
    """Turn answers of Google about a grant into updates of it.

    A refusal is confirmed, and ended, by the party that refused: a success at the other party changes no state.

    Args:
        suspect_delay: seconds until a suspect grant is probed a second time.
    """

    suspect_delay: int = 900

    def decide(self, grant: StoredGrant, reason: Reason, party: RefusingParty) -> GrantUpdate:
        """Return the update of a grant that was refused.

        A suspect that the same party refuses again is flagged, but not before its second probe is due. An ambiguous
        refusal leaves a flagged grant as it is.

        Raises:
            ValueError: if the reason says nothing about a grant.
        """
        reason = infer_expiry_cause(grant, reason)
        if reason.state is None:
            raise ValueError(f"the reason {reason.code} says nothing about a grant")
        if reason.state is GrantState.SUSPECT and grant.state in FLAGGED_STATES:
            delay = self._get_probe_delay(grant.state, grant.refused_by)
            return dataclasses.replace(self.keep(grant), probe_seconds=delay)
        if reason.state is GrantState.SUSPECT and grant.state is GrantState.SUSPECT and grant.refused_by is party:
            if not self._is_second_probe_due(grant):
                return dataclasses.replace(self.keep(grant), drop_access=_rejects_token(reason))
            first = REASONS.look_up(grant.reason, reason.code)
            reason = first if first.flags_grant else confirm_reason(first)
        return self._build_update(grant, reason, party)

    def confirm(self, grant: StoredGrant) -> GrantUpdate:
        """Return the update that flags a suspect for the reason stored with it."""
        reason = REASONS.look_up(grant.reason, "grant_refused_twice")
        return self._build_update(grant, reason, grant.refused_by or RefusingParty.TOKEN_ENDPOINT)

    def hold(self, update: GrantUpdate, incident_id: int | None) -> GrantUpdate:
        """Return the update with the grant suspect instead of flagged; a valid access token stays in use."""
        return dataclasses.replace(
            update,
            state=GrantState.SUSPECT,
            probe_seconds=self.suspect_delay,
            drop_access=False,
            incident_id=incident_id,
        )

    def keep(self, grant: StoredGrant) -> GrantUpdate:
        """Return an update that leaves the state of a grant, its reason and its next probe as they are."""
        return GrantUpdate(
            grant=grant,
            state=grant.state,
            reason=grant.reason,
            refused_by=grant.refused_by,
            probe_seconds=grant.probe_seconds,
            incident_id=grant.incident_id,
        )

    def _build_update(self, grant: StoredGrant, reason: Reason, party: RefusingParty) -> GrantUpdate:
        assert reason.state
        return GrantUpdate(
            grant=grant,
            state=reason.state,
            reason=reason.code,
            refused_by=party,
            probe_seconds=self._get_probe_delay(reason.state, party),
            drop_access=reason.category is not ResponseCategory.AMBIGUOUS or _rejects_token(reason),
            incident_id=grant.incident_id if grant.state is GrantState.SUSPECT else None,
        )

    def _is_second_probe_due(self, grant: StoredGrant) -> bool:
        waited = (grant.now - grant.state_since).total_seconds()
        return waited >= self.suspect_delay or not grant.awaits_probe

    def _get_probe_delay(self, state: GrantState, party: RefusingParty | None) -> int | None:
        """Return the seconds until the next probe; None if only a consent ends the state."""
        if state is GrantState.SUSPECT:
            return self.suspect_delay
        is_probed = state in (GrantState.BLOCKED_BY_ADMIN, GrantState.DISABLED) or party is RefusingParty.GMAIL
        return DAILY_PROBE_SECONDS if is_probed else None


def _rejects_token(reason: Reason) -> bool:
    """Return whether the access token itself was refused, so that it is of no further use."""
    return reason.code == "token_rejected"


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


def adjust_delegated_reason(
    grant: StoredGrant, reason: Reason, party: RefusingParty = RefusingParty.TOKEN_ENDPOINT
) -> Reason:
    """Return the reason to store for a refusal, adjusted if the mailbox is delegated.

    No consent can repair a delegated mailbox, so it never gets a state that only a consent ends: it is probed until
    it works again.
    """
    if grant.auth is not MailboxAuth.DELEGATED:
        return reason
    if reason.code == "scope_missing":
        return REASONS["delegation_missing"]
    is_second_refusal = (
        reason.category is ResponseCategory.AMBIGUOUS
        and grant.state is GrantState.SUSPECT
        and grant.refused_by is party
        and not grant.awaits_probe
    )
    decided = confirm_reason(reason) if is_second_refusal else reason
    if decided.category in (ResponseCategory.ACCOUNT, ResponseCategory.GONE):
        return REASONS["delegation_refused"]
    return reason


def log_refusal(update: GrantUpdate) -> None:
    """Log the stored state of a refused grant. The wording is documented; operators search for it."""
    reason, address = REASONS.look_up(update.reason, "unknown_answer"), update.grant.address
    if update.state is GrantState.NEEDS_REAUTH:
        text = "Account %s needs re-authentication: %s [%s]"
    elif update.state in FLAGGED_STATES:
        text = "Account %s cannot be used: %s [%s]"
    else:
        text = "Failed to refresh credentials for %s, a second probe decides: %s [%s]"
    log_event(
        log, logging.WARNING, text, address, reason.message, reason.code, mailbox=address, reason_code=reason.code
    )
