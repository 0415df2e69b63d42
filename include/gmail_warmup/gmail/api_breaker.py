"""The breaker of the Gmail API: where it is switched off for the OAuth client's project, no mailbox is to blame.

Refreshing works all the while, so this is not the breaker of the token endpoint.
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
"""Whether the Gmail API is known to be switched off for any client, as a condition of other statements."""


@contextmanager
def require_api_enabled(
    engine: sa.Engine, client_id: str, *, mailbox_id: int, address: str, some_open: bool = True
) -> Iterator[None]:
    """Work in a mailbox while the Gmail API is switched on; the first who finds it off spares the others.

    Args:
        some_open: ``SOME_OPEN``, where the caller has just asked for it.

    Raises:
        NotAskedError: it is known to be off, and no probe is due.
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
