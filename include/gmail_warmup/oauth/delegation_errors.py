"""What Google's answers to a service account mean, and what a refusal means where nobody can sign in.

Source: Google, "Using OAuth 2.0 for server to server applications", JWT error codes; the further texts are those that
GAM, which reads mailboxes in this way for a living, has met. An answer that is about no account and no service account
means the same as for any grant: see ``grants.endpoint``.
"""

from __future__ import annotations

import dataclasses

from gmail_warmup.core.enums import GrantState, MailboxAuth, ResponseCategory
from gmail_warmup.oauth.grant import StoredGrant
from gmail_warmup.oauth.reasons import REASONS, Reason
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
"""Error, part of its description in lower case, reason code; the first that fits."""

_UNCHANGED_CATEGORIES = (ResponseCategory.OK, ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED)


def classify_delegated_response(answer: TokenResponse) -> TokenResult:
    """Say what an answer to a service account's request means."""
    verdict = classify_response(answer)
    if verdict.reason.category in _UNCHANGED_CATEGORIES and verdict.reason.code != "unknown_answer":
        return verdict
    error, text = answer.get_text("error"), answer.get_text("error_description").lower()
    by_text = (code for kind, part, code in _CODE_BY_DESCRIPTION if kind == error and part in text)
    code = _CODE_BY_ERROR.get(error) or next(by_text, None) or verdict.reason.code
    # Whatever else ``invalid_grant`` says is about a consent, and there is none.
    if REASONS[code].category in (ResponseCategory.ACCOUNT, ResponseCategory.GONE):
        code = "grant_refused"
    return verdict if code == verdict.reason.code else dataclasses.replace(verdict, reason=REASONS[code])


def adjust_delegated_reason(grant: StoredGrant, reason: Reason) -> Reason:
    """Return what a refusal means for a mailbox: with a delegated one nobody can sign in again.

    A delegated mailbox is never left in a state that only a consent ends: it is probed until it works again.
    """
    if grant.auth is not MailboxAuth.DELEGATED:
        return reason
    if reason.code == "scope_missing":
        return REASONS["delegation_missing"]
    second = (
        reason.category is ResponseCategory.AMBIGUOUS and grant.state is GrantState.SUSPECT and not grant.awaits_probe
    )
    if second or reason.category in (ResponseCategory.ACCOUNT, ResponseCategory.GONE):
        return REASONS["delegation_refused"]
    return reason
