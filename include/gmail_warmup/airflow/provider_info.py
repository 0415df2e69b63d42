"""Airflow's provider information of this package."""

from __future__ import annotations

from typing import Any


def _describe_text_field(title: str) -> dict[str, Any]:
    return {"label": title, "schema": {"type": ["string", "null"]}}


CLIENT_CONNECTION_TYPE: dict[str, Any] = {
    "connection-type": "gmail_oauth_client",
    "hook-class-name": "gmail_warmup.airflow.oauth_client_hook.OAuthClientHook",
    "hook-name": "Gmail OAuth client",
    "conn-fields": {
        "auth_uri": _describe_text_field("Consent page (empty: Google's)"),
        "token_uri": _describe_text_field("Token endpoint (empty: Google's)"),
    },
    "ui-field-behaviour": {
        "hidden-fields": ["host", "port", "schema"],
        "relabeling": {"login": "Client id", "password": "Client secret"},
        "placeholders": {"login": "1234567890-abc.apps.googleusercontent.com"},
    },
}


WEBHOOK_CONNECTION_TYPE: dict[str, Any] = {
    "connection-type": "gmail_webhook",
    "hook-class-name": "gmail_warmup.airflow.webhooks.receiver_hook.WebhookReceiverHook",
    "hook-name": "Gmail webhook",
    "conn-fields": {"events": _describe_text_field("Events, separated by commas (empty: all)")},
    "ui-field-behaviour": {
        "hidden-fields": ["login", "port", "schema"],
        "relabeling": {"host": "URL", "password": "Secret (two, separated by a space, during a rotation)"},
        "placeholders": {"host": "https://hooks.example.com/gmail", "password": "whsec_..."},
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return DB manager, connection type, notifier and options."""
    from gmail_warmup.core.options import build_provider_options
    from gmail_warmup.core.settings import SECTION

    return {
        "package-name": "gmail-warmup",
        "name": "Gmail Warmup",
        "description": "Warm Gmail mailboxes up and keep their OAuth grants valid.",
        "db-managers": ["gmail_warmup.db.manager.GmailWarmupDBManager"],
        "connection-types": [CLIENT_CONNECTION_TYPE, WEBHOOK_CONNECTION_TYPE],
        "notifications": ["gmail_warmup.airflow.notifier.GmailAlertsNotifier"],
        "config": {
            SECTION: {
                "description": "Settings of gmail-warmup: grants, audit, ramp, plan and engagement.",
                "options": build_provider_options(),
            }
        },
    }
