"""Run the OAuth flow for one mailbox: the link to Google's consent page, and the callback.

No mailbox or grant is written before the callback has checked the state (used once, not expired, same user or same
invite, same browser), the granted scopes, that there is a refresh token, and which mailbox signed in.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from gmail_warmup.core.enums import InviteState, ResponseCategory
from gmail_warmup.core.errors import TooManyConsentsError, UnknownInviteError
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.settings import DEFAULT_CLIENT_CONN_ID
from gmail_warmup.db.engine import read_transaction, retry_conflict, write_transaction
from gmail_warmup.db.models import ConsentPurpose
from gmail_warmup.mailboxes import lookup, removals, repository
from gmail_warmup.mailboxes.addresses import is_same_mailbox, normalize_address
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.time_zones import require_database_zones
from gmail_warmup.oauth.answers import Answer, find_reason
from gmail_warmup.oauth.clients import moving
from gmail_warmup.oauth.clients.choice import choose_client
from gmail_warmup.oauth.consent import invites, other_account, repair_queue, states
from gmail_warmup.oauth.consent.errors import (
    ConsentRefusal,
    ConsentRefusedError,
    ConsentRequest,
    get_refusal,
)
from gmail_warmup.oauth.consent.new_grant import write_grant
from gmail_warmup.oauth.consent.signed_in import fetch_signed_in_address
from gmail_warmup.oauth.consent.states import BrowserSession, NewState, to_consent_request
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.reasons import Reason
from gmail_warmup.oauth.token_endpoint import SCOPE, OAuthClient, TokenEndpoint, TokenResult

log = logging.getLogger(__name__)

MAX_INVITE_CONSENTS_PER_HOUR = 20
"""Maximum number of consents per invite and hour; more than any person cancels on Google's page."""


@dataclass(frozen=True, kw_only=True)
class ConsentResult:
    """A consent after which the mailbox has a new grant."""

    address: str
    purpose: ConsentPurpose
    consent_id: int | None


class ConsentFlow:
    """Start and finish consents.

    Args:
        open_endpoint: returns the token endpoint for the Connection of an OAuth client; None is the default client.
        redirect_uri: the URL of the callback as registered with each OAuth client, built from ``[api] base_url``.
        minutes: the time limit of a consent.
        default_client: the Connection of the default client.
    """

    def __init__(
        self,
        store: GrantStore,
        open_endpoint: Callable[[str | None], TokenEndpoint],
        *,
        redirect_uri: str,
        minutes: int = 15,
        default_client: str = DEFAULT_CLIENT_CONN_ID,
    ) -> None:
        self._store, self._open_endpoint, self._redirect_uri = store, open_endpoint, redirect_uri
        self._minutes, self._default_client = minutes, default_client

    def start_addition(self, address: str, settings: MailboxSettings, session: BrowserSession) -> str:
        """Start the consent for a new mailbox; return the URL of Google's consent page.

        The mailbox is written after its owner has consented. If it exists by then, its settings are updated.

        Raises:
            SecondSpellingError: if the Google mailbox exists under another address.
            MailboxBeingRemovedError: if it is being removed.
        """
        request = ConsentRequest(
            address=normalize_address(address), purpose=ConsentPurpose.ADD, settings=settings.model_dump(mode="json")
        )
        with write_transaction(self._store.engine) as connection:
            lookup.require_first_spelling(connection, [request.address])
            removals.require_kept(connection, [request.address])
            require_database_zones(connection, [settings.timezone])
            client = self._choose_client(connection, _find_id(connection, request.address), settings.tags)
            new = states.create_state(
                connection, self._store.cipher, request, session, minutes=self._minutes, client_conn_id=client
            )
        return self._build_auth_url(request.address, new, client)

    def start_reauthentication(self, address: str, session: BrowserSession, *, queued: bool = False) -> str:
        """Start the consent for an existing mailbox; return the URL of Google's consent page.

        Args:
            queued: whether its callback continues the repair queue of the user.

        Raises:
            UnknownMailboxError: if it does not exist.
            MailboxBeingRemovedError: if it is being removed.
            InvalidInputError: if the queue moves it to a client that gets no further grants or users.
        """
        with write_transaction(self._store.engine) as connection:
            removals.require_kept(connection, [address])
            mailbox = repository.get_mailbox(connection, address)
            target = None
            if queued:
                target = moving.get_target(connection, session.user, mailbox.id, default=self._default_client)
            client = target or self._choose_client(connection, mailbox.id)
            new = states.create_state(
                connection,
                self._store.cipher,
                ConsentRequest(address=mailbox.address, purpose=ConsentPurpose.REAUTH),
                session,
                minutes=self._minutes,
                mailbox_id=mailbox.id,
                client_conn_id=client,
            )
            if queued and session.user:
                repair_queue.attach_consent(connection, session.user, mailbox.id, new.consent_id)
        return self._build_auth_url(mailbox.address, new, client)

    def _choose_client(
        self, connection: sa.Connection, mailbox_id: int | None, tags: Collection[str] | None = None
    ) -> str:
        return choose_client(connection, default=self._default_client, mailbox_id=mailbox_id, tags=tags).conn_id

    def start_from_invite(self, token: str, *, browser: str) -> str | None:
        """Start the consent of an invite; return the URL of Google's page, or None if the invite is not open.

        The consent expires with its invite, if that is sooner.

        Raises:
            TooManyConsentsError: too many consents were started with this invite within an hour.
        """
        with write_transaction(self._store.engine) as connection:
            invite = invites.find_open_invite(connection, token, lock=True)
            if invite is None:
                return None
            if states.count_recent_consents(connection, invite.id) >= MAX_INVITE_CONSENTS_PER_HOUR:
                raise TooManyConsentsError
            client = self._choose_client(connection, invite.mailbox_id)
            new = states.create_state(
                connection,
                self._store.cipher,
                ConsentRequest(address=invite.address, purpose=ConsentPurpose.REAUTH),
                BrowserSession(user=None, browser=browser),
                minutes=self._minutes,
                expires_by=invite.expires_at,
                mailbox_id=invite.mailbox_id,
                invite_id=invite.id,
                client_conn_id=client,
            )
        return self._build_auth_url(invite.address, new, client)

    def finish(self, *, state: str, code: str, error: str, session: BrowserSession) -> ConsentResult:
        """Check a callback and write the new grant.

        Raises:
            ConsentRefusedError: with the reason; nothing was changed.
        """
        consent = states.consume_state(self._store.engine, state, session)
        address: str = consent.address
        try:
            result = self._complete_consent(consent, code=code, error=error, session=session)
        except ConsentRefusedError as refused:
            reason = refused.refusal.value
            states.record_outcome(self._store.engine, consent.id, reason)
            text = "Consent for %s refused: %s"
            log_event(log, logging.WARNING, text, address, reason, mailbox=address, reason_code=reason)
            raise
        states.record_outcome(self._store.engine, consent.id, "granted")
        log_event(log, logging.INFO, "Updated OAuth token for account %s", address, mailbox=address)
        return result

    def accept_account(self, consent_id: int, session: BrowserSession) -> ConsentResult:
        """Accept that another address signed in than was expected, see ``other_account``.

        Raises:
            ConsentRefusedError: the result of the consent is not kept any more.
            InvalidInputError: the address that signed in belongs to another mailbox by now.
            MailboxBusyError: a task uses the mailbox; the result is still kept.
        """
        address, purpose = other_account.accept_account(
            self._store, consent_id, session, open_endpoint=self._open_endpoint, default=self._default_client
        )
        states.record_outcome(self._store.engine, consent_id, "granted")
        log_event(log, logging.INFO, "Updated OAuth token for account %s", address, mailbox=address)
        return ConsentResult(address=address, purpose=purpose, consent_id=consent_id)

    def _build_auth_url(self, address: str, new: NewState, client_conn_id: str) -> str:
        client = self._open_endpoint(client_conn_id).client
        challenge = base64.urlsafe_b64encode(hashlib.sha256(new.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": client.client_id,
            "redirect_uri": self._redirect_uri,
            "response_type": "code",
            "scope": SCOPE,
            "access_type": "offline",
            "prompt": "consent",
            "login_hint": address,
            "state": new.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{client.auth_uri}?{urlencode(query)}"

    def _complete_consent(
        self, consent: sa.Row[Any], *, code: str, error: str, session: BrowserSession
    ) -> ConsentResult:
        request = to_consent_request(consent)
        if error or not code:
            refusal = ConsentRefusal.CANCELLED if error == "access_denied" else ConsentRefusal.REFUSED_BY_GOOGLE
            raise ConsentRefusedError(refusal, request=request, code=error if error.isidentifier() else "")
        self._require_open_invite(consent)
        endpoint = self._open_endpoint(consent.client_conn_id)
        started = time.monotonic()
        result = self._exchange_code(endpoint, consent, code)
        self._check_grant(endpoint, consent, result, session)
        try:
            self._write_grant(endpoint.client, consent, result, elapsed=time.monotonic() - started, session=session)
        except removals.MailboxBeingRemovedError:
            raise _build_removed_error(consent) from None
        return ConsentResult(address=request.address, purpose=request.purpose, consent_id=request.consent_id)

    def _require_open_invite(self, consent: sa.Row[Any]) -> None:
        """Refuse a closed invite before the request to Google; the check that counts is the one of the write."""
        if consent.invite_id is None:
            return
        try:
            with read_transaction(self._store.engine) as connection:
                state = invites.get_invite(connection, consent.invite_id).state
        except UnknownInviteError:
            raise _build_removed_error(consent) from None
        if state is not InviteState.OPEN:
            raise _build_invite_closed_error(state, consent)

    def _exchange_code(self, endpoint: TokenEndpoint, consent: sa.Row[Any], code: str) -> TokenResult:
        verifier = states.decrypt_verifier(self._store.cipher, consent)
        result = endpoint.exchange_code(code=code, verifier=verifier, redirect_uri=self._redirect_uri)
        if result.reason.category is ResponseCategory.OK:
            return result
        raise self._build_refusal(result.reason, to_consent_request(consent), result.retry_after)

    def _build_refusal(self, reason: Reason, request: ConsentRequest, retry_after: float | None) -> ConsentRefusedError:
        """Return the error for an answer of Google, by the table that tasks and audit use."""
        return ConsentRefusedError(
            get_refusal(reason),
            request=request,
            code=reason.code,
            redirect_uri=self._redirect_uri,
            retry_after=retry_after,
        )

    def _check_grant(
        self, endpoint: TokenEndpoint, consent: sa.Row[Any], result: TokenResult, session: BrowserSession
    ) -> None:
        """Refuse a grant that is insufficient or belongs to another mailbox."""
        request = to_consent_request(consent)
        if not result.refresh_token:
            raise ConsentRefusedError(ConsentRefusal.NO_REFRESH_TOKEN, request=request)
        actual = fetch_signed_in_address(endpoint, result.access_token)
        if isinstance(actual, Answer):
            raise self._build_refusal(find_reason(actual), request, actual.retry_after)
        if not is_same_mailbox(actual, request.address):
            evidence = None
            if session.user:
                evidence = other_account.keep_for_decision(
                    self._store, endpoint, consent, actual, result, minutes=self._minutes
                )
            raise ConsentRefusedError(ConsentRefusal.WRONG_ACCOUNT, request=request, actual=actual, evidence=evidence)

    @retry_conflict
    def _write_grant(
        self,
        client: OAuthClient,
        consent: sa.Row[Any],
        result: TokenResult,
        *,
        elapsed: float,
        session: BrowserSession,
    ) -> None:
        """Write the grant; in the same transaction, add the mailbox or consume the invite."""
        with write_transaction(self._store.engine) as connection:
            if not states.lock_consent(connection, consent.id):
                raise _build_removed_error(consent)
            actor, mailbox_id = session.user or "", consent.mailbox_id
            if consent.invite_id is not None:
                actor = _consume_invite(connection, consent)
            if consent.purpose == ConsentPurpose.ADD:
                settings = MailboxSettings.model_validate(consent.mailbox_settings)
                mailbox_id = repository.add_or_update(connection, consent.address, settings, actor=actor)
            write_grant(
                connection,
                self._store,
                consent,
                (mailbox_id, consent.address),
                result,
                client=client,
                default=self._default_client,
                elapsed=elapsed,
                actor=actor,
            )


def _find_id(connection: sa.Connection, address: str) -> int | None:
    known = repository.find_mailbox(connection, address)
    return known.id if known else None


def _consume_invite(connection: sa.Connection, consent: sa.Row[Any]) -> str:
    """Consume the invite of a consent; return the actor for the history."""
    try:
        invite = invites.consume_invite(connection, consent.invite_id)
    except invites.InviteClosedError as closed:
        raise _build_invite_closed_error(closed.state, consent) from None
    return f"invite:{invite.id} ({invite.created_by})"


def _build_removed_error(consent: sa.Row[Any]) -> ConsentRefusedError:
    return ConsentRefusedError(ConsentRefusal.MAILBOX_REMOVED, request=to_consent_request(consent))


def _build_invite_closed_error(state: InviteState, consent: sa.Row[Any]) -> ConsentRefusedError:
    refusal = ConsentRefusal.REPLAYED_LINK if state is InviteState.USED else ConsentRefusal.INVITE_OVER
    return ConsentRefusedError(refusal, request=to_consent_request(consent))
