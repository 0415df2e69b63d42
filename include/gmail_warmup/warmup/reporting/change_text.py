"""The change log as texts: labels of actions and values, and values before and after."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gmail_warmup.core.enums import BAND_LABELS, CHANGE_LABELS, READINESS_LABELS, STATE_LABELS
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_LABELS

VALUE_LABELS: dict[str, str] = SCHEDULE_LABELS | {
    "kind": "Kind",
    "auth": "Authorization",
    "daily_target": "Mails a day",
    "timezone": "Time zone",
    "display_name": "Name",
    "signature": "Signature",
    "owner_email": "Owner",
    "tags": "Tags",
    "paused_at": "Paused since",
    "pause_reason": "Reason of the pause",
    "paused_until": "Paused until",
    "band": "Health",
    "band_reason": "Reason of the health",
    "health_window_start": "Health measured since",
    "address": "Address",
    "revoke_grant": "Revoke the grant",
    "trash_mail": "Move the warmup mail to the trash",
    "invite_id": "Invite",
    "expires_at": "Expires",
    "purpose": "Purpose",
    "state": "State",
    "started_by": "Stopped by",
    "reason": "Reason",
    "user_limit": "Users at most",
    "receiver": "Receiver",
    "delivery_id": "Delivery",
    "report_id": "Link",
    "week": "Week of",
    "added": "Added",
    "updated": "Updated",
    "paused": "Paused",
    "grants": "Grants",
    "mailboxes": "Mailboxes",
    "format": "Format",
    "readiness": "Readiness",
    "domain": "Domain",
    "tag": "Tag",
    "owner": "Owner",
    "client": "OAuth client",
    "q": "Search",
    "keys": "Fernet keys",
}
"""The recorded names as page and command show them."""
TIMES = frozenset({"paused_at", "expires_at"})
_PURPOSES = {"add": "Add the mailbox", "reauth": "Re-authenticate"}
_LABELS: dict[str, dict[Any, str]] = {
    "band": BAND_LABELS, "purpose": _PURPOSES, "readiness": READINESS_LABELS, "state": STATE_LABELS,
}  # fmt: skip
_LISTS = frozenset({"days_off", "holidays", "sending_days"})
_CODES = frozenset({"auth", "band", "band_reason", "kind", "purpose", "readiness", "state"})


def describe_action(code: str) -> str:
    """Return the label of an action, and of another version's its code as words."""
    return CHANGE_LABELS.get(code, _to_words(code))


def describe_name(name: str) -> str:
    """Return the label of a recorded name."""
    return VALUE_LABELS.get(name, _to_words(name))


def describe_value(name: str, value: Any) -> str | datetime:
    """Return a recorded value as a text, or a time for the reader's time zone."""
    if value is None or value in ("", []):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name in _LISTS:
        return ", ".join(str(value).split(","))
    if name in TIMES:
        return _parse_time(str(value))
    if name in _CODES and isinstance(value, str):
        return _LABELS.get(name, {}).get(value, _to_words(value))
    return str(value)


def _parse_time(text: str) -> str | datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo else text


def _to_words(code: str) -> str:
    return code.replace("_", " ").capitalize()
