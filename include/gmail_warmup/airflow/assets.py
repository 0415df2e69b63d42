"""What both DAGs end with: the task that tells the operator, and the asset that other DAGs may wait for."""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetAlias, task

NEEDS_REAUTH_URI = "gmail-warmup://needs-reauth"
"""URI of the asset that is updated when mailboxes newly need a person; the event's extra holds their number as
``mailboxes``. Only its URI stands here: making an Asset loads the URI handlers of every provider, in each parse."""

NEWLY_FLAGGED_ALIAS = AssetAlias("gmail-warmup-newly-flagged")
"""Stands for NEEDS_REAUTH in the task below: an alias is updated only when there is something to say."""


@task(trigger_rule="all_done", outlets=[NEWLY_FLAGGED_ALIAS])
def alerts(*, outlet_events: Any = None) -> dict[str, Any]:
    """Tell the operator what is new; update the asset if somebody newly needs a person."""
    from airflow.sdk import Asset

    from gmail_warmup.airflow import tasks

    told = tasks.alert_operator()
    if told["needs_reauth"]:
        outlet_events[NEWLY_FLAGGED_ALIAS].add(Asset(NEEDS_REAUTH_URI), extra={"mailboxes": told["needs_reauth"]})
    return told
