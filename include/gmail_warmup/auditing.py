"""One pass of the audit as a task or a command runs it: all grants, and the delegated mailboxes beside them."""

from __future__ import annotations

from collections.abc import Sequence

from gmail_warmup.gmail.delegation import Delegation
from gmail_warmup.grants.audit import Audit
from gmail_warmup.grants.findings import AuditResult
from gmail_warmup.grants.store import Actor
from gmail_warmup.services import Services


def probe(services: Services, mailbox_ids: Sequence[int], *, actor: Actor, force: bool) -> AuditResult:
    """Probe these mailboxes and return what was found.

    Args:
        force: ask Google also about grants that were refreshed lately.
    """
    settings = services.settings
    delegation = Delegation(
        settings.google_conn_id,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        tries=1,
    )
    with delegation:
        audit = Audit(
            services.store,
            services.client,
            settings,
            actor=actor,
            force=force,
            delegated=delegation,
            meter=services.meter,
        )
        return audit.run(mailbox_ids)
