"""The greatest lengths of texts that a person enters: the API refuses longer ones, and no page accepts them."""

from __future__ import annotations

from collections.abc import Mapping

from gmail_warmup.core.characters import MAX_REASON_LENGTH
from gmail_warmup.mailboxes.addresses import MAX_ADDRESS_LENGTH
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.tags import MAX_TAG_LENGTH
from gmail_warmup.mailboxes.validation import get_max_length

MAX_TEXT_LENGTH = 320
"""Of a text that is searched for, a domain, and what is typed to confirm something."""

MAX_CONN_ID_LENGTH = 200
"""Of the id of an Airflow Connection."""


def build_text_limits() -> Mapping[str, int]:
    """Return the limits by the names under which the templates use them."""
    settings = {name: get_max_length(MailboxSettings, name) for name in ("display_name", "signature")}
    limits = {
        "owner_email": MAX_ADDRESS_LENGTH, "reason": MAX_REASON_LENGTH, "tag": MAX_TAG_LENGTH, "text": MAX_TEXT_LENGTH,
        "conn_id": MAX_CONN_ID_LENGTH,
    }  # fmt: skip
    return limits | {name: limit for name, limit in settings.items() if limit is not None}
