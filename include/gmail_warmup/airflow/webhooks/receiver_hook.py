"""The hook of the Connection type ``gmail_webhook``: for Airflow's Test button."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from airflow.sdk import BaseHook

from gmail_warmup.airflow.configuration import load_settings
from gmail_warmup.airflow.provider_info import WEBHOOK_CONNECTION_TYPE
from gmail_warmup.airflow.webhooks.connections import load_receiver
from gmail_warmup.alerts.webhooks.messages import build_test_message
from gmail_warmup.alerts.webhooks.receivers import Receiver
from gmail_warmup.alerts.webhooks.sender import WebhookSender
from gmail_warmup.core.errors import GmailWarmupError


class WebhookReceiverHook(BaseHook):
    """Access to the receiver of webhooks of a Connection.

    Args:
        webhook_conn_id: the Connection.
    """

    conn_name_attr = "webhook_conn_id"
    default_conn_name = "gmail_webhook_default"
    conn_type = "gmail_webhook"
    hook_name = "Gmail webhook"

    def __init__(self, webhook_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.webhook_conn_id = webhook_conn_id

    def get_conn(self) -> Receiver:
        """Return the receiver.

        Raises:
            ConfigurationError: if the Connection is missing or malformed.
        """
        return load_receiver(self.webhook_conn_id, load_settings())

    def test_connection(self) -> tuple[bool, str]:
        """Send a test, which is not in the delivery log; return whether it was accepted, and a text."""
        settings = load_settings()
        try:
            receiver = load_receiver(self.webhook_conn_id, settings)
            sender = WebhookSender(
                receiver, timeout=settings.webhook_timeout, allow_private=settings.webhook_private_addresses
            )
            with closing(sender):
                sender.send(build_test_message())
        except GmailWarmupError as error:
            return False, str(error)
        return True, "The receiver accepted a test."

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return how Airflow shows the standard fields of the Connection."""
        behaviour = WEBHOOK_CONNECTION_TYPE["ui-field-behaviour"]
        return {name.replace("-", "_"): value for name, value in behaviour.items()}
