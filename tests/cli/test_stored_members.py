"""The commands and the messages about every known value of every stored enum: see tests/web/test_stored_members.py."""

from __future__ import annotations

import re

import pytest

from gmail_warmup.alerts.compose import compose_alerts, read_alerts
from gmail_warmup.alerts.failure_alerts import compose_failure_alert
from gmail_warmup.alerts.health_alerts import compose_health_alert
from gmail_warmup.audit.report import build_report
from gmail_warmup.audit.report_text import format_report as format_audit
from gmail_warmup.audit.results import AuditResult
from gmail_warmup.core.enums import FLAGGED_STATES, GrantState
from gmail_warmup.warmup.reporting.weekly.report import format_report, load_weekly_report
from gmail_warmup.warmup.reporting.weekly.scope import ReportScope
from support.stored_members import find_raw_codes, store_members
from support.world import World

LISTS = (
    "backlog", "changes", "clients list", "invites list", "mailboxes list", "mailboxes readiness", "mailboxes removals",
    "mailboxes tags", "report", "stats", "webhooks list", "webhooks receivers",
)  # fmt: skip


_IN_BRACKETS = re.compile(r"\[\w+\]")
"""A reason code for searching in documents and logs, behind its sentence."""


@pytest.fixture
def stored(world: World) -> World:
    with world.store.engine.begin() as connection:
        store_members(connection, user="op")
    return world


def test_every_command_shows_every_member(shell, stored: World):
    for name in LISTS:
        assert shell(*name.split())
        assert shell.json(*name.split()) is not None
    for mailbox in shell.json("mailboxes", "list"):
        address = mailbox["address"]
        shell("grants", "show", address, code=1 if mailbox["state"] in FLAGGED_STATES else 0)
        for name in ("grants events", "mailboxes schedule show", *(("stats",) if mailbox["kind"] == "warmup" else ())):
            assert shell(*name.split(), address)
    for state in GrantState:
        found = shell.json("mailboxes", "list", "--state", state.value)
        assert {mailbox["state"] for mailbox in found} == {state}


def test_a_pool_mailbox_is_said_to_have_no_statistics(shell, world: World):
    world.add("pool@example.com", kind="pool")
    shell("stats", "pool@example.com", code=2)
    assert "pool@example.com is a pool mailbox; only warmup mailboxes have statistics." in shell.err


def test_every_message_is_written_without_raw_codes(stored: World):
    engine = stored.store.engine
    stored.sql(
        "INSERT INTO gmail_warmup.alert_item (event_id, mailbox_id) SELECT id, mailbox_id FROM gmail_warmup.grant_event"
    )
    alerts = [*compose_alerts(engine), *compose_health_alert(engine), *compose_failure_alert(engine)]
    with engine.begin() as connection:
        audit = build_report(connection, AuditResult(), expiring_days=7)
        report = format_report(load_weekly_report(connection, ReportScope()))
    messages = ["\n".join(format_audit(audit)), report]
    messages += [f"{alert.title}\n{alert.body}" for alert in read_alerts(engine, alerts)]
    assert [code for message in messages for code in find_raw_codes(_IN_BRACKETS.sub("", message))] == []
    assert stored.rows("SELECT kind, reason FROM gmail_warmup.incident WHERE opened_alert_id IS NULL") == []
    counts = (audit.valid, audit.needs_reauth, audit.blocked, audit.suspect, audit.deleted, audit.disabled)
    assert sum(counts) == audit.mailboxes
