"""The doctor: what an installation needs, checked one by one; each finding says what to do about it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup import db
from gmail_warmup.db.models import GrantState, Mailbox, OAuthGrant
from gmail_warmup.errors import CiphertextError, GmailWarmupError
from gmail_warmup.grants.cipher import airflow_cipher
from gmail_warmup.grants.endpoint import FORM, GOOGLE_TOKEN_URI, SCOPES_ENOUGH, classify, read_answer, refresh_form
from gmail_warmup.grants.reasons import AnswerClass, Reason
from gmail_warmup.grants.store import owner_of
from gmail_warmup.services import Services
from gmail_warmup.setup import POOL

CANARIES = 20
"""How many stored secrets are tried."""
SKEW = 60
"""Seconds by which two clocks may differ."""
_MADE_UP = "1//gmail-warmup-doctor-made-up"  # no refresh token of anybody


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    """Nothing to do."""
    WARNING = "warning"
    """It works; somebody should look at it, or it could not be told."""
    PROBLEM = "problem"
    """It does not work."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding and what to do about it."""

    name: str
    status: Status
    found: str
    step: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return plain values."""
        return asdict(self)


Finding = tuple[Status, str] | tuple[Status, str, str]


class _Examination:
    """The checks on one installation; what several of them need is asked once."""

    def __init__(self, services: Services, airflow_engine: sa.Engine | None) -> None:
        self.services = services
        self._airflow_engine = airflow_engine

    def settings(self) -> Finding:
        """Read [gmail_warmup]."""
        changed = self.services.settings.model_fields_set
        return Status.OK, f"Valid; {len(changed)} set." if changed else "Valid; all at their defaults."

    def fernet_key(self) -> Finding:
        """Build the cipher."""
        airflow_cipher()
        return Status.OK, "AIRFLOW__CORE__FERNET_KEY is set and valid."

    def database(self) -> Finding:
        """Reach the schema with the restricted role."""
        self.services.check()
        return Status.OK, f"Reached: {self.services.engine.url.render_as_string(hide_password=True)}"

    def stored_secrets(self) -> Finding:
        """Decrypt some refresh tokens."""
        query = (
            sa.select(OAuthGrant.mailbox_id, Mailbox.address, OAuthGrant.refresh_token)
            .join(Mailbox, Mailbox.id == OAuthGrant.mailbox_id)
            .where(OAuthGrant.refresh_token.is_not(None))
            .order_by(OAuthGrant.mailbox_id)
            .limit(CANARIES)
        )
        unreadable, tried = [], self._rows(query)
        for mailbox_id, address, ciphertext in tried:
            try:
                self.services.store.cipher.decrypt(owner_of(mailbox_id), ciphertext)
            except CiphertextError:
                unreadable.append(address)
        if unreadable:
            step = (
                "Put the former key behind the new one in AIRFLOW__CORE__FERNET_KEY; then: gmail-warmup grants rotate"
            )
            return Status.PROBLEM, f"{len(unreadable)} of {len(tried)} cannot be read: {_some(unreadable)}.", step
        return Status.OK, f"{len(tried)} of {len(tried)} tried can be read." if tried else "None yet."

    def schema(self) -> Finding:
        """Compare the newest migration with the database's revision."""
        from alembic.script import ScriptDirectory

        from gmail_warmup.db.manager import VERSION_TABLE

        newest = ScriptDirectory(str(Path(next(iter(db.__path__))) / "migrations")).get_current_head()
        present = self._of_airflow(sa.text(f"SELECT version_num FROM public.{VERSION_TABLE}"))  # noqa: S608
        if present is None:
            return Status.WARNING, "Could not tell: this process may not read the revision.", "Run: airflow db migrate"
        if present != newest:
            return Status.PROBLEM, f"At revision {present}, the newest is {newest}.", "Run: airflow db migrate"
        return Status.OK, f"At the newest revision, {newest}."

    def role(self) -> Finding:
        """Make sure that the role can do nothing else in Airflow's database."""
        ((name, is_super),) = self._rows(sa.text("SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user"))
        step = "Run: gmail-warmup init"
        if is_super:
            return Status.PROBLEM, f"{name} is a superuser.", step
        readable = self._rows(sa.text(
            "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
            " AND c.relname = 'connection' AND has_any_column_privilege(c.oid, 'SELECT')"
        ))  # fmt: skip
        if readable:
            return Status.PROBLEM, f"{name} can read Airflow's Connections.", step
        return Status.OK, f"{name} is restricted."

    def oauth_client(self) -> Finding:
        """Read the Connection of the OAuth client."""
        client = self.services.client
        conn_id = self.services.settings.client_conn_id
        if client.token_uri == GOOGLE_TOKEN_URI and not client.client_id.endswith(".apps.googleusercontent.com"):
            step = f"Compare the login of the Connection {conn_id} with the Google Cloud console."
            return Status.WARNING, f"{client.client_id} does not look like a client id of Google's.", step
        return Status.OK, f"{client.client_id}, with {len(client.secrets)} secret(s)."

    def token_endpoint(self) -> Finding:
        """Send a made-up refresh token: only who knows the client complains about the token."""
        refused = []
        for number, (reason, _) in enumerate(self._probes, 1):
            if reason.answer in (AnswerClass.TRANSIENT, AnswerClass.THROTTLED):
                step = "Check the network, its proxy and token_uri of the OAuth client; then try again."
                return Status.PROBLEM, f"{urlsplit(self.services.client.token_uri).netloc}: {reason.sentence}", step
            if reason.answer is AnswerClass.APP:
                refused.append((number, reason))
        if refused:
            number, reason = refused[0]
            status = Status.PROBLEM if len(refused) == len(self._probes) else Status.WARNING
            return status, f"Secret {number} of {len(self._probes)}: {reason.sentence}", reason.step
        return Status.OK, f"{urlsplit(self.services.client.token_uri).netloc} accepts the client."

    def redirect_uri(self) -> Finding:
        """Show the callback's address."""
        from gmail_warmup.web import site

        uri = site.redirect_uri()
        parts = urlsplit(uri)
        if parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1"):
            return Status.OK, f"Paste it into the OAuth client's redirect URIs: {uri}"
        step = "Serve Airflow by https and set AIRFLOW__API__BASE_URL; Google allows http on localhost only."
        return Status.PROBLEM, f"{uri} is not https.", step

    def database_clock(self) -> Finding:
        """Compare this machine's clock with the database's."""
        ((there,),) = self._rows(sa.text("SELECT clock_timestamp()"))
        return _skew("the database's", there)

    def google_clock(self) -> Finding:
        """Compare this machine's clock with the header Date of the token endpoint."""
        dates = [date for _, date in self._probes if date]
        if not dates:
            return Status.WARNING, "Could not tell: the answer had no date."
        return _skew("Google's", dates[-1])

    def pool(self) -> Finding:
        """Look for the pool of the warmup's tasks."""
        query = sa.text("SELECT count(*) FROM public.slot_pool WHERE pool = :pool").bindparams(pool=POOL)
        found = self._of_airflow(query)
        if found is None:
            return (
                Status.WARNING,
                f"Could not tell whether the pool {POOL} exists.",
                f"Look with: airflow pools get {POOL}",
            )
        if not found:
            return (
                Status.PROBLEM,
                f"The pool {POOL} is missing; its tasks would wait for ever.",
                "Run: gmail-warmup init",
            )
        return Status.OK, f"{POOL} exists."

    def scopes(self) -> Finding:
        """Look for grants without the Gmail permission; of an imported one the scopes may be unknown."""
        enough = sa.cast(list(SCOPES_ENOUGH), OAuthGrant.scopes.type)
        lacking = self._addresses(sa.func.cardinality(OAuthGrant.scopes) > 0, ~OAuthGrant.scopes.overlap(enough))
        if lacking:
            step = "Re-authenticate them on the page 'Gmail accounts' and leave the box for Gmail ticked."
            return Status.WARNING, f"{len(lacking)} grants lack the Gmail permission: {_some(lacking)}.", step
        return Status.OK, "Every grant with known scopes has the Gmail permission."

    def publishing_status(self) -> Finding:
        """Recognise the seven days that Google gives to an app in Testing."""
        age = OAuthGrant.refresh_expires_at - OAuthGrant.granted_at
        mortal = self._addresses(age.between(timedelta(days=6.5), timedelta(days=7.5)))
        if mortal:
            found = f"{len(mortal)} grants end 7 days after consent: the app seems to be in Testing: {_some(mortal)}."
            step = "Publish the app in the Google Cloud console (OAuth consent screen), then re-authenticate them."
            return Status.WARNING, found, step
        return Status.OK, "No grant ends after seven days."

    @functools.cached_property
    def _probes(self) -> list[tuple[Reason, datetime | None]]:
        """Return what the token endpoint says to each secret, and its time."""
        client, settings = self.services.client, self.services.settings
        found: list[tuple[Reason, datetime | None]] = []
        with httpx.Client(timeout=httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout)) as http:
            for secret in client.secrets:
                try:
                    answer = http.post(client.token_uri, content=refresh_form(client, secret, _MADE_UP), headers=FORM)
                except (httpx.HTTPError, httpx.InvalidURL):
                    raise GmailWarmupError(f"No answer from {urlsplit(client.token_uri).netloc}.") from None
                reason = classify(read_answer(answer.status_code, answer.headers, answer.content)).reason
                found.append((reason, _date(answer.headers.get("Date"))))
        return found

    def _rows(self, query: sa.Executable) -> list[Any]:
        with self.services.engine.connect() as connection:
            return list(connection.execute(query).all())

    def _addresses(self, *conditions: sa.ColumnElement[bool]) -> list[str]:
        query = sa.select(Mailbox.address).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        living = OAuthGrant.state.in_((GrantState.ACTIVE, GrantState.SUSPECT))
        return [row.address for row in self._rows(query.where(living, *conditions).order_by(Mailbox.address))]

    def _of_airflow(self, query: sa.Executable) -> Any:
        """Ask a table of Airflow's own; None if this process may not."""
        for engine in (self._airflow_engine, self.services.engine):
            try:
                if engine is not None and engine.dialect.name == "postgresql":
                    with engine.connect() as connection:
                        return connection.scalar(query)
            except SQLAlchemyError:
                continue
        return None


_CHECKS: tuple[tuple[str, Callable[[_Examination], Finding], tuple[str, ...]], ...] = (
    ("settings", _Examination.settings, ()),
    ("Fernet key", _Examination.fernet_key, ()),
    ("database", _Examination.database, ("settings", "Fernet key")),
    ("stored secrets", _Examination.stored_secrets, ("database",)),
    ("schema", _Examination.schema, ("database",)),
    ("database role", _Examination.role, ("database",)),
    ("database clock", _Examination.database_clock, ("database",)),
    ("pool", _Examination.pool, ("database",)),
    ("OAuth client", _Examination.oauth_client, ("settings",)),
    ("token endpoint", _Examination.token_endpoint, ("OAuth client",)),
    ("Google's clock", _Examination.google_clock, ("token endpoint",)),
    ("redirect URI", _Examination.redirect_uri, ()),
    ("scopes", _Examination.scopes, ("database",)),
    ("publishing status", _Examination.publishing_status, ("database",)),
)
"""Each check with those that it makes no sense without."""


def examine(services: Services, *, airflow_engine: sa.Engine | None = None) -> list[Check]:
    """Run every check; one whose ground is missing says so instead.

    Args:
        airflow_engine: reaches Airflow's own tables; by default Airflow's, where this process has one.
    """
    return list(_examine(_Examination(services, airflow_engine or _engine_of_airflow())))


def _examine(examination: _Examination) -> Iterator[Check]:
    failed: set[str] = set()
    for name, look, needs in _CHECKS:
        missing = failed.intersection(needs)
        if missing:
            finding: Finding = (Status.WARNING, f"Not checked: {', '.join(sorted(missing))} comes first.")
        else:
            finding = _look(examination, look)
        if missing or finding[0] is Status.PROBLEM:
            failed.add(name)
        status, found, *step = finding
        yield Check(name=name, status=status, found=found, step="".join(step))


def _look(examination: _Examination, look: Callable[[_Examination], Finding]) -> Finding:
    try:
        return look(examination)
    except GmailWarmupError as error:
        return Status.PROBLEM, str(error)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        return Status.PROBLEM, f"The database refuses it: {reason}", "Run: airflow db migrate && gmail-warmup init"


def _engine_of_airflow() -> sa.Engine | None:
    from airflow import settings

    return settings.engine


def _skew(whose: str, there: datetime) -> Finding:
    seconds = abs((datetime.now(UTC) - there).total_seconds())
    if seconds > SKEW:
        return Status.WARNING, f"This machine's clock and {whose} differ by {seconds:.0f} s.", "Let NTP set the clock."
    return Status.OK, f"Agrees with {whose} within {SKEW} s."


def _date(value: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(value) if value else None
    except ValueError:
        return None


def _some(addresses: list[str]) -> str:
    more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
    return ", ".join(addresses[:3]) + more
