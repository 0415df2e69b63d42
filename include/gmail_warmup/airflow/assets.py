"""The last task of each DAG, which notifies the operator, and the assets that other DAGs can wait for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetAlias, task

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from gmail_warmup.alerts.asset_changes import AssetChanges

NEEDS_REAUTH_URI = "gmail-warmup://needs-reauth"
"""URI of the asset that is updated when mailboxes are flagged; ``build_extra`` describes the extra of its events."""

RECOVERED_URI = "gmail-warmup://recovered"
"""URI of the asset that is updated when flagged mailboxes recover.

The assets are created in the task: they load the URI handlers of all providers, which would slow down each parse.
"""

NEWLY_FLAGGED_ALIAS = AssetAlias("gmail-warmup-newly-flagged")
NEWLY_RECOVERED_ALIAS = AssetAlias("gmail-warmup-newly-recovered")
"""Aliases of the assets: unlike an asset, an alias is updated only when the task adds an event."""

_REPORTED_KEY = "reported_mailboxes"
"""The XCom with the ids of the mailboxes that the events of a task are about."""

MAX_ADDRESSES = 500
"""Maximum number of addresses in an event: Airflow stores it in its database and passes it to every DAG that waits."""


def build_extra(addresses: Sequence[str]) -> dict[str, Any]:
    """Return the extra of an event: the number of mailboxes, the first addresses, and how many are left out."""
    return {
        "mailboxes": len(addresses),
        "addresses": list(addresses[:MAX_ADDRESSES]),
        "omitted": max(0, len(addresses) - MAX_ADDRESSES),
    }


def record_events(context: Context) -> None:
    """Store that Airflow has the events of the task ``alerts``: it takes them only from a task that succeeded.

    Airflow also calls this after it refused the success, for example because the task was cleared while it ran.
    """
    ti = context["ti"]
    reported = ti.xcom_pull(task_ids=ti.task_id, key=_REPORTED_KEY)
    if reported and _is_success(ti):
        from gmail_warmup.airflow.tasks.alerts import record_asset_events

        record_asset_events(context, **reported)


def _is_success(ti: RuntimeTaskInstanceProtocol) -> bool:
    """Return whether Airflow has stored the success of the task."""
    states = ti.get_task_states(ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id])
    return bool(states.get(ti.run_id, {}).get(ti.task_id) == "success")


@task(
    trigger_rule="all_done",
    outlets=[NEWLY_FLAGGED_ALIAS, NEWLY_RECOVERED_ALIAS],
    on_success_callback=record_events,
)
def alerts(*, outlet_events: Any = None) -> dict[str, Any]:
    """Notify the operator, send webhooks, and update the assets if mailboxes were flagged or recovered."""
    from airflow.sdk import Asset

    from gmail_warmup.airflow.tasks import execution
    from gmail_warmup.airflow.tasks.alerts import alert_operator

    def add_events(changes: AssetChanges) -> None:
        for alias, uri, mailboxes in (
            (NEWLY_FLAGGED_ALIAS, NEEDS_REAUTH_URI, changes.flagged),
            (NEWLY_RECOVERED_ALIAS, RECOVERED_URI, changes.recovered),
        ):
            if mailboxes:
                outlet_events[alias].add(Asset(uri), extra=build_extra(list(mailboxes.values())))
        if changes.flagged or changes.recovered:
            reported = {"flagged": list(changes.flagged), "recovered": list(changes.recovered)}
            execution.push_xcom(_REPORTED_KEY, reported)

    return alert_operator(add_events)
