"""The last task of each DAG, which notifies the operator, and the asset that other DAGs can wait for."""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetAlias, task

NEEDS_REAUTH_URI = "gmail-warmup://needs-reauth"
"""URI of the asset that is updated when mailboxes are flagged. Its event's extra has their number as ``mailboxes``.

The asset is created in the task: it loads the URI handlers of all providers, which would slow down each parse.
"""

NEWLY_FLAGGED_ALIAS = AssetAlias("gmail-warmup-newly-flagged")
"""Alias of the asset: unlike an asset, it is updated only when the task adds an event."""


@task(trigger_rule="all_done", outlets=[NEWLY_FLAGGED_ALIAS])
def alerts(*, outlet_events: Any = None) -> dict[str, Any]:
    """Notify the operator, and update the asset if mailboxes were flagged."""
    from airflow.sdk import Asset

    from gmail_warmup.airflow.tasks.alerts import alert_operator

    counts = alert_operator()
    if counts["needs_reauth"]:
        outlet_events[NEWLY_FLAGGED_ALIAS].add(Asset(NEEDS_REAUTH_URI), extra={"mailboxes": counts["needs_reauth"]})
    return counts
