"""Open an incident for a domain whose mail Google does not authenticate; the first mail that passes closes it."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.core.enums import AuthenticationMethod, AuthenticationResult, IncidentKind
from gmail_warmup.db.engine import retry_conflict, write_transaction
from gmail_warmup.db.models import DomainAuthentication
from gmail_warmup.domains.authentication import ALERTED_AFTER
from gmail_warmup.oauth.incidents import close_other_incidents, open_incident

_D = DomainAuthentication
_SELECT_FAILING = (
    sa.select(_D.domain, _D.result)
    .where(_D.method == AuthenticationMethod.DMARC, _D.failures >= ALERTED_AFTER)
    .order_by(_D.domain)
)


@retry_conflict
def update_authentication_incidents(engine: sa.Engine) -> None:
    """Compare the open incidents with the last reports of all domains, before alerts are composed."""
    with write_transaction(engine) as connection:
        failing = connection.execute(_SELECT_FAILING).all()
        for row in failing:
            reason = "dmarc_failed" if row.result == AuthenticationResult.FAIL else "unauthenticated"
            open_incident(connection, IncidentKind.UNAUTHENTICATED, key=row.domain, reason=reason)
        close_other_incidents(connection, IncidentKind.UNAUTHENTICATED, keys=[row.domain for row in failing])
