"""The page "Gmail accounts" in Airflow's menu, and the loading of what tasks need before they are forked.

Airflow imports this file in every process, tasks included, so the application is imported only where it is served.
"""

from __future__ import annotations

import functools
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from gmail_warmup.airflow import listener

# Relative addresses: they hold under whatever path Airflow is served.
_LOOK = {
    "name": "Gmail accounts",
    "icon": "gmail-warmup/static/icon-light.svg",
    "icon_dark_mode": "gmail-warmup/static/icon-dark.svg",
}
_PAGE = _LOOK | {"href": "gmail-warmup/", "url_route": "gmail-accounts", "destination": "nav"}
_TAB = _LOOK | {"href": "gmail-warmup/dag/{DAG_ID}", "url_route": "gmail-accounts-tab", "destination": "dag"}


class GmailWarmupPlugin(AirflowPlugin):
    """Mount the application, put its page into the menu and its tab on the DAGs; listen to what starts."""

    name = "gmail_warmup"
    listeners = [listener]  # noqa: RUF012  so Airflow declares it

    @functools.cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the page of the menu, and the tab of the DAGs unless ``[gmail_warmup] dag_tab`` switches it off."""
        from airflow.configuration import conf

        # Read here and not by gmail_warmup.core.settings, which would cost every process the import of pydantic.
        tab = conf.get("gmail_warmup", "dag_tab", fallback="True").strip().lower() not in ("false", "0", "no", "off")
        return [_PAGE, _TAB] if tab else [_PAGE]

    @functools.cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the application; asked for in the api-server alone."""
        from gmail_warmup.web.app import create_app

        return [{"app": create_app(), "url_prefix": "/gmail-warmup", "name": "Gmail Warmup"}]
