"""Circuit breaker for a Gmail API that is disabled in, or closed for a time to, the project of the OAuth client.

Token refreshes still succeed in that case, so this breaker is separate from the one of the token endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from gmail_warmup.db.models import Breaker as Row
from gmail_warmup.gmail.errors import GmailApiDisabledError, GmailError
from gmail_warmup.oauth.circuit_breaker import CircuitBreaker, RequestOutcome
from gmail_warmup.oauth.clients.names import GMAIL_API_PREFIX
from gmail_warmup.oauth.errors import CircuitOpenError
from gmail_warmup.oauth.reasons import REASONS

ANY_API_BREAKER_OPEN = sa.exists().where(
    Row.client_id.startswith(GMAIL_API_PREFIX), sa.or_(Row.opened_at.is_not(None), Row.cooldown_until > sa.func.now())
)
"""SQL condition: the breaker of the Gmail API is open for at least one client."""


@contextmanager
def require_api_enabled(
    engine: sa.Engine,
    get_client_id: Callable[[], str],
    *,
    mailbox_id: int,
    address: str,
    some_open: bool = True,
) -> Iterator[None]:
    """Run the body unless the breaker is open; open it if Gmail says so.

    It opens if the API is disabled, and for the time that Gmail names in a limit of the whole project.

    Args:
        get_client_id: returns the client id; called only if the breaker is read or written.
        some_open: the value of ``ANY_API_BREAKER_OPEN``; if false, the breaker is not read.

    Raises:
        CircuitOpenError: the breaker is open and no probe is due.
    """

    def make_breaker() -> CircuitBreaker:
        return CircuitBreaker(engine, f"{GMAIL_API_PREFIX}{get_client_id()}", lease=300)

    breaker = make_breaker() if some_open else None
    if breaker and (refusal := breaker.blocked_reason()):
        raise CircuitOpenError(address, refusal)
    try:
        yield
    except GmailError as error:
        if isinstance(error, GmailApiDisabledError) or (error.concerns_project_rate and error.retry_after):
            outcome = RequestOutcome(mailbox_id=mailbox_id, reason=error.meaning, retry_after=error.retry_after)
            (breaker or make_breaker()).record_outcomes([outcome])
        raise
    if breaker and breaker.probing:
        breaker.record_outcomes([RequestOutcome(mailbox_id=mailbox_id, reason=REASONS["ok"])])
