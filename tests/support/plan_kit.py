"""Mailbox records for tests of the plan, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gmail_warmup.core.enums import GrantState, HealthBand, MailboxAuth, MailboxKind
from gmail_warmup.mailboxes.records import MailboxRecord


def build_mailbox(**changes: Any) -> MailboxRecord:
    """Return a healthy warmup mailbox with an active grant."""
    nothing = dict.fromkeys(MailboxRecord.__dataclass_fields__)
    usual: dict[str, Any] = nothing | {
        "id": 1,
        "address": "ada@warm.example",
        "kind": MailboxKind.WARMUP,
        "auth": MailboxAuth.GRANT,
        "daily_target": 50,
        "timezone": "UTC",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "band": HealthBand.HEALTHY,
        "state": GrantState.ACTIVE,
        "state_since": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return MailboxRecord(**(usual | changes))
