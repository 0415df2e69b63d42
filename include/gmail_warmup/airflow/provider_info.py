"""Airflow's provider information of this package."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return DB manager, connection type, notifier and options."""
    from gmail_warmup.core.options import build_provider_options
    from gmail_warmup.core.settings import SECTION

    def text_field(title: str) -> dict[str, Any]:
        return {"label": title, "schema": {"type": ["string", "null"]}}

    return {
        "package-name": "gmail-warmup",
        "name": "Gmail Warmup",
        "description": "Warm Gmail mailboxes up and keep their OAuth grants alive.",
        "db-managers": ["gmail_warmup.db.manager.GmailWarmupDBManager"],
        "connection-types": [
            {
                "connection-type": "gmail_oauth_client",
                "hook-class-name": "gmail_warmup.airflow.gmail_hook.GmailHook",
                "hook-name": "Gmail OAuth client",
                "conn-fields": {
                    "auth_uri": text_field("Consent page (empty: Google's)"),
                    "token_uri": text_field("Token endpoint (empty: Google's)"),
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["host", "port", "schema"],
                    "relabeling": {"login": "Client id", "password": "Client secret"},
                    "placeholders": {"login": "1234567890-abc.apps.googleusercontent.com"},
                },
            }
        ],
        "notifications": ["gmail_warmup.airflow.notifier.GmailAlertsNotifier"],
        "config": {
            SECTION: {
                "description": "Settings of gmail-warmup: grants, audit, ramp, plan and engagement.",
                "options": build_provider_options(),
            }
        },
    }
