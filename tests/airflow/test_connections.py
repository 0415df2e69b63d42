"""What an Airflow Connection holds, without using it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gmail_warmup.airflow.connections import has_service_account

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
