"""Access tokens for delegated mailboxes: asked anew every time, through the service account."""

from __future__ import annotations

import logging
import time
from typing import NoReturn

from gmail_warmup.core.enums import FLAGGED, AnswerClass, GrantState
from gmail_warmup.core.log_context import event
from gmail_warmup.core.metrics import NO_METER, REFRESH, REFRESH_TIME, Meter
from gmail_warmup.gmail.service_account import Delegation
from gmail_warmup.oauth.access_tokens import AccessToken
from gmail_warmup.oauth.circuit_breaker import Breaker, Outcome
from gmail_warmup.oauth.delegation_errors import reason_for
from gmail_warmup.oauth.errors import error_for
from gmail_warmup.oauth.grant_store import Actor, GrantStore, StoredGrant
from gmail_warmup.oauth.grant_updates import Write
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import Verdict

log = logging.getLogger(__name__)


class DelegatedTokens:
    """Hand out access tokens of delegated mailboxes.

    A token is asked anew by whoever needs one, and stored nowhere: there is no refresh token to protect, and no
    request that could spoil another. What a refusal says goes into the mailbox's row, as for any grant.
    """

    def __init__(
        self,
        store: GrantStore,
        delegation: Delegation,
        *,
        actor: Actor,
        lease: int = 60,
        meter: Meter = NO_METER,
    ) -> None:
        self._store, self._delegation, self._actor, self._meter = store, delegation, actor, meter
        self._breaker = Breaker(store.engine, delegation.breaker_key, lease=lease)
        self._last: tuple[str, float] | None = None

    def get(self, address: str, *, rejected: str | None = None, known: StoredGrant | None = None) -> AccessToken:
        """Return a valid access token for a mailbox.

        Args:
            rejected: the access token that Gmail refused, if it did; it is not handed out again.
            known: the mailbox's row, where the caller has just read it.

        Raises:
            FlaggedGrantError: the mailbox needs an administrator, or its next probe.
            SuspectGrantError: Google's answer may mean so; a second probe decides.
            TransientGrantError: Google or the network is in trouble, and the last token is not valid any more.
            OAuthClientError: the service account or this machine's clock is wrong.
            NotAskedError: the breaker is open.
            ConfigurationError: the Connection is missing or holds no usable service account.
            UnknownMailboxError: no mailbox has this address.
        """
        grant = known or self._store.read(address)
        if grant.state in FLAGGED or grant.awaits_probe:
            raise error_for(address, REASONS[grant.reason or "delegation_refused"])
        started = time.monotonic()
        verdict = self._ask(grant)
        if verdict.reason.answer is AnswerClass.OK:
            self._recovered(grant)
            self._last = verdict.access_token, started + verdict.expires_in
            return AccessToken(token=verdict.access_token, seconds=self._last[1] - time.monotonic())
        if verdict.reason.state is not None:
            self._refused(grant, verdict)
        if usable := self._usable(rejected):
            text, code = "Asking for %s failed [%s]; its token is still valid", verdict.reason.code
            event(log, logging.WARNING, text, address, code, mailbox=address, reason_code=code)
            return usable
        raise error_for(address, verdict.reason, verdict.retry_after, asked=verdict.asked)

    def _ask(self, grant: StoredGrant) -> Verdict:
        if closed := self._breaker.refusal():
            return Verdict(reason=closed, asked=False)
        started = time.monotonic()
        verdict = self._delegation.verdict(grant.address)
        self._meter.count(REFRESH, verdict.reason.answer)
        self._meter.time(REFRESH_TIME, time.monotonic() - started)
        self._breaker.note(
            [Outcome(mailbox_id=grant.mailbox_id, reason=verdict.reason, retry_after=verdict.retry_after)]
        )
        return verdict

    def _recovered(self, grant: StoredGrant) -> None:
        if grant.state is not GrantState.ACTIVE:
            self._store.record([Write(grant=grant, state=GrantState.ACTIVE, verified=True)], actor=self._actor)

    def _refused(self, grant: StoredGrant, verdict: Verdict) -> NoReturn:
        reason = reason_for(grant, verdict.reason)
        written = self._store.record_reason(grant, reason, actor=self._actor)
        code = written.reason if written and written.reason else reason.code
        text, address = "Delegated mailbox %s: %s [%s]", grant.address
        event(log, logging.WARNING, text, address, REASONS[code].sentence, code, mailbox=address, reason_code=code)
        raise error_for(address, REASONS[code])

    def _usable(self, rejected: str | None) -> AccessToken | None:
        """Return the token of before, if it is valid and Gmail did not refuse it."""
        if self._last is None or self._last[0] == rejected:
            return None
        seconds = self._last[1] - time.monotonic()
        return AccessToken(token=self._last[0], seconds=seconds) if seconds > 0 else None
