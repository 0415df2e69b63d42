"""The table of reason codes, shared by code, page, report and docs: why a grant is in its state, and what to do.

Sources of the rules: Google's "Using OAuth 2.0" (refresh token expiration), "Reauthentication" of Google Cloud, and the
responses of Google's token endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from gmail_warmup.core.enums import GrantState, ResponseCategory
from gmail_warmup.core.reasons import ReasonBase, ReasonTable, build_reason_table


@dataclass(frozen=True, kw_only=True)
class Reason(ReasonBase):
    """A reason code with its texts for people."""

    category: ResponseCategory

    @property
    def flags_grant(self) -> bool:
        """Return whether this reason alone flags a grant."""
        return self.state not in (None, GrantState.ACTIVE, GrantState.SUSPECT)

    @property
    def state(self) -> GrantState | None:
        """Return the state of a grant with this reason, or None if the reason does not concern a grant."""
        return _STATE_BY_CATEGORY.get(self.category)


_STATE_BY_CATEGORY = {
    ResponseCategory.OK: GrantState.ACTIVE,
    ResponseCategory.ACCOUNT: GrantState.NEEDS_REAUTH,
    ResponseCategory.AMBIGUOUS: GrantState.SUSPECT,
    ResponseCategory.BLOCKED: GrantState.BLOCKED_BY_ADMIN,
    ResponseCategory.UNUSABLE: GrantState.DISABLED,
    ResponseCategory.GONE: GrantState.ACCOUNT_DELETED,
}

NEVER_GRANTED = "never_granted"
"""The reason of a new mailbox: it needs a person, but it has not stopped working."""

_SIGN_IN_AGAIN = "Press Re-authenticate on the page 'Gmail accounts' and sign in with this mailbox."
_NO_ACTION = "No action needed; it is retried automatically."
_CHECK_CLIENT = (
    "Check the Airflow Connection of the OAuth client (gmail_oauth_client unless set otherwise) against the client in "
    "the Google Cloud console."
)
_READ_NOTICES = (
    "Read Google's notices about the project, in the Google Cloud console and in the e-mail of its owners, and appeal "
    "against the decision there."
)
_CHECK_TASK_LOG = "Read the log of the task, then correct the request or the Google Cloud project."
_GOOGLE_CLOUD_CONNECTION = "Airflow Connection of the service account (google_cloud_default unless set otherwise)."


_ROWS = (
    ("ok", ResponseCategory.OK, "Google issued an access token.", ""),
    # transport and servers
    ("unreachable", ResponseCategory.TRANSIENT, "Google could not be reached.", _NO_ACTION),
    ("tls_untrusted", ResponseCategory.TRANSIENT,
     "The certificate of the server that answers for Google is not trusted. Likely: a proxy inspects connections.",
     "Ask the administrator of the network for the proxy's CA certificate. Append it to a PEM file with the public "
     "certificates, and set REQUESTS_CA_BUNDLE to that file for all components of Airflow."),
    ("proxy_failed", ResponseCategory.TRANSIENT,
     "There is no connection to Google through the proxy: it cannot be reached, or it refuses the connection.",
     "Check HTTPS_PROXY, with its user name and password, for all components of Airflow, and that the proxy allows "
     "oauth2.googleapis.com and gmail.googleapis.com."),
    ("server_error", ResponseCategory.TRANSIENT, "Google returned a server error.", _NO_ACTION),
    ("not_json", ResponseCategory.TRANSIENT, "The response is not from Google. Likely: a proxy, or the "
     "login page of a network.", "No action needed if it ends; it is retried automatically. If it lasts, check the "
     "network and the proxy."),
    ("no_access_token", ResponseCategory.TRANSIENT, "Google's response contains no access token.", _NO_ACTION),
    ("unusable_answer", ResponseCategory.TRANSIENT, "Google's response contains a value that cannot be used.",
     _NO_ACTION),
    ("unknown_answer", ResponseCategory.TRANSIENT, "Google returned an unknown response.", _CHECK_TASK_LOG),
    ("write_failed", ResponseCategory.TRANSIENT, "The new access token could not be stored.", _NO_ACTION),
    ("throttled", ResponseCategory.THROTTLED, "Google limits the rate of requests.", _NO_ACTION),
    ("mailbox_throttled", ResponseCategory.THROTTLED, "Gmail limits the rate of calls to this mailbox.", _NO_ACTION),
    ("sending_limit_reached", ResponseCategory.THROTTLED, "The mailbox has reached Google's daily sending limit.",
     "No action needed; sending resumes on the next day."),
    # Google's own quotas are per minute: https://developers.google.com/gmail/api/reference/quota
    ("project_quota", ResponseCategory.THROTTLED, "The daily cap that the Google Cloud project's owner set is reached.",
     "Raise it in the Google Cloud console, or wait for the next day."),
    # the account
    (NEVER_GRANTED, ResponseCategory.ACCOUNT, "No one has signed in with this mailbox yet.", _SIGN_IN_AGAIN),
    ("no_refresh_token", ResponseCategory.ACCOUNT, "No refresh token is stored for this mailbox.", _SIGN_IN_AGAIN),
    ("expired_as_foretold", ResponseCategory.ACCOUNT,
     "The grant expired at the announced time; for an app in 'Testing' this is after seven days.",
     _SIGN_IN_AGAIN + " Publish the OAuth app first, otherwise it expires again."),
    ("expired_or_revoked", ResponseCategory.ACCOUNT,
     "Google says that the grant is expired or revoked. Likely: access removed, or the password changed.",
     _SIGN_IN_AGAIN),
    ("expired_in_testing", ResponseCategory.ACCOUNT,
     "Google says that the grant is expired or revoked, seven days after the consent. Likely: the OAuth app is in "
     "'Testing'.", "Publish the OAuth app in the Google Cloud console, otherwise it expires again. Then: "
     + _SIGN_IN_AGAIN),
    ("expired_idle", ResponseCategory.ACCOUNT,
     "Google says that the grant is expired or revoked. Likely: it was not used for six months.", _SIGN_IN_AGAIN),
    ("grant_refused", ResponseCategory.AMBIGUOUS,
     "Google refused the grant without a reason.", "No action needed yet; a second probe decides."),
    ("grant_refused_twice", ResponseCategory.ACCOUNT,
     "Google refused the grant twice without a reason.", _SIGN_IN_AGAIN),
    ("token_rejected", ResponseCategory.AMBIGUOUS,
     "Gmail rejected a new access token.", "No action needed yet; a second probe decides."),
    ("token_rejected_twice", ResponseCategory.ACCOUNT,
     "Gmail rejected new access tokens twice, although Google had issued them.",
     _SIGN_IN_AGAIN + " It is also probed daily with a Gmail call."),
    ("precondition_failed", ResponseCategory.AMBIGUOUS,
     "Gmail says that a precondition of the call is not met. Mostly this passes; if it lasts, the account is suspended "
     "or locked.", "No action needed yet; a second probe decides."),
    ("session_control", ResponseCategory.ACCOUNT,
     "Session control of Google Cloud requires a new sign-in.",
     _SIGN_IN_AGAIN + " The administrator can exempt the app in the Admin console, under Google Cloud session control, "
     "or in Access Context Manager."),
    ("scope_missing", ResponseCategory.ACCOUNT,
     "The grant lacks the Gmail permission.", _SIGN_IN_AGAIN + " Keep the checkbox for Gmail selected."),
    ("account_deleted", ResponseCategory.GONE, "Google says that the account is deleted.",
     "Pause the mailbox, so that it no longer counts as needing a person."),
    ("blocked_by_admin", ResponseCategory.BLOCKED, "The administrator of the Workspace blocks this app.",
     "Ask the administrator to trust the app in the Admin console, under API controls."),
    ("gmail_disabled", ResponseCategory.UNUSABLE, "Gmail is switched off, suspended or locked for this user.",
     "Ask the administrator of the Workspace, or the owner, to switch Gmail on or to unlock the account."),
    ("other_client", ResponseCategory.ACCOUNT,
     "The grant belongs to another OAuth client than the configured one.", _SIGN_IN_AGAIN),
    # mailboxes of a Workspace, accessed by a service account
    ("delegation_missing", ResponseCategory.BLOCKED,
     "The Workspace does not allow the service account to access this mailbox with the Gmail scope.",
     "In the Admin console, under Security, API controls, Domain-wide delegation: add the service account's numeric "
     "client id with the scope https://www.googleapis.com/auth/gmail.modify. Google may take 24 hours; it is retried "
     "daily."),
    ("not_a_workspace_user", ResponseCategory.UNUSABLE,
     "Google knows no active user with this address: misspelt, suspended or deleted.",
     "If the address is wrong, pause the mailbox and add the correct one. Otherwise ask the administrator of the "
     "Workspace to restore the user."),
    ("delegation_refused", ResponseCategory.BLOCKED,
     "Google refused the service account for this mailbox twice without a reason.",
     "Ask the administrator of the Workspace to check the user, and Domain-wide delegation in the Admin console."),
    # the service account
    ("service_account_missing", ResponseCategory.APP, "The service account does not exist: it is deleted or "
    "disabled.",
     "Enable or restore it in the Google Cloud console, or put the key or the address of another one into the "
     + _GOOGLE_CLOUD_CONNECTION),
    ("service_account_key", ResponseCategory.APP,
     "Google does not accept the service account's key: it is deleted, disabled or expired.",
     "Create a new JSON key in the Google Cloud console and put it into the " + _GOOGLE_CLOUD_CONNECTION),
    ("clock_wrong", ResponseCategory.APP, "This machine's clock is wrong, so Google rejects the signed "
    "request.",
     "Set the clock of the machine that runs the task, preferably with NTP."),
    ("signing_denied", ResponseCategory.APP,
     "The credentials of this machine may not sign for the service account, or it does not exist.",
     "In the Google Cloud console, grant them the role Service Account Token Creator on the service account that the "
     "Connection names; in a chain, on the first one, and to each account on the next one. It may take some minutes."),
    ("signing_api_disabled", ResponseCategory.APP,
     "The IAM Service Account Credentials API is switched off in the Google Cloud project.",
     "Switch on the API iamcredentials.googleapis.com in the project of this machine's credentials."),
    ("source_credentials", ResponseCategory.APP,
     "Google does not accept the credentials of this machine (application default credentials), with which it signs "
     "for the service account.",
     "Check the workload identity, the file in GOOGLE_APPLICATION_CREDENTIALS, or the access scopes of the virtual "
     "machine, which must include cloud-platform."),
    # the directory of a Workspace
    ("directory_not_delegated", ResponseCategory.REQUEST,
     "The Workspace does not allow the service account to read its directory.",
     "In the Admin console, under Security, API controls, Domain-wide delegation: add to the service account's numeric "
     "client id the scopes https://www.googleapis.com/auth/admin.directory.user.readonly and, for groups, "
     "https://www.googleapis.com/auth/admin.directory.group.member.readonly. Google may take 24 hours."),
    ("directory_denied", ResponseCategory.REQUEST,
     "The administrator whom the service account acts for may not read this part of the directory.",
     "In the Admin console, under Account, Admin roles: give that user a role with the privilege to read users, and "
     "for groups to read groups."),
    ("directory_api_disabled", ResponseCategory.REQUEST,
     "The Admin SDK API is switched off in the Google Cloud project.",
     "Switch on the API admin.googleapis.com in the project of the service account."),
    ("directory_not_found", ResponseCategory.REQUEST, "The directory knows no such group.",
     "Check the address of the group."),
    # the app
    ("invalid_client", ResponseCategory.APP, "Google does not accept the OAuth client's secret.", _CHECK_CLIENT),
    ("deleted_client", ResponseCategory.APP, "The OAuth client is deleted.",
     "Restore it in the Google Cloud console within 30 days, or create another and sign in again."),
    ("disabled_client", ResponseCategory.APP, "Google disabled the OAuth client.", _READ_NOTICES),
    ("client_not_configured", ResponseCategory.APP,
     "The Airflow Connection of the OAuth client is missing or malformed.",
     "Run gmail-warmup doctor, which names the Connection and its error."),
    ("unauthorized_client", ResponseCategory.APP, "The OAuth client may not use this grant.",
     _CHECK_CLIENT + " If they match, read Google's notices about the project."),
    ("bad_request", ResponseCategory.APP, "Google does not accept our token request.", _CHECK_TASK_LOG),
    ("api_disabled", ResponseCategory.APP, "The Gmail API is switched off in the Google Cloud project.",
     "Switch the Gmail API on in the Google Cloud console."),
    ("redirect_uri_mismatch", ResponseCategory.APP, "The redirect URI of this installation is missing in the OAuth "
     "client.", "In the Google Cloud console, add exactly the redirect URI of this installation to the OAuth client."),
    # one request
    ("code_used", ResponseCategory.REQUEST,
     "This answer of Google is used up: it can be used once, within a few minutes.", "Start again."),
    ("request_refused", ResponseCategory.REQUEST, "Gmail does not accept the request.", _CHECK_TASK_LOG),
    ("not_found", ResponseCategory.REQUEST, "The message, draft or label no longer exists in the mailbox.",
     "No action needed if a person deleted it."),
    # our own storage
    ("undecryptable", ResponseCategory.LOCAL, "The stored token cannot be decrypted with the current Fernet keys.",
     "Append the former key to the new one in AIRFLOW__CORE__FERNET_KEY, separated by a comma."),
    # a DAG without success
    ("dag_overdue", ResponseCategory.LOCAL, "A DAG of this package has had no success although a run was due.",
     "Read the logs of its last runs in Airflow. If there are none, check the scheduler, the DAG processor and the "
     "workers. The command gmail-warmup doctor reports the state of each DAG."),
    ("dag_paused", ResponseCategory.LOCAL, "A DAG of this package is paused, so its runs do not start.",
     "Unpause it in Airflow. While it stays paused, this is not reported again."),
)  # fmt: skip

REASONS: ReasonTable[Reason] = build_reason_table(
    Reason(code=code, category=category, message=message, remedy=remedy) for code, category, message, remedy in _ROWS
)
"""All reason codes. No other code can be stored."""

_CONFIRMED_CODES = {"token_rejected": "token_rejected_twice", "precondition_failed": "gmail_disabled"}


def confirm_reason(reason: Reason) -> Reason:
    """Return the reason of a grant that the same party has refused twice with an ambiguous answer."""
    return REASONS[_CONFIRMED_CODES.get(reason.code, "grant_refused_twice")]
