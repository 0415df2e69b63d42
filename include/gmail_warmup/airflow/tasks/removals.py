"""The function that continues the removals of mailboxes, and deletes results of consents that nobody decided on."""

from __future__ import annotations

import time

from gmail_warmup.airflow.tasks import execution
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.mailboxes import removals
from gmail_warmup.oauth.consent import kept_results
from gmail_warmup.warmup.removal.run import continue_removal

_SECONDS = 240.0
"""How long one run works on removals, so that the next run, which also sends alerts, is not late."""


def continue_removals() -> dict[str, int]:
    """Take the steps that are left of every removal that is due; return how many are finished and how many wait."""
    with execution.translate_errors():
        services = execution.build_services()
        with write_transaction(services.engine) as connection:
            kept_results.delete_expired(connection)
            due = removals.find_due(connection)
        finished, ends = 0, time.monotonic() + _SECONDS
        for removal_id in due:
            if time.monotonic() < ends:
                finished += continue_removal(services.removal_tools, removal_id, ends=ends).is_done
    return {"finished": finished, "waiting": len(due) - finished}
