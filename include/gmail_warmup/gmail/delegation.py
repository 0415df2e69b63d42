"""Mailboxes of a Workspace without grants: a service account with domain-wide delegation.

The Google provider's hook costs a second or two to import; only a delegated mailbox pays for it.
"""

from __future__ import annotations

from typing import Any


def delegated_credentials(address: str, conn_id: str, scopes: tuple[str, ...]) -> Any:
    """Return credentials of the Connection's service account that act for one mailbox.

    Raises:
        AirflowException: if the Connection is missing or holds no service account.
    """
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook

    credentials, _ = GoogleBaseHook(gcp_conn_id=conn_id).get_credentials_and_project_id()
    return credentials.with_scopes(list(scopes)).with_subject(address)
