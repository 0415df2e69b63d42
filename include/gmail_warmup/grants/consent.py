"""One run of the OAuth flow: the link to Google's consent page, and the callback.

Nothing is written to a mailbox or a grant before the callback has checked the state (single use, unexpired, same user,
same browser), what was granted, that a refresh token came, and which mailbox signed in.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

import httpx
import sqlalchemy as sa

from gmail_warmup.db.intervals import seconds
from gmail_warmup.db.models import Consent, ConsentPurpose
from gmail_warmup.errors import GmailWarmupError
from gmail_warmup.grants.endpoint import SCOPE, SCOPES_ENOUGH, TokenEndpoint, Verdict
from gmail_warmup.grants.reasons import AnswerClass
from gmail_warmup.grants.store import Actor, GrantStore
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings, normal_address, same_mailbox

log = logging.getLogger(__name__)

GOOGLE_API = "https://gmail.googleapis.com"


class Refusal(StrEnum):
    """Why a callback changed nothing."""

    UNKNOWN_LINK = "unknown_link"
    """The state is none of ours, or belongs to another user or browser."""
    EXPIRED_LINK = "expired_link"
    """More than the consent's minutes went by."""
    REPLAYED_LINK = "replayed_link"
    """The link was used before."""
    CANCELLED = "cancelled"
    """The person pressed Cancel at Google."""
    REFUSED_BY_GOOGLE = "refused_by_google"
    """Google came back with an error of its own."""
    SCOPE_UNTICKED = "scope_unticked"
    """The box for Gmail was not ticked."""
    NO_REFRESH_TOKEN = "no_refresh_token"  # noqa: S105  a code, not a secret
    """Google gave no refresh token."""
    WRONG_ACCOUNT = "wrong_account"
    """Another mailbox signed in than the expected one."""
    GOOGLE_UNREACHABLE = "google_unreachable"
    """Google could not be reached, or answered with an outage."""
    CLIENT_REFUSED = "client_refused"
    """Google refused our OAuth client or request."""


class ConsentRefusedError(GmailWarmupError):
    """The consent changed nothing.

    Attributes:
        refusal: why.
        expected: the mailbox that should have signed in; empty where the link is not known.
        actual: the mailbox that did, where it was another one.
        code: Google's error code or our reason code, never a text from outside.
    """

    def __init__(self, refusal: Refusal, *, expected: str = "", actual: str = "", code: str = "") -> None:
        self.refusal, self.expected, self.actual, self.code = refusal, expected, actual, code
        super().__init__(f"consent refused: {refusal.value}")


@dataclass(frozen=True, kw_only=True)
class ConsentDone:
    """A consent that gave its mailbox a new grant."""

    address: str
    purpose: ConsentPurpose


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who is at the browser: the Airflow user and the value of the browser's own cookie."""

    user: str
    browser: str


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


class ConsentFlow:
    """Start consents and finish them.

    Args:
        redirect_uri: the callback's address as the OAuth client knows it, made from ``[api] base_url``.
        minutes: for how long a link is valid.
    """

    def __init__(self, store: GrantStore, endpoint: TokenEndpoint, *, redirect_uri: str, minutes: int = 15) -> None:
        self._store, self._endpoint, self._redirect_uri, self._minutes = store, endpoint, redirect_uri, minutes

    def add(self, address: str, settings: MailboxSettings, visitor: Visitor) -> str:
        """Start the consent of a mailbox to be added; return Google's address to send the browser to.

        The mailbox is written when its owner consented, not before. If it exists by then, its settings are updated.
        """
        return self._start(ConsentPurpose.ADD, normal_address(address), None, settings.model_dump(mode="json"), visitor)

    def reauthenticate(self, address: str, visitor: Visitor) -> str:
        """Start the consent of a mailbox that exists; return Google's address to send the browser to.

        Raises:
            UnknownMailboxError: if it does not exist.
        """
        with self._store.engine.begin() as connection:
            mailbox = repository.get(connection, address)
        return self._start(ConsentPurpose.REAUTH, mailbox.address, mailbox.id, {}, visitor)

    def finish(self, *, state: str, code: str, error: str, visitor: Visitor) -> ConsentDone:
        """Check a callback and write the new grant.

        Raises:
            ConsentRefusedError: nothing was changed; says why.
        """
        consent = self._use(state, visitor)
        try:
            done = self._finish(consent, code=code, error=error, visitor=visitor)
        except ConsentRefusedError as refused:
            self._note(consent.id, refused.refusal.value)
            log.warning("Consent for %s refused: %s", consent.address, refused.refusal.value)
            raise
        self._note(consent.id, "granted")
        log.info("Updated OAuth token for account %s", done.address)
        return done

    def _start(
        self, purpose: ConsentPurpose, address: str, mailbox_id: int | None, settings: dict[str, Any], visitor: Visitor
    ) -> str:
        state = secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(64)
        state_hash = _hash(state)
        with self._store.engine.begin() as connection:
            connection.execute(
                sa.insert(Consent).values(
                    state_hash=state_hash,
                    purpose=purpose,
                    address=address,
                    mailbox_id=mailbox_id,
                    mailbox_settings=settings,
                    code_verifier=self._store.cipher.encrypt(f"consent:{state_hash}", verifier),
                    airflow_user=visitor.user,
                    browser_hash=_hash(visitor.browser),
                    expires_at=sa.func.now() + seconds(self._minutes * 60),
                )
            )
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

    def _use(self, state: str, visitor: Visitor) -> sa.Row[Any]:
        """Mark the link as used and return its row; a second use finds it used."""
        state_hash = _hash(state)
        mine = (
            Consent.state_hash == state_hash,
            Consent.airflow_user == visitor.user,
            Consent.browser_hash == _hash(visitor.browser),
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
            known = connection.execute(sa.select(Consent.address, Consent.used_at).where(*mine)).one_or_none()
        if known is None:
            raise ConsentRefusedError(Refusal.UNKNOWN_LINK)
        refusal = Refusal.REPLAYED_LINK if known.used_at else Refusal.EXPIRED_LINK
        raise ConsentRefusedError(refusal, expected=known.address)

    def _finish(self, consent: sa.Row[Any], *, code: str, error: str, visitor: Visitor) -> ConsentDone:
        expected = consent.address
        if error or not code:
            refusal = Refusal.CANCELLED if error == "access_denied" else Refusal.REFUSED_BY_GOOGLE
            raise ConsentRefusedError(refusal, expected=expected, code=error if error.isidentifier() else "")
        started = time.monotonic()
        verdict = self._exchange(consent, code)
        if not SCOPES_ENOUGH.intersection(verdict.scopes):
            raise ConsentRefusedError(Refusal.SCOPE_UNTICKED, expected=expected)
        if not verdict.refresh_token:
            raise ConsentRefusedError(Refusal.NO_REFRESH_TOKEN, expected=expected)
        actual = self._signed_in(verdict.access_token, expected)
        if not same_mailbox(actual, expected):
            raise ConsentRefusedError(Refusal.WRONG_ACCOUNT, expected=expected, actual=actual)
        purpose = ConsentPurpose(consent.purpose)
        with self._store.engine.begin() as connection:
            mailbox_id = consent.mailbox_id
            if purpose is ConsentPurpose.ADD:
                settings = MailboxSettings.model_validate(consent.mailbox_settings)
                mailbox_id = repository.add_or_update(connection, expected, settings, actor=visitor.user)
            self._store.replace(
                connection,
                mailbox_id,
                verdict,
                client_id=self._endpoint.client.client_id,
                elapsed=time.monotonic() - started,
                actor=Actor(name=visitor.user),
            )
        return ConsentDone(address=expected, purpose=purpose)

    def _exchange(self, consent: sa.Row[Any], code: str) -> Verdict:
        verifier = self._store.cipher.decrypt(f"consent:{consent.state_hash}", consent.code_verifier)
        verdict = self._endpoint.exchange(code=code, verifier=verifier, redirect_uri=self._redirect_uri)
        if verdict.reason.answer is AnswerClass.OK:
            return verdict
        outage = verdict.reason.answer in (AnswerClass.TRANSIENT, AnswerClass.THROTTLED)
        refusal = Refusal.GOOGLE_UNREACHABLE if outage else Refusal.CLIENT_REFUSED
        raise ConsentRefusedError(refusal, expected=consent.address, code=verdict.reason.code)

    def _signed_in(self, access_token: str, expected: str) -> str:
        """Ask Gmail whose mailbox the new token opens."""
        root = (self._endpoint.client.api_endpoint or GOOGLE_API).rstrip("/")
        try:
            response = httpx.get(
                f"{root}/gmail/v1/users/me/profile",
                headers={"Authorization": f"Bearer {access_token}"},
                timeout=httpx.Timeout(20, connect=5),
            )
            response.raise_for_status()
            return str(response.json()["emailAddress"]).lower()
        except (httpx.HTTPError, ValueError, KeyError) as error:
            refusal = Refusal.GOOGLE_UNREACHABLE
            if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 403:
                refusal = Refusal.CLIENT_REFUSED
            raise ConsentRefusedError(refusal, expected=expected, code=type(error).__name__) from None

    def _note(self, consent_id: int, outcome: str) -> None:
        with self._store.engine.begin() as connection:
            connection.execute(sa.update(Consent).where(Consent.id == consent_id).values(outcome=outcome))
