"""The page "Gmail accounts" in Airflow's menu.

Airflow imports this file in every process, tasks included, so the application is imported only where it is served.
"""

from __future__ import annotations

import functools
from typing import Any

from airflow.plugins_manager import AirflowPlugin


class GmailWarmupPlugin(AirflowPlugin):
    """Mount the application and put its page into the menu."""

    name = "gmail_warmup"

    # Relative addresses: they hold under whatever path Airflow is served.
    external_views = [  # noqa: RUF012  Airflow declares it as an attribute of the instance
        {
            "name": "Gmail accounts",
            "href": "gmail-warmup/",
            "url_route": "gmail-accounts",
            "destination": "nav",
            "icon": "gmail-warmup/static/icon-light.svg",
            "icon_dark_mode": "gmail-warmup/static/icon-dark.svg",
        }
    ]

    @functools.cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the application; asked for in the api-server alone."""
        from gmail_warmup.web.app import create_app

        return [{"app": create_app(), "url_prefix": "/gmail-warmup", "name": "Gmail Warmup"}]
