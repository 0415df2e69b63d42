"""One pass of the audit as a task or a command runs it: all grants, and the delegated mailboxes beside them."""

from __future__ import annotations

from collections.abc import Sequence

from gmail_warmup.airflow.services import Services
from gmail_warmup.audit.pipeline import Audit
from gmail_warmup.audit.results import AuditResult
from gmail_warmup.gmail.service_account import ServiceAccount
from gmail_warmup.oauth.grant_store import Actor


def run_audit_pass(services: Services, mailbox_ids: Sequence[int], *, actor: Actor, force: bool) -> AuditResult:
    """Probe these mailboxes and return what was found.

    Args:
        force: ask Google also about grants that were refreshed lately.
    """
    settings = services.settings
    delegation = ServiceAccount(
        settings.google_conn_id,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        tries=1,
    )
    with delegation:
        audit = Audit(
            services.grant_store,
            services.oauth_client,
            settings,
            actor=actor,
            force=force,
            delegated=delegation,
            meter=services.meter,
        )
        return audit.run(mailbox_ids)
