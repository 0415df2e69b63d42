"""The hook of the Connection type ``gmail_oauth_client``: for ``Connection.get_hook`` and Airflow's Test button."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook

from gmail_warmup.airflow.configuration import load_settings
from gmail_warmup.airflow.connections import load_oauth_client
from gmail_warmup.airflow.gmail_hook import GmailHook
from gmail_warmup.airflow.provider_info import CLIENT_CONNECTION_TYPE
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.core.settings import Settings
from gmail_warmup.oauth.client_check import judge_client, probe_client
from gmail_warmup.oauth.token_endpoint import OAuthClient


class OAuthClientHook(BaseHook):
    """Access to the OAuth client of a Connection. It belongs to no mailbox: ``get_mailbox_hook`` opens one.

    Args:
        gmail_conn_id: the Connection.
    """

    conn_name_attr = "gmail_conn_id"
    default_conn_name = "gmail_oauth_client"
    conn_type = "gmail_oauth_client"
    hook_name = "Gmail OAuth client"

    def __init__(self, gmail_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gmail_conn_id = gmail_conn_id

    def get_conn(self) -> OAuthClient:
        """Return the OAuth client.

        Raises:
            ConfigurationError: if the Connection is missing or incomplete.
        """
        return load_oauth_client(self._load_settings())

    def get_mailbox_hook(self, mailbox: str) -> GmailHook:
        """Return the hook of one mailbox, which has the methods of Gmail."""
        return GmailHook(mailbox)

    def test_connection(self) -> tuple[bool, str]:
        """Return whether Google knows the client id and accepts a secret, and a text; this needs no mailbox."""
        settings = self._load_settings()
        try:
            client = load_oauth_client(settings)
            probes = probe_client(client, connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout)
        except GmailWarmupError as error:
            return False, str(error)
        verdict = judge_client(client, probes)
        return verdict.works, f"{verdict.message} {verdict.remedy}".strip()

    def _load_settings(self) -> Settings:
        return load_settings().model_copy(update={"client_conn_id": self.gmail_conn_id})

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return how Airflow shows the standard fields of the Connection."""
        behaviour = CLIENT_CONNECTION_TYPE["ui-field-behaviour"]
        return {name.replace("-", "_"): value for name, value in behaviour.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form fields of the Connection's extra; used only by Airflow versions with WTForms."""
        from wtforms import StringField  # type: ignore[import-untyped]

        return {name: StringField(field["label"]) for name, field in CLIENT_CONNECTION_TYPE["conn-fields"].items()}
