"""Reason codes: why a grant is in its state, in one table that code, page and report share.

Source of the rules: Google's "Using OAuth 2.0" (refresh token expiration) and the answers of its token endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from gmail_warmup.core.enums import GrantState, ResponseCategory


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A reason code with its meaning for people."""

    code: str
    category: ResponseCategory
    message: str
    """What happened, in words; a guess says that it is one."""
    remedy: str
    """What to do about it."""

    @property
    def flags_grant(self) -> bool:
        """Tell whether this reason by itself takes a grant out of use."""
        return self.state not in (None, GrantState.ACTIVE, GrantState.SUSPECT)

    @property
    def state(self) -> GrantState | None:
        """Return the state that this reason puts a grant into, or None if it changes no grant."""
        return _STATE_BY_CATEGORY.get(self.category)


_STATE_BY_CATEGORY = {
    ResponseCategory.OK: GrantState.ACTIVE,
    ResponseCategory.ACCOUNT: GrantState.NEEDS_REAUTH,
    ResponseCategory.AMBIGUOUS: GrantState.SUSPECT,
    ResponseCategory.BLOCKED: GrantState.BLOCKED_BY_ADMIN,
    ResponseCategory.UNUSABLE: GrantState.DISABLED,
    ResponseCategory.GONE: GrantState.ACCOUNT_DELETED,
}

_SIGN_IN_AGAIN = "Press Re-authenticate on the page 'Gmail accounts' and sign in with this mailbox."
_NO_ACTION = "Nothing to do: it is tried again by itself."
_CHECK_CLIENT = "Check the Connection gmail_oauth_client against the OAuth client in the Google Cloud console."
_CHECK_TASK_LOG = "Look at the log of the task; the request or the Google Cloud project needs the operator."
_GOOGLE_CLOUD_CONNECTION = "Airflow Connection of the service account (google_cloud_default unless set otherwise)."


def _build_table(*rows: tuple[str, ResponseCategory, str, str]) -> dict[str, Reason]:
    return {
        code: Reason(code=code, category=kind, message=sentence, remedy=step) for code, kind, sentence, step in rows
    }


REASONS: dict[str, Reason] = _build_table(
    ("ok", ResponseCategory.OK, "Google issued an access token.", ""),
    # transport and servers
    ("unreachable", ResponseCategory.TRANSIENT, "Google could not be reached.", _NO_ACTION),
    ("server_error", ResponseCategory.TRANSIENT, "Google answered with a server error.", _NO_ACTION),
    ("not_json", ResponseCategory.TRANSIENT, "The answer was not from Google's token endpoint; a proxy, "
    "perhaps.", _NO_ACTION),
    ("no_access_token", ResponseCategory.TRANSIENT, "Google's answer held no access token.", _NO_ACTION),
    ("unknown_answer", ResponseCategory.TRANSIENT, "Google gave an answer that is not in the table.", _CHECK_TASK_LOG),
    ("write_failed", ResponseCategory.TRANSIENT, "The new access token could not be stored.", _NO_ACTION),
    ("throttled", ResponseCategory.THROTTLED, "Google asks for fewer requests.", _NO_ACTION),
    # the account
    ("never_granted", ResponseCategory.ACCOUNT, "Nobody has signed in with this mailbox yet.", _SIGN_IN_AGAIN),
    ("no_refresh_token", ResponseCategory.ACCOUNT, "No refresh token is stored for this mailbox.", _SIGN_IN_AGAIN),
    ("expired_as_foretold", ResponseCategory.ACCOUNT,
     "The grant reached the end that Google had announced; an app in 'Testing' gives seven days.",
     _SIGN_IN_AGAIN + " Publish the OAuth app first, or it ends again."),
    ("expired_or_revoked", ResponseCategory.ACCOUNT,
     "Google says that the grant is expired or revoked. Likely: access removed, or the password changed.",
     _SIGN_IN_AGAIN),
    ("expired_in_testing", ResponseCategory.ACCOUNT,
     "Google says that the grant is expired or revoked, seven days after the consent. Likely: the OAuth app is in "
     "'Testing'.", "Publish the OAuth app in the Google Cloud console, or it ends again. Then: " + _SIGN_IN_AGAIN),
    ("expired_idle", ResponseCategory.ACCOUNT,
     "Google says that the grant is expired or revoked. Likely: it was not used for six months.", _SIGN_IN_AGAIN),
    ("grant_refused", ResponseCategory.AMBIGUOUS,
     "Google refused the grant without saying why.", "Nothing yet: a second probe decides."),
    ("grant_refused_twice", ResponseCategory.ACCOUNT,
     "Google refused the grant twice without saying why.", _SIGN_IN_AGAIN),
    ("token_rejected", ResponseCategory.AMBIGUOUS,
     "Gmail rejected a fresh access token.", "Nothing yet: a second probe decides."),
    ("session_control", ResponseCategory.ACCOUNT,
     "The Workspace's session control asks the person to sign in again.",
     _SIGN_IN_AGAIN + " The administrator can exempt the app in the Admin console."),
    ("scope_missing", ResponseCategory.ACCOUNT,
     "The grant lacks the Gmail permission.", _SIGN_IN_AGAIN + " Leave the box for Gmail ticked."),
    ("account_deleted", ResponseCategory.GONE, "Google says that the account is deleted.",
     "Remove the mailbox, or pause it until the account is restored."),
    ("blocked_by_admin", ResponseCategory.BLOCKED, "The Workspace's administrator blocks this app.",
     "Ask the administrator to trust the app in the Admin console, under API controls."),
    ("gmail_disabled", ResponseCategory.UNUSABLE, "Gmail is switched off, suspended or locked for this user.",
     "Ask the Workspace's administrator, or the owner, to switch Gmail on or to unlock the account."),
    ("other_client", ResponseCategory.ACCOUNT,
     "The grant belongs to another OAuth client than the configured one.", _SIGN_IN_AGAIN),
    # mailboxes of a Workspace, reached by a service account
    ("delegation_missing", ResponseCategory.BLOCKED,
     "The Workspace does not let the service account act for this mailbox with the Gmail permission.",
     "In the Admin console, under Security, API controls, Domain-wide delegation: add the service account's numeric "
     "client id with the scope https://www.googleapis.com/auth/gmail.modify. Google may take 24 hours; it is tried "
     "again daily."),
    ("not_a_workspace_user", ResponseCategory.UNUSABLE,
     "Google knows no active user with this address: misspelt, suspended or deleted.",
     "Correct the address or remove the mailbox, or ask the Workspace's administrator to restore the user."),
    ("delegation_refused", ResponseCategory.BLOCKED,
     "Google refused the service account for this mailbox twice without saying why.",
     "Ask the Workspace's administrator to look at the user, and at Domain-wide delegation in the Admin console."),
    # the service account
    ("service_account_missing", ResponseCategory.APP, "Google knows no such service account: it is deleted or "
    "disabled.",
     "Enable or restore it in the Google Cloud console, or put another one's key into the " + _GOOGLE_CLOUD_CONNECTION),
    ("service_account_key", ResponseCategory.APP,
     "Google does not accept the service account's key: it is deleted, disabled or expired.",
     "Make a new JSON key in the Google Cloud console and put it into the " + _GOOGLE_CLOUD_CONNECTION),
    ("clock_wrong", ResponseCategory.APP, "This machine's clock is wrong: Google takes a signed request only at "
    "its time.",
     "Set the clock of the machine that runs the task, best by NTP."),
    # the app
    ("invalid_client", ResponseCategory.APP, "Google does not accept the OAuth client's secret.", _CHECK_CLIENT),
    ("deleted_client", ResponseCategory.APP, "The OAuth client is deleted.",
     "Restore it in the Google Cloud console within 30 days, or make another and sign in again."),
    ("disabled_client", ResponseCategory.APP, "The OAuth client is disabled.", _CHECK_CLIENT),
    ("unauthorized_client", ResponseCategory.APP, "The OAuth client may not use this grant.", _CHECK_CLIENT),
    ("bad_request", ResponseCategory.APP, "Google does not accept our token request.", _CHECK_TASK_LOG),
    ("api_disabled", ResponseCategory.APP, "The Gmail API is switched off in the Google Cloud project.",
     "Switch the Gmail API on in the Google Cloud console."),
    # our own storage
    ("undecryptable", ResponseCategory.LOCAL, "The stored token cannot be decrypted with the present Fernet keys.",
     "Put the former key behind the new one in AIRFLOW__CORE__FERNET_KEY."),
)  # fmt: skip
"""Every reason code. A code that is not here cannot be stored."""
