"""Circuit breaker for a Gmail API that is disabled in the Google Cloud project of the OAuth client.

Token refreshes still succeed in that case, so this breaker is separate from the one of the token endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from gmail_warmup.db.models import Breaker as Row
from gmail_warmup.gmail.errors import GmailApiDisabledError
from gmail_warmup.oauth.circuit_breaker import CircuitBreaker, RequestOutcome
from gmail_warmup.oauth.errors import CircuitOpenError
from gmail_warmup.oauth.reasons import REASONS

_KEY_PREFIX = "Gmail API of "
ANY_API_BREAKER_OPEN = sa.exists().where(
    Row.client_id.startswith(_KEY_PREFIX), sa.or_(Row.opened_at.is_not(None), Row.cooldown_until > sa.func.now())
)
"""SQL condition: the breaker of the Gmail API is open for at least one client."""


@contextmanager
def require_api_enabled(
    engine: sa.Engine, client_id: str, *, mailbox_id: int, address: str, some_open: bool = True
) -> Iterator[None]:
    """Run the body unless the breaker is open; open it if Gmail reports that the API is disabled.

    Args:
        some_open: the value of ``ANY_API_BREAKER_OPEN``; if false, the breaker is not read.

    Raises:
        CircuitOpenError: the breaker is open and no probe is due.
    """
    breaker = CircuitBreaker(engine, f"{_KEY_PREFIX}{client_id}", lease=300)
    if some_open and (refusal := breaker.blocked_reason()):
        raise CircuitOpenError(address, refusal)
    try:
        yield
    except GmailApiDisabledError:
        breaker.record_outcomes([RequestOutcome(mailbox_id=mailbox_id, reason=REASONS["api_disabled"])])
        raise
    if breaker.probing:
        breaker.record_outcomes([RequestOutcome(mailbox_id=mailbox_id, reason=REASONS["ok"])])
