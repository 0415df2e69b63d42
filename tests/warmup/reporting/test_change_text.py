"""The texts of the change log: every action and every recorded name has a label."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import CHANGE_LABELS, ChangeAction
from gmail_warmup.db.models import Base
from gmail_warmup.mailboxes.change_log import RECORDED_NAMES
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_LABELS, SCHEDULE_NAMES
from gmail_warmup.warmup.reporting.change_text import (
    TIMES,
    VALUE_LABELS,
    describe_action,
    describe_name,
    describe_value,
)

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_every_action_has_a_label_of_its_own():
    assert set(CHANGE_LABELS) == set(ChangeAction)
    assert len(set(CHANGE_LABELS.values())) == len(ChangeAction)
    assert not [label for label in CHANGE_LABELS.values() if "_" in label or label != label.strip()]


def test_every_recorded_name_has_a_label():
    assert set(VALUE_LABELS) == RECORDED_NAMES
    assert set(SCHEDULE_LABELS) == set(SCHEDULE_NAMES)


def test_every_recorded_time_is_shown_as_a_time():
    columns = (column for table in Base.metadata.tables.values() for column in table.columns)
    assert {column.name for column in columns if isinstance(column.type, sa.DateTime)} & RECORDED_NAMES == TIMES


def test_codes_of_another_version_are_shown_as_words():
    assert describe_action("a_later_version") == "A later version"
    assert describe_name("a_later_name") == "A later name"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("reason", None, "none"), ("tags", [], "none"), ("display_name", "", "none"),
        ("tags", ["north", "sales"], "north, sales"),
        ("trash_mail", True, "yes"), ("revoke_grant", False, "no"),
        ("daily_target", 0, "0"), ("added", 1, "1"),
        ("kind", "warmup", "Warmup"), ("band_reason", "spam_too_much", "Spam too much"), ("state", "active", "Valid"),
        ("state", "needs_reauth", "Needs re-authentication"), ("band", "watch", "Watched"),
        ("readiness", "warming", "Warming up"),
        ("purpose", "reauth", "Re-authenticate"), ("holidays", "DE-BY,FR", "DE-BY, FR"), ("days_off", "none", "none"),
        ("reason", "see_ticket", "see_ticket"), ("paused_until", "2026-12-24", "2026-12-24"),
        ("paused_at", NOON.isoformat(), NOON), ("expires_at", "2026-11-30T12:00:00+00:00", NOON),
        ("expires_at", "soon", "soon"), ("expires_at", "2026-11-30", "2026-11-30"),
        ("reason", NOON.isoformat(), NOON.isoformat()), ("later", {"a": 1}, "{'a': 1}"),
    ],
)  # fmt: skip
def test_values(name: str, value: Any, text: str | datetime):
    assert describe_value(name, value) == text
