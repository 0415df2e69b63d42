"""The receivers of webhooks: their URL, secrets and events, and the rows by which triggers know the events."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from standardwebhooks import Webhook

from gmail_warmup.core.enums import WebhookType
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.models import WebhookReceiver

SECRET_PREFIX = "whsec_"  # noqa: S105  of every secret of the specification
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
"""Length of a secret, from the Standard Webhooks specification."""
CHOOSABLE_EVENTS = tuple(event for event in WebhookType if event is not WebhookType.TEST)
"""The events that a receiver can get; a test is sent to any receiver."""

_R = WebhookReceiver


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A receiver whose Connection can be used.

    Attributes:
        conn_id: the id of its Connection, which names it in logs, log and page.
        signers: one for each secret; a message has a signature of each.
    """

    conn_id: str
    events: tuple[WebhookType, ...] = CHOOSABLE_EVENTS
    url: str = field(repr=False)
    signers: tuple[Webhook, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class UnusableReceiver:
    """A receiver whose Connection is missing or malformed; its deliveries wait."""

    conn_id: str
    problem: str


def build_receiver(
    conn_id: str, *, url: str, signing_secrets: Sequence[str], events: Iterable[str] | None, allow_private: bool
) -> Receiver:
    """Return a receiver.

    Args:
        conn_id: the id of its Connection.
        url: where events are sent to.
        signing_secrets: the secrets that messages are signed with.
        events: the types of events that it gets; None for all.
        allow_private: whether http:// and private addresses are allowed.

    Raises:
        ConfigurationError: if a value breaks a rule. The message contains neither URL nor secret.
    """
    _check_url(conn_id, url, allow_private=allow_private)
    if not signing_secrets:
        raise malformed_error(conn_id, "it has no password. Generate a secret: gmail-warmup webhooks secret")
    signers = tuple(_build_signer(conn_id, secret) for secret in signing_secrets)
    chosen = CHOOSABLE_EVENTS if events is None else _parse_events(conn_id, list(events))
    return Receiver(conn_id=conn_id, url=url, signers=signers, events=chosen)


def generate_secret() -> str:
    """Return a new random secret."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def malformed_error(conn_id: str, what: str) -> ConfigurationError:
    """Return the error for a malformed Connection; it does not contain the content of the Connection."""
    return ConfigurationError(f"The Airflow Connection '{conn_id}' (receiver of webhooks) cannot be used: {what}")


def _check_url(conn_id: str, url: str, *, allow_private: bool) -> None:
    if not _is_url(url):
        raise malformed_error(conn_id, "its host is not a URL. Set it to https://HOST/PATH.")
    if urlsplit(url).scheme == "http" and not allow_private:
        raise malformed_error(
            conn_id,
            "its URL begins with http://, so addresses would be sent unencrypted. Use https://, or for a receiver in "
            "your own network set AIRFLOW__GMAIL_WARMUP__WEBHOOK_PRIVATE_ADDRESSES=True.",
        )


def _is_url(url: str) -> bool:
    """Return whether an HTTP client accepts a URL, and its host has the form of a name or an address."""
    try:
        parts, parsed = urlsplit(url), httpx.URL(url)
        parsed.raw_host.decode().encode("idna")  # no empty part, and none of more than 63 characters
        is_complete = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
        return is_complete and bool(parsed.host) and url.isprintable() and " " not in url
    except (ValueError, httpx.InvalidURL):
        return False


def _build_signer(conn_id: str, secret: str) -> Webhook:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise malformed_error(
            conn_id,
            f"its password is not {SECRET_PREFIX} followed by {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in "
            "base64. Generate a secret: gmail-warmup webhooks secret",
        )
    return Webhook(key)


def _parse_events(conn_id: str, events: Sequence[str]) -> tuple[WebhookType, ...]:
    unknown = [event for event in events if event not in CHOOSABLE_EVENTS]
    if unknown or not events:
        what = f"'{str(unknown[0])[:60]}' is no event" if unknown else "its list of events is empty"
        raise malformed_error(conn_id, f"{what}. In its extra, 'events' lists some of: {', '.join(CHOOSABLE_EVENTS)}.")
    return tuple(event for event in CHOOSABLE_EVENTS if event in events)


def register_receivers(engine: sa.Engine, receivers: Collection[Receiver | UnusableReceiver]) -> None:
    """Store which receiver gets which events, so that triggers record these, and remove the others.

    A receiver that cannot be used keeps its events, so that none is lost while its Connection is repaired. One that
    has never been usable has none.
    """
    with read_transaction(engine) as connection:
        known = {row.conn_id: row for row in connection.execute(sa.select(_R.__table__))}
    wanted = {receiver.conn_id: _to_row(receiver) for receiver in receivers}
    changed = [row for conn_id, row in wanted.items() if conn_id not in known or _differs(row, known[conn_id])]
    removed = known.keys() - wanted.keys()
    if not changed and not removed:
        return
    with write_transaction(engine) as connection:
        for row in sorted(changed, key=lambda row: str(row["conn_id"])):
            initial = {"events": []} | row
            statement = insert(_R).values(initial).on_conflict_do_update(index_elements=[_R.conn_id], set_=row)
            connection.execute(statement)
        connection.execute(sa.delete(_R).where(_R.conn_id.in_(removed)))


def _to_row(receiver: Receiver | UnusableReceiver) -> dict[str, object]:
    if isinstance(receiver, UnusableReceiver):
        return {"conn_id": receiver.conn_id, "problem": receiver.problem}
    return {"conn_id": receiver.conn_id, "problem": None, "events": list(receiver.events)}


def _differs(row: dict[str, object], stored: sa.Row[tuple[object, ...]]) -> bool:
    return any(stored._mapping[name] != value for name, value in row.items())
