"""Views of the readiness of mailboxes and domains for cold mail."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import READINESS_LABELS, ReadinessState
from gmail_warmup.core.settings import Settings
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.readiness import store
from gmail_warmup.warmup.readiness.rules import ReadinessDay
from gmail_warmup.warmup.readiness.store import Readiness


class StoredReadiness(BaseModel):
    """The readiness of a mailbox as the last DAG run stored it."""

    model_config = ConfigDict(frozen=True)

    state: ReadinessState
    label: str = Field(description="The state as text.")
    reason: str = Field(description="Reason code.")
    since: datetime = Field(description="When the mailbox entered the state, as the DAG runs found it.")
    cold_mails: int = Field(description="Cold mails that are reasonable on `local_date`, beside the warmup.")
    local_date: date = Field(description="The mailbox's local day.")


class ReadinessView(StoredReadiness):
    """The readiness of a mailbox now."""

    address: str
    domain: str
    sentence: str = Field(description="The reason as a sentence.")
    step: str = Field(description="The remedy.")


def load_views(connection: sa.Connection, mailbox_ids: Collection[int], settings: Settings) -> list[ReadinessView]:
    """Return the readiness of the warmup mailboxes among some mailboxes, as of now."""
    return [_build_view(item) for item in store.load_readiness(connection, mailbox_ids, settings)]


def load_stored_views(connection: sa.Connection, mailbox_ids: Collection[int]) -> dict[int, StoredReadiness]:
    """Return the stored readiness of mailboxes by their ids; a mailbox that no run has seen has none."""
    stored = store.load_stored_days(connection, mailbox_ids)
    return {mailbox_id: StoredReadiness(**_get_fields(day)) for mailbox_id, day in stored.items()}


def _build_view(item: Readiness) -> ReadinessView:
    reason = REASONS.get(item.reason.code, item.reason)  # for a flagged grant, the text that its state also shows
    return ReadinessView(
        **_get_fields(item.day),
        address=item.address,
        domain=item.domain,
        sentence=reason.message,
        step=reason.remedy.replace("ADDRESS", item.address),
    )


def _get_fields(day: ReadinessDay) -> dict[str, object]:
    return {
        "state": day.state, "label": READINESS_LABELS[day.state], "reason": day.reason, "since": day.since,
        "cold_mails": day.cold_mails, "local_date": day.local_date,
    }  # fmt: skip
