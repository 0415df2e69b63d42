"""The commands about webhooks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.webhook_kit import add_mailbox, flag, receiving, register, to_connection
from support.world import World


def test_a_test_a_list_and_a_repetition(world: World, shell: Any, monkeypatch: pytest.MonkeyPatch):
    engine = world.store.engine
    changes = {"webhook_conn_ids": "desk", "webhook_private_addresses": True}
    world.settings = world.settings.model_copy(update=changes)
    assert "0 receivers" in shell("webhooks", "receivers")
    with receiving() as inbox:
        monkeypatch.setenv("AIRFLOW_CONN_DESK", to_connection(inbox))
        register(engine, inbox.receiver("desk"))
        assert "desk accepted the delivery 1 (msg_" in shell("webhooks", "test", "desk")
        assert "desk accepted the delivery 2 (msg_" in shell("webhooks", "repeat", "1")
        assert inbox.types == ["webhook.test"] * 2
        inbox.answer = lambda payload, before: 500
        flag(engine, add_mailbox(engine, "ada@one.example"))
        shell("webhooks", "repeat", "2", code=1)
        assert "desk has not accepted the delivery 3; it is tried again. The receiver answered HTTP 500." in shell.err
    assert "1 delivery" in shell("webhooks", "list", "--state", "waiting")
    assert [row["state"] for row in json.loads(shell("webhooks", "list", "--json"))] == [
        "waiting", "delivered", "delivered"
    ]  # fmt: skip
    assert "1 receiver" in shell("webhooks", "receivers")
    shell("webhooks", "repeat", "99", code=2)
    assert "There is no delivery 99" in shell.err
    shell("webhooks", "test", "other", code=2)
    assert "'other' is not a receiver of webhooks" in shell.err
    assert shell("webhooks", "secret").startswith("whsec_")
