"""A mailbox that needs a person is linked: on its task of the audit, and in the log of a skipped task."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from gmail_warmup.airflow.operators import MailboxOperator, NeedsPersonOperator
from gmail_warmup.airflow.tasks import execution, warmup

ADA = "a+b'c@example.com"
PATH = "/plugin/gmail-accounts{}/gmail-warmup/mailboxes?reauth=a%2Bb%27c%40example.com"


def links(operator: Any) -> list[str]:
    """Return the links that Airflow writes after the task."""
    return [link.get_link(operator=operator, ti_key=None) for link in operator.operator_extra_links]


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ("https://airflow.example.com", "https://airflow.example.com" + PATH.format("")),
        ("https://example.com/air/flow/", "https://example.com/air/flow" + PATH.format("/air/flow")),
        ("", PATH.format("")),  # a worker that does not know it
    ],
)
def test_the_link_is_the_mailbox_inside_the_shell(monkeypatch: pytest.MonkeyPatch, base: str, link: str):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    assert links(NeedsPersonOperator(task_id="needs_person", mailbox=ADA)) == [link]


def test_the_task_of_an_action_stores_no_link():
    # Airflow stores each operator link of each task instance, whatever it is, as an XCom.
    assert links(MailboxOperator(task_id="send", action="send", mailbox=ADA)) == []


def test_a_skip_says_where_the_mailbox_is_repaired(
    monkeypatch: pytest.MonkeyPatch, world: Any, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    world.add("ada@example.com")
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked'")
    monkeypatch.setattr(execution, "build_services", lambda: SimpleNamespace(engine=world.store.engine))
    with pytest.raises(AirflowSkipException, match="is needs_reauth"):
        warmup.run_mailbox_action("send", "ada@example.com")
    link = "https://airflow.example.com/plugin/gmail-accounts/gmail-warmup/mailboxes?reauth=ada%40example.com"
    assert f"To repair it: {link}" in caplog.messages
    caplog.clear()
    world.sql("UPDATE gmail_warmup.mailbox SET paused_at = now()")
    with pytest.raises(AirflowSkipException):
        warmup.run_mailbox_action("send", "ada@example.com")
    assert not [line for line in caplog.messages if "To repair it" in line]
