"""Refuse values of options that are well-formed but would harm mail or stop the sending."""

from __future__ import annotations

from gmail_warmup.core.characters import find_character, is_unsafe_in_name

_SYSTEM_LABELS = frozenset(
    (
        "inbox", "spam", "trash", "bin", "sent", "sent mail", "draft", "drafts", "starred", "important", "unread",
        "chat", "chats", "snoozed", "scheduled", "muted", "all mail", "allmail",
    )
)  # fmt: skip
"""Names of Gmail's own labels and folders, in lower case. Gmail would move a mail there, or refuse the name."""
_RESERVED_BEGINNINGS = ("category_", "[gmail]", "[google mail]", "^")
_STARS = ("yellow", "blue", "red", "orange", "green", "purple")
_STAR_ENDINGS = ("_star", "_bang", "_check", "_guillemet", "_info", "_question")

_SERVER_HEADERS = frozenset(
    (
        "received", "original-to", "original-sender", "original-from", "originating-ip", "originating-email", "sender",
        "sender-ip", "envelope-from", "envelope-to", "delivered-to", "rcpt-to", "return-path", "authenticated-sender",
        "authenticated-user", "authentication-warning", "authentication-results", "mailer", "mimeole", "priority",
        "loop", "beenthere", "failed-recipients", "autoreply", "autorespond", "auto-response-suppress", "precedence",
        "report-abuse", "report-abuse-to", "abuse-reports-to", "complaints-to", "feedback-id", "attachment-id",
        "message-id", "message-info", "uid", "uidl", "keywords", "status", "mozilla-status", "bcc", "cc", "to", "from",
        "subject", "date", "reply-to", "pm-message-id", "mc-user", "smtpapi", "sg-eid", "sid-pra", "sid-result",
        "campaign-id", "unsubscribe", "antiabuse", "get-message-sender-via", "source", "source-ip", "source-dir",
        "policyd-weight", "greylist", "bogosity", "crm114-status", "dspam-result", "cmae-score", "cmae-analysis",
    )
)  # fmt: skip
_SERVER_PREFIXES = (
    "gm-", "gmail-", "google-", "goog-", "ms-", "microsoft-", "msmail-", "exchange-", "forefront-", "eop", "spam",
    "virus", "amavis", "barracuda-", "proofpoint-", "ironport-", "mimecast-", "rspamd-", "sophos-", "forwarded-",
    "mailman-", "list-", "mailgun-", "ses-", "amz-", "sendgrid-", "postmark-", "arc-", "dkim-", "authentication-",
    "received-", "original-", "auth-", "aol-", "yahoo-", "ym", "apple-", "me-", "zoho", "content-", "failed-",
)  # fmt: skip
"""Headers behind ``X-`` that mail servers set, read or remove, in lower case."""


def normalize_label(value: str) -> str:
    """Return the name of a label, without spaces around its parts.

    Raises:
        ValueError: if it is a system label of Gmail or nested in one, or contains a control character.
    """
    parts = [part.strip() for part in value.split("/")]
    if not all(parts):
        raise ValueError("must have a name before and behind each '/'")
    if found := find_character(value, is_unsafe_in_name):
        raise ValueError(f"must not contain control characters; it contains {found}")
    first = " ".join(parts[0].casefold().split())
    is_star = first.startswith(_STARS) and first.endswith(_STAR_ENDINGS)
    if first in _SYSTEM_LABELS or first.startswith(_RESERVED_BEGINNINGS) or is_star:
        raise ValueError(
            f"must not be '{parts[0]}' or nested in it: that is a system label of Gmail, so mail would be moved. "
            "Use a name of its own, for example Warmup"
        )
    return "/".join(parts)


def require_own_header(value: str) -> str:
    """Return the name of the token header.

    Raises:
        ValueError: if mail servers set, read or remove a header of this name.
    """
    name = value.lower().removeprefix("x-")
    if name in _SERVER_HEADERS or name.startswith(_SERVER_PREFIXES):
        raise ValueError("must not be a header that mail servers set, read or remove; use a name such as X-Warmup-Id")
    return value


def require_slot_in_window(*, window_minutes: tuple[int, int], gap_seconds: int) -> None:
    """Check that a mail fits into the sending window.

    Raises:
        ValueError: if the window is shorter than the time between two mails.
    """
    start, end = window_minutes
    if (end - start) * 60 < gap_seconds:
        raise ValueError(
            f"sending_window has {end - start} minutes, less than the {gap_seconds} seconds between two mails (the "
            "larger of min_gap and run_interval); lengthen it"
        )
