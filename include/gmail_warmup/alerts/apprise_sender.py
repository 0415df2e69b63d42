"""Send alerts through Apprise to the receivers of an Airflow Connection of the type ``apprise``.

The format of its ``config`` is that of apache-airflow-providers-apprise. That provider's hook is not used, because it
neither reports whether a receiver accepted a message nor rejects a URL that Apprise cannot parse. A receiver's URL is a
secret, and Apprise's log may contain it.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.common import OverflowMode

from gmail_warmup.alerts.audience import parse_audience
from gmail_warmup.alerts.outbox import DeliveryError
from gmail_warmup.alerts.requests_adapter import capture_requests, describe_failure
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError

log = logging.getLogger(__name__)

SEND_TIMEOUT_SECONDS = 60
"""Timeout in seconds for one message to all receivers."""


class AlertDeliveryError(DeliveryError):
    """No receiver accepted the alert."""


class AppriseSender:
    """The receivers of one Connection.

    Raises:
        ConfigurationError: if the Connection is malformed; the error does not contain its content.
    """

    def __init__(self, conn_id: str, extra: str, *, mask_secret: Callable[[str], None]) -> None:
        self._conn_id = conn_id
        self._receivers = _build_receivers(conn_id, extra, mask_secret)

    @property
    def audiences(self) -> tuple[str | None, ...]:
        """Return the audiences of the receivers; None stands for those without a limit."""
        return tuple(self._receivers)

    def send(self, title: str, body: str, audience: str | None = None) -> None:
        """Send to all receivers of an audience; one that accepts the message is enough, and the others are logged.

        Raises:
            AlertDeliveryError: if no receiver accepted it, with the services and the HTTP status of their responses.
        """
        with _silence_loggers(), capture_requests() as failures:
            result = self._receivers[audience].notify(
                title=title, body=body, body_format=NotifyFormat.TEXT, timeout=SEND_TIMEOUT_SECONDS
            )
            accepted = any(attempt for service in result for attempt in service)
            refused = ", ".join(_describe_refusal(service) for service in result if not service)
        where = f"in the Airflow Connection '{self._conn_id}'"
        if not accepted:
            why = " ".join(sorted(filter(None, set(map(describe_failure, failures)))))
            text = f"No receiver {where} accepted it: {refused or 'none matches its tags'}."
            raise AlertDeliveryError(f"{text} {why}".strip())
        if refused:
            log.error("Not every receiver %s accepted the alert: %s", where, refused)


def _build_receivers(conn_id: str, extra: str, mask_secret: Callable[[str], None]) -> dict[str | None, Apprise]:
    """Return the receivers by audience."""
    receivers: dict[str | None, Apprise] = {}
    for number, item in enumerate(_parse_config(conn_id, extra), 1):
        path = item.get("path") if isinstance(item, dict) else None
        if not isinstance(path, str) or not path.strip():
            raise malformed_error(conn_id, f"entry {number} of 'config' has no 'path'")
        mask_secret(path)
        audience = _read_audience(conn_id, number, item)
        group = receivers.setdefault(audience, _build_apprise())
        with _silence_loggers():
            is_valid = group.add(path, tag=item.get("tag"))
        if not is_valid:
            raise malformed_error(conn_id, f"Apprise cannot parse the 'path' of entry {number} of 'config'")
    for service in chain.from_iterable(receivers.values()):
        # Too long messages are truncated instead of rejected; `?overflow=split` in the path overrides that.
        if "overflow_mode" not in vars(service):
            service.overflow_mode = OverflowMode.TRUNCATE
    return receivers


def _build_apprise() -> Apprise:
    return Apprise(asset=AppriseAsset(app_id="gmail-warmup", app_desc="Gmail accounts", http_redirects=False))


def _read_audience(conn_id: str, number: int, item: dict[str, Any]) -> str | None:
    """Return the audience that the key ``only`` of an entry names."""
    if item.get("only") is None:
        return None
    try:
        return parse_audience(str(item["only"]))
    except InvalidInputError as error:
        raise malformed_error(conn_id, f"'only' of entry {number} of 'config': {error}") from None


def _parse_config(conn_id: str, extra: str) -> list[Any]:
    """Return the entries of the Connection's ``config``."""
    try:
        document = json.loads(extra)
        config = document.get("config") if isinstance(document, dict) else None
        config = json.loads(config) if isinstance(config, str) else config
    except (ValueError, RecursionError):
        raise malformed_error(conn_id, "its extra, or 'config' in it, is not JSON") from None
    entries = [config] if isinstance(config, dict) else config
    if not isinstance(entries, list) or not entries:
        raise malformed_error(conn_id, "its extra has no 'config'")
    return entries


def malformed_error(conn_id: str, what: str) -> ConfigurationError:
    """Return the error for a malformed Connection; the error does not contain its content."""
    return ConfigurationError(
        f"The Airflow Connection '{conn_id}' (receivers of alerts) is malformed: {what}. It needs the type "
        'apprise and the config {"path": "<Apprise URL>"} or a list of these. Without this Connection, alerts are only '
        "in the log and on the page."
    )


_HTTP_STATUS = re.compile(r"error=(\d{3})\b")


def _describe_refusal(service: Any) -> str:
    """Return a receiver's name and the HTTP status of its response; other parts of Apprise's log may be secret."""
    statuses = [match[1] for entry in service.logs() if (match := _HTTP_STATUS.search(entry.message))]
    return f"{service.name} (HTTP {statuses[-1]})" if statuses else f"{service.name} (no answer)"


_silence_lock = threading.Lock()


@contextmanager
def _silence_loggers() -> Iterator[None]:
    """Suppress the logs of Apprise and urllib3, which may contain a URL."""
    apprise, urllib3 = logging.getLogger("apprise"), logging.getLogger("urllib3")
    with _silence_lock:
        before = apprise.propagate, urllib3.level
        apprise.propagate = False
        urllib3.setLevel(max(logging.INFO, urllib3.level))
        try:
            yield
        finally:
            apprise.propagate = before[0]
            urllib3.setLevel(before[1])
