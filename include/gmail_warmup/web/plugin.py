"""Airflow plugin: the page "Gmail accounts", and the listener that preloads what tasks need.

Airflow loads it through the entry point ``airflow.plugins``, in every process, tasks included, so the application is
imported only in the api-server.
"""

from __future__ import annotations

import functools
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from gmail_warmup.airflow import preload
from gmail_warmup.airflow.configuration import is_enabled
from gmail_warmup.core.enums import DagId

# Relative addresses, since Airflow may be served below a path.
_APPEARANCE = {
    "name": "Gmail accounts",
    "icon": "gmail-warmup/static/icon-light.svg",
    "icon_dark_mode": "gmail-warmup/static/icon-dark.svg",
}
_PAGE = _APPEARANCE | {"href": "gmail-warmup/", "url_route": "gmail-accounts", "destination": "nav"}
_TAB = _APPEARANCE | {
    "href": "gmail-warmup/dag/{DAG_ID}",
    "url_route": "gmail-accounts-tab",
    "destination": "dag",
    "applies_to": {"dag_ids": [dag_id.value for dag_id in DagId]},  # read by Airflow 3.4; 3.3 shows it on every DAG
}


class GmailWarmupPlugin(AirflowPlugin):
    """Mount the application, add its page to the menu and its tab to the DAGs, and register the listener."""

    name = "gmail_warmup"
    listeners = [preload]  # noqa: RUF012  declared so by Airflow

    @functools.cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the page, and the tab of the DAGs unless ``[gmail_warmup] dag_tab`` is off."""
        return [_PAGE, _TAB] if is_enabled("dag_tab") else [_PAGE]

    @functools.cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the application; only the api-server accesses this property."""
        from gmail_warmup.web.app import create_app

        return [{"app": create_app(), "url_prefix": "/gmail-warmup", "name": "Gmail Warmup"}]

    @functools.cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the middleware of the api-server; only the api-server accesses this property."""
        from gmail_warmup.web.frame_paths import FramePathMiddleware

        return [{"middleware": FramePathMiddleware, "name": "Gmail Warmup: frame"}]
