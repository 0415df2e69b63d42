"""Classify the token endpoint's responses to a service account with domain-wide delegation.

Source: Google, "Using OAuth 2.0 for server to server applications", JWT error codes; the other descriptions are those
that GAM, a tool for Workspace administrators, handles. A response that concerns neither the account nor the service
account is classified like that for a grant: see ``oauth.token_endpoint``.
"""

from __future__ import annotations

import dataclasses

from gmail_warmup.core.enums import GrantState, MailboxAuth, RefusingParty, ResponseCategory
from gmail_warmup.oauth.grant import StoredGrant
from gmail_warmup.oauth.reasons import REASONS, Reason, confirm_reason
from gmail_warmup.oauth.token_endpoint import TokenResponse, TokenResult, classify_response

_CODE_BY_ERROR = {
    "unauthorized_client": "delegation_missing",
    "access_denied": "delegation_missing",
    "org_internal": "blocked_by_admin",
    "invalid_client": "service_account_key",
    "disabled_client": "service_account_key",
    "deleted_client": "service_account_missing",
}
_CODE_BY_DESCRIPTION = (
    ("invalid_grant", "short-lived token", "clock_wrong"),
    ("invalid_grant", "jwt signature", "service_account_key"),
    ("invalid_grant", "no valid verifier", "service_account_key"),
    ("invalid_grant", "invalid jwt", "bad_request"),
    ("invalid_grant", "account not found", "service_account_missing"),
    ("invalid_grant", "robot is disabled", "service_account_missing"),
    ("invalid_grant", "valid email", "not_a_workspace_user"),
    ("invalid_grant", "has been deleted", "not_a_workspace_user"),
    ("invalid_request", "invalid impersonation", "not_a_workspace_user"),
)
"""Error, part of its description in lower case, reason code; the first match counts."""

_UNCHANGED_CATEGORIES = (ResponseCategory.OK, ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED)


def classify_delegated_response(response: TokenResponse) -> TokenResult:
    """Return the result of a service account's token request."""
    result = classify_response(response)
    if result.reason.category in _UNCHANGED_CATEGORIES and result.reason.code != "unknown_answer":
        return result
    error, description = response.get_text("error"), response.get_text("error_description").lower()
    by_description = (
        code for known_error, part, code in _CODE_BY_DESCRIPTION if known_error == error and part in description
    )
    code = _CODE_BY_ERROR.get(error) or next(by_description, None) or result.reason.code
    # Any other ``invalid_grant`` concerns a consent, which a delegated mailbox does not have.
    if REASONS[code].category in (ResponseCategory.ACCOUNT, ResponseCategory.GONE):
        code = "grant_refused"
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
