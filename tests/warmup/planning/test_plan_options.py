"""Every option that changes the plan is marked as such, so that changing it recomputes the cached send times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, product
from typing import Any

import pytest
from pydantic import ValidationError

from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.core.settings import Settings
from gmail_warmup.warmup.planning.daily_plan import (
    SendingHistory,
    compute_todays_volume,
    find_due_slots,
    find_next_send_time,
    is_sending_time,
    plan_todays_slots,
)
from gmail_warmup.warmup.planning.next_send import _hash_plan_options
from gmail_warmup.warmup.planning.schedules import Schedule
from support.plan_kit import build_mailbox

TEXT_VALUES = {
    "sending_window": ["00:00-24:00", "10:00-11:00"],
    "sending_days": ["sat,sun", "mon,tue,wed,thu,fri,sat,sun"],
    "holidays": ["PH", "RO"],
    "days_off": ["2026-11-25,2026-11-26", "2026-11-27"],
    "language": ["de"],
    "night_pause": ["none", "00:00-12:00"],
    "dns_nameservers": ["192.0.2.53"],
    "new_workspace_domains": ["warm.example"],
    "token_header": ["X-Other"],
    "webhook_conn_ids": ["receiver"],
    "owner_mail_sender": ["smtp_default", "ada@warm.example"],
    "weekly_report": ["mon 08:00"],
    "weekly_report_scopes": ["domain:warm.example"],
    "gmail_api_endpoint": ["https://gmail.example.com"],
}
"""Other valid values of the options that take text of a special form."""

TIMES = [
    datetime(2026, 11, 25, 8, 59, tzinfo=UTC),  # a Wednesday, before, in and after the sending window
    datetime(2026, 11, 25, 13, tzinfo=UTC),
    datetime(2026, 11, 25, 17, 55, tzinfo=UTC),
    datetime(2026, 11, 27, 20, tzinfo=UTC),
]
MAILBOXES = [build_mailbox(daily_target=200), build_mailbox(address=f"eve@{min(CONSUMER_DOMAINS)}", daily_target=30)]


def list_histories(now: datetime) -> list[SendingHistory]:
    claimed = {"claimed_slots": (0, 1), "last_claim": now - timedelta(minutes=5), "planned": 20}
    return [SendingHistory(), SendingHistory(days=4), SendingHistory(days=60), SendingHistory(days=9, **claimed)]


@cache
def compute_plans(settings: Settings) -> list[Any]:
    """Return everything that is planned for some mailboxes with different histories, at different times."""
    plans: list[Any] = []
    for mailbox, now in product(MAILBOXES, TIMES):
        plans.append(is_sending_time(Schedule.from_settings(settings), mailbox.zone, now=now))
        plans += [
            compute(mailbox, history, now=now, settings=settings)
            for history in list_histories(now)
            for compute in (compute_todays_volume, plan_todays_slots, find_due_slots, find_next_send_time)
        ]
    return plans


def list_candidates(schema: dict[str, Any], name: str) -> list[Any]:
    default = schema["default"]
    match schema["type"]:
        case "boolean":
            return [not default]
        case "integer" | "number":
            limits = [schema[key] for key in ("minimum", "maximum") if key in schema]
            return [default * 2, default // 2, default / 2, *limits, default + 1]
        case _:
            return schema.get("enum") or TEXT_VALUES.get(name) or ["other"]


def other_settings(name: str) -> Iterator[Settings]:
    """Yield the default settings with another valid value of one option."""
    for value in list_candidates(Settings.model_json_schema()["properties"][name], name):
        try:
            settings = Settings(**{name: value})
        except ValidationError:
            continue
        if getattr(settings, name) != getattr(Settings(), name):
            yield settings


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_option_is_marked_if_and_only_if_it_changes_the_plan(name: str):
    others = list(islice(other_settings(name), 2))
    assert others, f"no other valid value of {name} was tried: add one to TEXT_VALUES"
    usual, basis = compute_plans(Settings()), _hash_plan_options(Settings())
    if any(compute_plans(settings) != usual for settings in others):
        assert all(_hash_plan_options(settings) != basis for settings in others), (
            f"{name} changes the plan, but send times that were cached with its former value stay in use: mark it "
            "with json_schema_extra=AFFECTS_PLAN in core/settings.py"
        )
    else:
        assert name not in Settings.plan_options(), f"{name} changes no plan: remove AFFECTS_PLAN in core/settings.py"
