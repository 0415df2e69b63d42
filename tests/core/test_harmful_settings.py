"""Values of options that would harm mail, or stop the sending, are refused by the settings."""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.options import validate_settings
from gmail_warmup.core.settings import Settings

LABELS = [
    "INBOX", "inbox", "Spam", " SPAM ", "Trash", "Bin", "Sent", "Sent  Mail", "Starred", "Important", "Unread", "Draft",
    "Drafts", "Chat", "Chats", "Snoozed", "Scheduled", "All Mail", "CATEGORY_PROMOTIONS", "category_social",
    "CATEGORY_X", "YELLOW_STAR", "Spam/Warmup", "inbox / Warmup", "[Gmail]/Spam", "[Google Mail]/Trash", "[gmail]",
    "^smartlabel", "Warm\u2028up", "Warm\u0007up", "a/ /b",
]  # fmt: skip
HEADERS = [
    "Received", "Message-ID", "DKIM-Signature", "ARC-Seal", "Authentication-Results", "Bcc", "Return-Path",
    "X-Received", "X-Gm-Message-State", "X-GM-THRID", "X-Google-Smtp-Source", "X-Google-DKIM-Signature",
    "X-Gmail-Labels", "X-Spam-Status", "X-Spamd-Result", "X-Forwarded-To", "X-MS-Exchange-Organization-SCL",
    "X-Original-To",
    "X-Failed-Recipients", "X-Auto-Response-Suppress", "X-Mailer", "X-Priority", "X-Originating-IP", "X-Virus-Scanned",
    "X-Beenthere", "X-Loop", "X-Bcc", "X-Message-ID", "X-Return-Path", "X-Attachment-Id", "X-Feedback-ID",
]  # fmt: skip
NUMBERS = [
    (name, value)
    for name in ("pool_daily_cap", "partner_daily_cap", "ramp_cap", "ramp_start", "consumer_daily_limit",
                 "workspace_daily_limit", "maintenance_percent")
    for value in (0, -1, 10**12)
] + [(name, value) for name in ("connect_timeout", "read_timeout", "audit_rate", "mailbox_wait")
     for value in ("inf", "nan", -1)]  # fmt: skip


def refuse(**options: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        validate_settings(options)
    return str(refused.value)


@pytest.mark.parametrize("label", LABELS, ids=ascii)
def test_a_system_label_of_gmail_is_refused(label: str):
    assert "AIRFLOW__GMAIL_WARMUP__GMAIL_LABEL" in refuse(gmail_label=label)


@pytest.mark.parametrize("label", ["Warmup", "Mail/Warmup", "Warmup/Sent", "Übung", "Inboxes", "Spammy", "My Trash"])
def test_any_other_label_is_accepted(label: str):
    assert Settings(gmail_label=label).gmail_label == label


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_of_mail_servers_is_refused(header: str):
    assert "AIRFLOW__GMAIL_WARMUP__TOKEN_HEADER" in refuse(token_header=header)


@pytest.mark.parametrize("header", ["X-Warmup-Id", "X-Other", "X-Acme-Token", "X-Token", "X-Id"])
def test_any_other_header_is_accepted(header: str):
    assert Settings(token_header=header).token_header == header


@pytest.mark.parametrize(
    "options",
    [
        {"sending_window": "09:00-09:03"},
        {"sending_window": "09:00-09:09"},
        {"sending_window": "09:00-10:00", "min_gap": 3601},
        {"sending_window": "23:00-24:00", "run_interval": 3600, "min_gap": 3601},
    ],
)
def test_a_window_shorter_than_the_time_between_two_mails_is_refused(options: dict[str, Any]):
    assert "sending_window has" in refuse(**options)


def test_a_window_of_one_gap_is_accepted():
    assert Settings(sending_window="09:00-10:00", min_gap=3600).min_gap == 3600
    assert Settings(sending_window="09:00-09:01", min_gap=0, run_interval=0).run_interval == 0


@pytest.mark.parametrize(("name", "value"), NUMBERS)
def test_a_number_that_stops_the_sending_or_fits_no_column_is_refused(name: str, value: Any):
    assert f"AIRFLOW__GMAIL_WARMUP__{name.upper()}" in refuse(**{name: value})


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_number_has_an_upper_bound(name: str):
    schema = Settings.model_json_schema()["properties"][name]
    assert schema["type"] not in ("integer", "number") or "maximum" in schema
