"""The control surface, and the command that starts the sandbox."""

from __future__ import annotations

import socket
import subprocess
import sys

import httpx
import pytest

from gmail_sandbox.client import SandboxClient, SandboxError
from sandbox.kit import CLIENT, Gmail


@pytest.mark.parametrize(
    ("domain", "taken"),
    [
        ("example.com", True),
        ("Example.ORG", True),
        ("mail.example.net", True),
        ("firm.example", True),
        ("firm.test", True),
        ("gmail.com", False),
        ("example.de", False),
        ("example.com.evil.io", False),
        ("notexample.com", False),
        ("", False),
    ],
)
def test_only_reserved_domains_have_mailboxes(sandbox: SandboxClient, domain: str, taken: bool) -> None:
    address = f"Ann@{domain}" if domain else "Ann"
    if taken:
        assert sandbox.put_mailbox(address).address == address.lower()
        return
    for put in (lambda: sandbox.put_mailbox(address), lambda: sandbox.put_mailboxes([address])):
        with pytest.raises(SandboxError, match=r"reserved domains|not a mail address"):
            put()
    assert sandbox.mailboxes() == []


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("PUT", "settings", {"spam_chances": 1}),
        ("PUT", "settings", {"spam_chance": 2}),
        ("PUT", "settings", {"latency_ms": {"tokens": 1}}),
        ("PUT", "settings", {"category_chances": {"CATEGORY_SOCIAL": 0.7, "CATEGORY_UPDATES": 0.7}}),
        ("POST", "clients", {"client_id": "x", "secret": "y"}),
        ("PUT", "mailboxes/ann@example.com", {"name": "Ann"}),
        ("POST", "grants", {"address": "ann@example.com", "client_id": CLIENT, "scope": "x"}),
        ("POST", "grants/revoke", {"addresses": ["ann@example.com"], "cause": "boredom"}),
        ("POST", "grants/revoke", {"cause": "revoked"}),
        ("POST", "clock", {}),
        ("POST", "clock", {"now": "2030-01-01T00:00:00"}),
    ],
)
def test_typing_errors_are_refused(
    sandbox: SandboxClient, http: httpx.Client, verb: str, path: str, body: dict[str, object]
) -> None:
    before = sandbox.settings()
    assert http.request(verb, f"/sandbox/v1/{path}", json=body).status_code == 422
    assert sandbox.settings() == before


def test_settings_change_only_what_is_named(sandbox: SandboxClient) -> None:
    sandbox.set(spam_chance=0.25, latency_ms={"token": 1, "gmail": 2})
    changed = sandbox.set(latency_ms={"token": 3})
    assert (changed.spam_chance, changed.latency_ms.token, changed.latency_ms.gmail) == (0.25, 3, 2)
    sandbox.reset()
    assert sandbox.settings().spam_chance == 0


def test_mailbox_keeps_what_a_change_does_not_name(sandbox: SandboxClient) -> None:
    sandbox.put_mailbox("ann@example.com", display_name="Ann", sending_limit=3)
    box = sandbox.put_mailbox("ann@example.com", spam_chance=0.5)
    assert (box.display_name, box.sending_limit, box.spam_chance) == ("Ann", 3, 0.5)


def test_deleted_mailbox_takes_its_grants_along(sandbox: SandboxClient, http: httpx.Client) -> None:
    sandbox.put_mailbox("ann@example.com")
    token = sandbox.grant("ann@example.com", CLIENT).access_token
    sandbox.delete_mailbox("ann@example.com")
    sandbox.put_mailbox("ann@example.com")
    headers = {"authorization": f"Bearer {token}"}
    assert http.get("/gmail/v1/users/me/profile", headers=headers).status_code == 401


def test_deleted_mailbox_takes_its_aliases_along(sandbox: SandboxClient) -> None:
    sandbox.put_mailbox("ann@example.com")
    sandbox.rename_mailbox("ann@example.com", "ann.smith@example.com")
    sandbox.delete_mailbox("ann.smith@example.com")
    assert sandbox.mailboxes() == []
    assert sandbox.put_mailbox("ann@example.com").address == "ann@example.com"


def test_counts_by_label(sandbox: SandboxClient) -> None:
    sandbox.put_mailbox("ann@example.com")
    sandbox.deliver("ann@example.com", sender="x@y.test", labels=["SPAM", "UNREAD"])
    sandbox.deliver("ann@example.com", sender="x@y.test")
    box = sandbox.mailbox("ann@example.com")
    assert box.labels == {"SPAM": 1, "INBOX": 1, "UNREAD": 2}
    with pytest.raises(SandboxError, match="no such label"):
        sandbox.deliver("ann@example.com", sender="x@y.test", labels=["NOWHERE"])


@pytest.mark.parametrize(
    "call",
    [
        lambda sandbox: sandbox.grant("nobody@example.com", CLIENT),
        lambda sandbox: sandbox.mailbox("nobody@example.com"),
        lambda sandbox: sandbox.revoke_grants("nobody@example.com"),
        lambda sandbox: sandbox.refuse_client("nobody", None),
        lambda sandbox: sandbox.clear_faults(99),
    ],
)
def test_unknown_things_are_404(sandbox: SandboxClient, call: object) -> None:
    assert callable(call)
    with pytest.raises(SandboxError) as caught:
        call(sandbox)
    assert caught.value.status == 404


def test_clients_are_shown_without_secrets(sandbox: SandboxClient) -> None:
    (client,) = sandbox.clients()
    assert (client.client_id, client.secrets) == (CLIENT, 1)
    sandbox.delete_client(CLIENT)
    assert sandbox.clients()[0].refuse_with == "deleted_client"


def test_ten_thousand_grants_at_once(sandbox: SandboxClient) -> None:
    addresses = [f"user{number}@example.com" for number in range(10_000)]
    assert sandbox.put_mailboxes(addresses) == 10_000
    grants = sandbox.grants([{"address": address, "client_id": CLIENT} for address in addresses])
    assert len({grant.refresh_token for grant in grants}) == 10_000
    assert [grant.address for grant in grants] == addresses
    last = Gmail(sandbox.base_url, grants[-1].access_token)
    assert last.users.getProfile(userId="me").execute()["emailAddress"] == addresses[-1]


def test_taken_port_is_named_with_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "gmail_sandbox", "--port", port],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert port in line
    assert "--port" in line
