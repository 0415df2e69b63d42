"""What an Airflow Connection holds, without using it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gmail_warmup.airflow.connections import (
    has_service_account,
    load_oauth_client,
    load_smtp_sender,
    load_text_generator,
)
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.settings import Settings
from gmail_warmup.doctor.content import build_template_generator

ACCOUNTS: list[tuple[Any, bool]] = [
    (None, False),
    ("", False),
    ("not json", False),
    ("[1]", False),
    ({"project": "p"}, False),
    ({"keyfile_dict": ""}, False),
    ({"keyfile_dict": "{}"}, True),
    ({"key_path": "/keys/robot.json"}, True),
    ({"extra__google_cloud_platform__keyfile_dict": "{}"}, True),
    ({"impersonation_chain": "robot@project-1.example"}, True),
]


@pytest.mark.parametrize(("extra", "expected"), ACCOUNTS, ids=str)
def test_a_service_account_is_a_key_or_a_chain(monkeypatch: pytest.MonkeyPatch, extra: Any, expected: bool):
    if extra is not None:
        value = {"conn_type": "google_cloud_platform", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_ROBOT_TEST", json.dumps(value))
    assert has_service_account("robot_test") is expected


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (lambda: load_oauth_client(Settings()), "Create it with 'gmail-warmup init'."),
        (lambda: load_oauth_client(Settings(), "missing"), "Create it in Airflow, see docs/clients.md."),
        (lambda: load_smtp_sender("missing", "the sender"), "Create it in Airflow, with the type SMTP."),
        (
            lambda: load_text_generator(Settings(generator_conn_id="missing"), build_template_generator(Settings())),
            "Create it in Airflow, see docs/content.md.",
        ),
    ],
)
def test_a_missing_connection_is_named_with_the_way_to_create_it(load: Callable[[], object], said: str):
    with pytest.raises(ConfigurationError, match=r"The Airflow Connection '(missing|gmail_oauth_client)' ") as error:
        load()
    assert said in str(error.value)
    assert "README" not in str(error.value)
