"""Run one pass of the audit, for a task or a command: the grants of each OAuth client, and the delegated mailboxes."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.airflow.services import Services
from gmail_warmup.audit.pipeline import Audit, ignore_progress
from gmail_warmup.audit.results import AuditOutcome, AuditResult
from gmail_warmup.core.enums import IncidentKind
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.models import ClientRegistration, OAuthGrant
from gmail_warmup.oauth.clients.registry import record_client_id
from gmail_warmup.oauth.grant import CLIENT_CONN_ID, Actor
from gmail_warmup.oauth.incidents import open_incident
from gmail_warmup.oauth.reasons import REASONS

log = logging.getLogger(__name__)


def run_audit_pass(
    services: Services,
    mailbox_ids: Sequence[int],
    *,
    actor: Actor,
    force: bool,
    progress: Callable[[int], None] = ignore_progress,
) -> AuditResult:
    """Probe these mailboxes, one OAuth client after the other, and return the result.

    Args:
        force: also probe grants that were refreshed recently.
        progress: called with the number of mailboxes whose result is known.

    Raises:
        ConfigurationError: the Connection of the default client is not usable; the other clients were audited before.
    """
    results: list[AuditResult] = []
    for conn_id, ids in _group_by_client(services, mailbox_ids).items():
        done = sum(result.count(*result.counts) for result in results)

        def report_progress(count: int, done: int = done) -> None:
            progress(done + count)

        try:
            results.append(_audit_client(services, conn_id, ids, actor=actor, force=force, progress=report_progress))
        except ConfigurationError as error:
            if conn_id == services.settings.client_conn_id:
                raise
            results.append(_skip_client(services, conn_id, len(ids), error))
    return AuditResult.merge(results)


def _group_by_client(services: Services, mailbox_ids: Sequence[int]) -> Mapping[str, Sequence[int]]:
    """Return the mailboxes by the Connection of their client, those of the default client last.

    A mailbox without a grant, a delegated one, and a grant of an unknown client count as those of the default client.
    """
    default = services.settings.client_conn_id
    is_listed = OAuthGrant.mailbox_id == sa.any_(sa.literal(list(mailbox_ids), ARRAY(sa.BigInteger())))
    with read_transaction(services.engine) as connection:
        query = sa.select(OAuthGrant.mailbox_id, CLIENT_CONN_ID).where(is_listed, CLIENT_CONN_ID.is_not(None))
        clients: dict[int, str] = {mailbox_id: conn_id for mailbox_id, conn_id in connection.execute(query)}
    grouped = defaultdict[str, list[int]](list)
    for mailbox_id in mailbox_ids:
        grouped[clients.get(mailbox_id, default)].append(mailbox_id)
    return dict(sorted(grouped.items(), key=lambda item: (item[0] == default, item[0])))


def _audit_client(
    services: Services,
    conn_id: str,
    mailbox_ids: Sequence[int],
    *,
    actor: Actor,
    force: bool,
    progress: Callable[[int], None],
) -> AuditResult:
    client = services.get_client(conn_id)
    with write_transaction(services.engine) as connection:
        record_client_id(connection, conn_id, client.client_id)
    with services.build_service_account(tries=1) as delegation:
        audit = Audit(
            services.grant_store,
            client,
            services.settings,
            actor=actor,
            force=force,
            delegated=delegation,
            meter=services.meter,
        )
        return audit.run(mailbox_ids, progress=progress)


def _skip_client(services: Services, conn_id: str, mailboxes: int, error: ConfigurationError) -> AuditResult:
    """Report a client whose Connection is not usable, and return its mailboxes as not reached."""
    log.error("The mailboxes of the OAuth client %s are not audited: %s", conn_id, error)
    reason = REASONS["client_not_configured"]
    with write_transaction(services.engine) as connection:
        query = sa.select(ClientRegistration.client_id).where(ClientRegistration.conn_id == conn_id)
        key = connection.scalar(query) or conn_id
        open_incident(connection, IncidentKind.APP_ERROR, key=key, reason=reason.code, detail={"mailboxes": mailboxes})
    return AuditResult(counts={AuditOutcome.APP_ERROR: mailboxes}, stop_reason=reason.code)
