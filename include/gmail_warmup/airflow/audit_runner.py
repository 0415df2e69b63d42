"""Run one pass of the audit, for a task or a command: all grants, and the delegated mailboxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gmail_warmup.airflow.services import Services
from gmail_warmup.audit.pipeline import Audit, ignore_progress
from gmail_warmup.audit.results import AuditResult
from gmail_warmup.oauth.grant import Actor


def run_audit_pass(
    services: Services,
    mailbox_ids: Sequence[int],
    *,
    actor: Actor,
    force: bool,
    progress: Callable[[int], None] = ignore_progress,
) -> AuditResult:
    """Probe these mailboxes and return the result.

    Args:
        force: also probe grants that were refreshed recently.
        progress: called with the number of mailboxes whose result is known.
    """
    with services.build_service_account(tries=1) as delegation:
        audit = Audit(
            services.grant_store,
            services.oauth_client,
            services.settings,
            actor=actor,
            force=force,
            delegated=delegation,
            meter=services.meter,
        )
        return audit.run(mailbox_ids, progress=progress)
