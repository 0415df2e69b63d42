"""The documented example is what a receiver gets, and its signature is valid."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook, WebhookVerificationError

from gmail_warmup.alerts.webhooks.messages import Message, load_message
from gmail_warmup.alerts.webhooks.receivers import build_receiver, generate_secret
from gmail_warmup.alerts.webhooks.sender import sign_message
from support.webhook_kit import SECRET, Inbox, add_mailbox, fetch, flag, register

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"


def test_the_documented_example_has_the_form_of_a_real_message(database: sa.Engine):
    example = json.loads(re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)[0])
    register(database, Inbox(port=1).receiver())
    mailbox_id = add_mailbox(database, example["data"]["address"])
    flag(database, mailbox_id, example["data"]["reason"])
    ((event_id,),) = fetch(database, "SELECT id FROM gmail_warmup.webhook_event")
    payload = json.loads(load_message(database, event_id).body)
    at = payload["timestamp"]
    assert datetime.fromisoformat(at).utcoffset() is not None
    assert at.endswith("Z")
    assert example["timestamp"] == example["data"]["at"]
    example["timestamp"] = example["data"]["at"] = at
    example["data"]["mailbox_id"] = mailbox_id
    assert payload == example


def test_the_documented_receiver_verifies_a_message():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    message = Message(id="msg_1", body='{"type":"mailbox.ready","timestamp":"2026-11-30T08:00:00Z","data":{}}')
    receiver = build_receiver(
        "desk", url="https://hooks.example.com", signing_secrets=[SECRET], events=None, allow_private=False
    )
    headers = sign_message(receiver, message, now=datetime.now(UTC))
    scope: dict[str, object] = {"SECRET": SECRET, "body": message.body, "headers": headers}
    exec(code, scope)
    assert scope["event"] == json.loads(message.body)


def test_during_a_rotation_both_secrets_verify_and_a_third_one_does_not():
    former, present, foreign = generate_secret(), generate_secret(), generate_secret()
    receiver = build_receiver(
        "desk", url="https://hooks.example.com", signing_secrets=[present, former], events=None, allow_private=False
    )
    message = Message(id="msg_1", body="{}")
    headers = sign_message(receiver, message, now=datetime.now(UTC))
    for secret in (former, present):
        assert Webhook(secret).verify(message.body, headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(foreign).verify(message.body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(present).verify("[]", headers)
