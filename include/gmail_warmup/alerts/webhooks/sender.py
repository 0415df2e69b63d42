"""Send one message to one receiver, signed according to the Standard Webhooks specification."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx

from gmail_warmup.alerts.outbox import DeliveryError
from gmail_warmup.alerts.webhooks.messages import Message
from gmail_warmup.alerts.webhooks.receivers import Receiver
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.http_utils import parse_retry_after
from gmail_warmup.core.network.client import PrivateAddressError, open_client
from gmail_warmup.core.network.transport_errors import classify_transport_error

_TRANSPORT_PROBLEMS = {
    "tls_untrusted": "The certificate of the receiver is not trusted; see 'Proxies and certificates' in "
    "docs/operations.md.",
    "proxy_failed": "The proxy cannot be reached or refuses the connection; see 'Proxies and certificates' in "
    "docs/operations.md.",
    "unreachable": "The receiver cannot be reached, or closed the connection without an answer.",
}


_MAX_BODY_BYTES = 65_536
"""Bytes of an answer that are read, and not used; after a longer one the connection is closed."""


class WebhookDeliveryError(DeliveryError):
    """The receiver did not accept the webhook."""


class WebhookSender:
    """Sends messages to a receiver over one HTTP client. Use it in one thread, and close it.

    Args:
        receiver: the receiver.
        timeout: seconds in which it has to answer with a status.
        allow_private: whether it may have a private, link-local or loopback address.
    """

    def __init__(self, receiver: Receiver, *, timeout: float, allow_private: bool) -> None:
        self._receiver, self._timeout, self._allow_private = receiver, timeout, allow_private
        self._client: httpx.Client | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._client:
            self._client.close()

    def send(self, message: Message) -> None:
        """Send a message. Redirects are not followed.

        Raises:
            WebhookDeliveryError: if the receiver did not answer with a status 2xx. The text contains no secret.
        """
        try:
            response = self._open_client().post(
                self._receiver.url,
                content=message.body.encode(),
                headers=sign_message(self._receiver, message, now=datetime.now(UTC)),
            )
        except (httpx.HTTPError, httpx.InvalidURL, ConfigurationError) as error:
            raise WebhookDeliveryError(self._describe(error)) from None
        if not response.is_success:
            retry_after = parse_retry_after(response.headers.get("Retry-After"))
            raise WebhookDeliveryError(_describe_status(response), retry_after=retry_after)

    def _open_client(self) -> httpx.Client:
        if self._client is None:
            half = self._timeout / 2
            self._client = open_client(
                self._receiver.url,
                connect_timeout=half,
                read_timeout=half,
                max_bytes=_MAX_BODY_BYTES,
                public_only=not self._allow_private,
                status_only=True,
            )
        return self._client

    def _describe(self, error: Exception) -> str:
        if isinstance(error, PrivateAddressError):
            return (
                "The receiver has a private, link-local or loopback address, so nothing was sent. Correct its URL, or "
                "set AIRFLOW__GMAIL_WARMUP__WEBHOOK_PRIVATE_ADDRESSES=True."
            )
        if isinstance(error, httpx.TimeoutException):
            return f"The receiver did not answer within {self._timeout:g} s."
        if isinstance(error, ConfigurationError):
            return str(error)
        return _TRANSPORT_PROBLEMS[classify_transport_error(error)]


def sign_message(receiver: Receiver, message: Message, *, now: datetime) -> dict[str, str]:
    """Return the headers of a message that is sent now."""
    signatures = (signer.sign(message.id, now, message.body) for signer in receiver.signers)
    return {
        "Content-Type": "application/json",
        "User-Agent": "gmail-warmup",
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _describe_status(response: httpx.Response) -> str:
    if response.is_redirect:
        return f"HTTP {response.status_code}: redirects are not followed. Set the URL to the final address."
    if response.status_code == httpx.codes.GONE:
        return "The receiver answered HTTP 410: it is gone. Correct its URL, or remove it from webhook_conn_ids."
    return f"The receiver answered HTTP {response.status_code}."
