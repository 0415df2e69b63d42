"""One run of the OAuth flow: the link to Google's consent page, and the callback.

Nothing is written to a mailbox or a grant before the callback has checked the state (single use, unexpired, same user
or same invite, same browser), what was granted, that a refresh token came, and which mailbox signed in.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import sqlalchemy as sa

from gmail_warmup.core.enums import InviteState, ResponseCategory
from gmail_warmup.core.errors import TooManyConsentsError
from gmail_warmup.core.http_utils import parse_json
from gmail_warmup.core.log_context import log_event
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.models import Consent, ConsentPurpose
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings, is_same_mailbox, normalize_address
from gmail_warmup.oauth.consent import invites
from gmail_warmup.oauth.consent.errors import ConsentRefusal, ConsentRefusedError, ConsentRequest
from gmail_warmup.oauth.grant_store import Actor, GrantStore
from gmail_warmup.oauth.token_endpoint import GOOGLE_API, SCOPE, SUFFICIENT_SCOPES, TokenEndpoint, TokenResult

log = logging.getLogger(__name__)

MAX_INVITE_CONSENTS_PER_HOUR = 20
"""In an hour; counted in the database, so for all processes together. Nobody cancels at Google that often."""


@dataclass(frozen=True, kw_only=True)
class ConsentResult:
    """A consent that gave its mailbox a new grant."""

    address: str
    purpose: ConsentPurpose


@dataclass(frozen=True, kw_only=True)
class BrowserSession:
    """Who is at the browser: the Airflow user, or None for who follows an invite; and the browser's own cookie."""

    user: str | None
    browser: str


def belongs_to_invite(connection: sa.Connection, *, state: str, browser: str) -> bool:
    """Tell whether this browser began the consent with this state, and by an invite; changes nothing.

    Of any other consent it says the same as of a state that was made up.
    """
    query = sa.select(Consent.id).where(
        Consent.state_hash == _hash_value(state),
        Consent.browser_hash == _hash_value(browser),
        Consent.invite_id.is_not(None),
    )
    return connection.execute(query).one_or_none() is not None


def _hash_value(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _to_consent_request(consent: sa.Row[Any]) -> ConsentRequest:
    purpose = ConsentPurpose(consent.purpose)
    return ConsentRequest(address=consent.address, purpose=purpose, settings=consent.mailbox_settings)


def _consume_invite(connection: sa.Connection, consent: sa.Row[Any]) -> str:
    """Use the consent's invite up; return the name under which the history records it."""
    try:
        used = invites.consume_invite(connection, consent.invite_id)
    except invites.InviteClosedError as closed:
        raise _invite_closed_error(closed.state, consent) from None
    return f"invite:{used.id} ({used.created_by})"


def _invite_closed_error(state: InviteState, consent: sa.Row[Any]) -> ConsentRefusedError:
    refusal = ConsentRefusal.REPLAYED_LINK if state is InviteState.USED else ConsentRefusal.INVITE_OVER
    return ConsentRefusedError(refusal, begun=_to_consent_request(consent))


class ConsentFlow:
    """Start consents and finish them.

    Args:
        redirect_uri: the callback's address as the OAuth client knows it, made from ``[api] base_url``.
        minutes: for how long a link is valid.
    """

    def __init__(self, store: GrantStore, endpoint: TokenEndpoint, *, redirect_uri: str, minutes: int = 15) -> None:
        self._store, self._endpoint, self._redirect_uri, self._minutes = store, endpoint, redirect_uri, minutes

    def start_addition(self, address: str, settings: MailboxSettings, visitor: BrowserSession) -> str:
        """Start the consent of a mailbox to be added; return Google's address to send the browser to.

        The mailbox is written when its owner consented, not before. If it exists by then, its settings are updated.
        """
        begun = ConsentRequest(
            address=normalize_address(address), purpose=ConsentPurpose.ADD, settings=settings.model_dump(mode="json")
        )
        with self._store.engine.begin() as connection:
            return self._start_consent(connection, begun, visitor)

    def start_reauthentication(self, address: str, visitor: BrowserSession) -> str:
        """Start the consent of a mailbox that exists; return Google's address to send the browser to.

        Raises:
            UnknownMailboxError: if it does not exist.
        """
        with self._store.engine.begin() as connection:
            mailbox = repository.get_mailbox(connection, address)
            begun = ConsentRequest(address=mailbox.address, purpose=ConsentPurpose.REAUTH)
            return self._start_consent(connection, begun, visitor, mailbox_id=mailbox.id)

    def start_from_invite(self, token: str, *, browser: str) -> str | None:
        """Start the consent that an invite asks for; return Google's address, or None if the invite is not open.

        The consent ends with its invite, if that is sooner.

        Raises:
            TooManyConsentsError: whoever has the link has begun very many consents with it.
        """
        with self._store.engine.begin() as connection:
            found = invites.find_open_invite(connection, token)
            if found is None:
                return None
            lately = (Consent.invite_id == found.id, Consent.created_at > sa.func.now() - make_interval(3600))
            if (connection.scalar(sa.select(sa.func.count()).where(*lately)) or 0) >= MAX_INVITE_CONSENTS_PER_HOUR:
                raise TooManyConsentsError
            begun = ConsentRequest(address=found.address, purpose=ConsentPurpose.REAUTH)
            visitor = BrowserSession(user=None, browser=browser)
            return self._start_consent(
                connection, begun, visitor, mailbox_id=found.mailbox_id, invite_id=found.id, until=found.expires_at
            )

    def finish(self, *, state: str, code: str, error: str, visitor: BrowserSession) -> ConsentResult:
        """Check a callback and write the new grant.

        Raises:
            ConsentRefusedError: nothing was changed; says why.
        """
        consent = self._consume_state(state, visitor)
        try:
            done = self._complete_consent(consent, code=code, error=error, visitor=visitor)
        except ConsentRefusedError as refused:
            self._record_outcome(consent.id, refused.refusal.value)
            address, why = consent.address, refused.refusal.value
            log_event(
                log, logging.WARNING, "Consent for %s refused: %s", address, why, mailbox=address, reason_code=why
            )
            raise
        self._record_outcome(consent.id, "granted")
        log_event(log, logging.INFO, "Updated OAuth token for account %s", done.address, mailbox=done.address)
        return done

    def _start_consent(
        self,
        connection: sa.Connection,
        begun: ConsentRequest,
        visitor: BrowserSession,
        *,
        until: datetime | None = None,
        **of: int,
    ) -> str:
        state = secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(64)
        state_hash = _hash_value(state)
        expires_at = sa.func.now() + make_interval(self._minutes * 60)
        connection.execute(
            sa.insert(Consent).values(
                state_hash=state_hash,
                purpose=begun.purpose,
                address=begun.address,
                mailbox_settings=begun.settings,
                code_verifier=self._store.cipher.encrypt(f"consent:{state_hash}", verifier),
                airflow_user=visitor.user,
                browser_hash=_hash_value(visitor.browser),
                expires_at=sa.func.least(expires_at, until) if until else expires_at,
                **of,
            )
        )
        return self._build_auth_url(begun.address, state, verifier)

    def _build_auth_url(self, address: str, state: str, verifier: str) -> str:
        """Return the address of Google's page, with all that it wants to know."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": self._endpoint.client.client_id,
            "redirect_uri": self._redirect_uri,
            "response_type": "code",
            "scope": SCOPE,
            "access_type": "offline",
            "prompt": "consent",
            "login_hint": address,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._endpoint.client.auth_uri}?{urlencode(query)}"

    def _consume_state(self, state: str, visitor: BrowserSession) -> sa.Row[Any]:
        """Mark the link as used and return its row; a second use finds it used."""
        state_hash = _hash_value(state)
        mine = (
            Consent.state_hash == state_hash,
            Consent.airflow_user.is_not_distinct_from(visitor.user),
            Consent.browser_hash == _hash_value(visitor.browser),
        )
        take = (
            sa.update(Consent)
            .where(*mine, Consent.used_at.is_(None), Consent.expires_at > sa.func.now())
            .values(used_at=sa.func.now())
            .returning(*Consent.__table__.columns)
        )
        with self._store.engine.begin() as connection:
            row = connection.execute(take).one_or_none()
            if row is not None:
                return row
            known = connection.execute(sa.select(*Consent.__table__.columns).where(*mine)).one_or_none()
        if known is None:
            raise ConsentRefusedError(ConsentRefusal.UNKNOWN_LINK)
        refusal = ConsentRefusal.REPLAYED_LINK if known.used_at else ConsentRefusal.EXPIRED_LINK
        raise ConsentRefusedError(refusal, begun=_to_consent_request(known))

    def _complete_consent(
        self, consent: sa.Row[Any], *, code: str, error: str, visitor: BrowserSession
    ) -> ConsentResult:
        begun = _to_consent_request(consent)
        if error or not code:
            refusal = ConsentRefusal.CANCELLED if error == "access_denied" else ConsentRefusal.REFUSED_BY_GOOGLE
            raise ConsentRefusedError(refusal, begun=begun, code=error if error.isidentifier() else "")
        self._require_open_invite(consent)
        started = time.monotonic()
        verdict = self._exchange_code(consent, code)
        self._check_grant(verdict, begun)
        self._write_grant(consent, verdict, elapsed=time.monotonic() - started, visitor=visitor)
        return ConsentResult(address=begun.address, purpose=begun.purpose)

    def _require_open_invite(self, consent: sa.Row[Any]) -> None:
        """Spare Google the question if the invite is over; what counts is that it is still open at the write."""
        if consent.invite_id is None:
            return
        with self._store.engine.begin() as connection:
            state = invites.get_invite(connection, consent.invite_id).state
        if state is not InviteState.OPEN:
            raise _invite_closed_error(state, consent)

    def _check_grant(self, verdict: TokenResult, begun: ConsentRequest) -> None:
        """Refuse a grant that does not do, or is not the expected mailbox's."""
        if not SUFFICIENT_SCOPES.intersection(verdict.scopes):
            raise ConsentRefusedError(ConsentRefusal.SCOPE_UNTICKED, begun=begun)
        if not verdict.refresh_token:
            raise ConsentRefusedError(ConsentRefusal.NO_REFRESH_TOKEN, begun=begun)
        actual = self._fetch_signed_in_address(verdict.access_token, begun)
        if not is_same_mailbox(actual, begun.address):
            raise ConsentRefusedError(ConsentRefusal.WRONG_ACCOUNT, begun=begun, actual=actual)

    def _write_grant(
        self, consent: sa.Row[Any], verdict: TokenResult, *, elapsed: float, visitor: BrowserSession
    ) -> None:
        """Write the grant, and with it the mailbox to be added, or that the invite is used up."""
        with self._store.engine.begin() as connection:
            actor, mailbox_id = visitor.user or "", consent.mailbox_id
            if consent.invite_id is not None:
                actor = _consume_invite(connection, consent)
            if consent.purpose == ConsentPurpose.ADD:
                settings = MailboxSettings.model_validate(consent.mailbox_settings)
                mailbox_id = repository.add_or_update(connection, consent.address, settings, actor=actor)
            self._store.store_consent(
                connection,
                mailbox_id,
                verdict,
                client_id=self._endpoint.client.client_id,
                elapsed=elapsed,
                actor=Actor(name=actor),
            )

    def _exchange_code(self, consent: sa.Row[Any], code: str) -> TokenResult:
        verifier = self._store.cipher.decrypt(f"consent:{consent.state_hash}", consent.code_verifier)
        verdict = self._endpoint.exchange_code(code=code, verifier=verifier, redirect_uri=self._redirect_uri)
        if verdict.reason.category is ResponseCategory.OK:
            return verdict
        outage = verdict.reason.category in (ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED)
        refusal = ConsentRefusal.GOOGLE_UNREACHABLE if outage else ConsentRefusal.CLIENT_REFUSED
        raise ConsentRefusedError(refusal, begun=_to_consent_request(consent), code=verdict.reason.code)

    def _fetch_signed_in_address(self, access_token: str, begun: ConsentRequest) -> str:
        """Ask Gmail whose mailbox the new token opens."""
        root = (self._endpoint.client.api_endpoint or GOOGLE_API).rstrip("/")
        try:
            response = httpx.get(
                f"{root}/gmail/v1/users/me/profile",
                headers={"Authorization": f"Bearer {access_token}"},
                timeout=httpx.Timeout(20, connect=5),
            )
            response.raise_for_status()
            return str(parse_json(response.content)["emailAddress"]).lower()
        except (httpx.HTTPError, LookupError, TypeError) as error:
            refusal = ConsentRefusal.GOOGLE_UNREACHABLE
            if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 403:
                refusal = ConsentRefusal.CLIENT_REFUSED
            raise ConsentRefusedError(refusal, begun=begun, code=type(error).__name__) from None

    def _record_outcome(self, consent_id: int, outcome: str) -> None:
        with self._store.engine.begin() as connection:
            connection.execute(sa.update(Consent).where(Consent.id == consent_id).values(outcome=outcome))
