"""The receivers of alerts: any service that Apprise knows, in an Airflow Connection of the type ``apprise``.

The type and the form of its ``config`` are those of apache-airflow-providers-apprise. That provider's hook does not
send here, because it neither says whether anybody took a message nor refuses a URL that Apprise does not understand.
A receiver's URL is a secret, and Apprise's log may show it.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.common import OverflowMode

from gmail_warmup.core.errors import ConfigurationError, GmailWarmupError

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)

SEND_TIMEOUT_SECONDS = 60
"""Seconds for one message to all receivers."""


class AlertDeliveryError(GmailWarmupError):
    """No receiver took the alert."""


class AppriseSender:
    """Those who receive alerts.

    Raises:
        ConfigurationError: if the Connection is malformed; its content is not shown.
    """

    def __init__(self, found: Connection) -> None:
        self._conn_id = found.conn_id
        self._apprise = _build_apprise(found)

    def send(self, title: str, body: str) -> None:
        """Send to all; a message that one of several took counts as sent, and the others are named in the log.

        Raises:
            AlertNotTakenError: if nobody took it; names the services and the HTTP status of their answers.
        """
        with _silence_loggers():
            result = self._apprise.notify(
                title=title, body=body, body_format=NotifyFormat.TEXT, timeout=SEND_TIMEOUT_SECONDS
            )
            taken = any(attempt for service in result for attempt in service)
            refused = ", ".join(_describe_refusal(service) for service in result if not service)
        where = f"in the Airflow Connection '{self._conn_id}'"
        if not taken:
            raise AlertDeliveryError(f"No receiver {where} took it: {refused or 'none matches its tags'}")
        if refused:
            log.error("Not every receiver %s took the alert: %s", where, refused)


def _build_apprise(found: Connection) -> Apprise:
    from airflow.sdk.log import mask_secret

    receivers = Apprise(asset=AppriseAsset(app_id="gmail-warmup", app_desc="Gmail accounts"))
    for number, item in enumerate(_parse_config(found), 1):
        path = item.get("path") if isinstance(item, dict) else None
        if not isinstance(path, str) or not path.strip():
            raise _malformed_error(found, f"entry {number} of 'config' has no 'path'")
        mask_secret(path)
        with _silence_loggers():
            understood = receivers.add(path, tag=item.get("tag"))
        if not understood:
            raise _malformed_error(found, f"Apprise does not understand the 'path' of entry {number} of 'config'")
    for service in receivers:
        # What is longer than a service takes is cut, not refused; `?overflow=split` in the path says otherwise.
        if "overflow_mode" not in vars(service):
            service.overflow_mode = OverflowMode.TRUNCATE
    return receivers


def _parse_config(found: Connection) -> list[Any]:
    """Return the entries of the Connection, in the form of the Apprise provider."""
    if found.conn_type != "apprise":
        raise _malformed_error(found, "its type is not 'apprise'")
    try:
        extra = json.loads(found.extra or "{}")
        config = extra.get("config") if isinstance(extra, dict) else None
        config = json.loads(config) if isinstance(config, str) else config
    except (ValueError, RecursionError):
        raise _malformed_error(found, "its extra, or 'config' in it, is not JSON") from None
    entries = [config] if isinstance(config, dict) else config
    if not isinstance(entries, list) or not entries:
        raise _malformed_error(found, "its extra has no 'config'")
    return entries


def _malformed_error(found: Connection, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The Airflow Connection '{found.conn_id}' (who receives alerts) is malformed: {what}. It needs the type "
        'apprise and as config {"path": "<a URL of Apprise>"} or a list of these; remove the Connection to have alerts '
        "in the log and on the page alone."
    )


_HTTP_STATUS = re.compile(r"error=(\d{3})\b")


def _describe_refusal(service: Any) -> str:
    """Name a receiver and the HTTP status of its answer, and nothing else that Apprise says about it."""
    statuses = [match[1] for entry in service.logs() if (match := _HTTP_STATUS.search(entry.message))]
    return f"{service.name} (HTTP {statuses[-1]})" if statuses else f"{service.name} (no answer)"


_silence_lock = threading.Lock()


@contextmanager
def _silence_loggers() -> Iterator[None]:
    """Keep Apprise's log to itself, and the requests of urllib3 out of a debug log: both may show a URL."""
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
