"""Units, and calls that run at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from googleapiclient.errors import HttpError

from gmail_sandbox.client import SandboxClient
from sandbox.kit import Gmail, reason
from support.interleaving import holding, until

Mailboxes = Callable[..., Gmail]
ANN, BOB = "ann@example.com", "bob@example.org"


def _profile(gmail: Gmail) -> None:
    gmail.users.getProfile(userId="me").execute()


@pytest.mark.parametrize(
    ("limits", "window", "expected"),
    [
        ({"user_units_per_minute": 12}, 60, (403, "userRateLimitExceeded")),
        ({"project_units_per_minute": 12}, 60, (403, "rateLimitExceeded")),
        ({"project_units_per_day": 12}, 86400, (403, "dailyLimitExceeded")),
    ],
)
def test_units_run_out_and_come_back(
    sandbox: SandboxClient, gmail: Mailboxes, limits: dict[str, int], window: int, expected: tuple[int, str]
) -> None:
    ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
    sandbox.set(**limits)
    ann.find()
    ann.find()
    with pytest.raises(HttpError) as caught:
        ann.find()
    assert reason(caught.value) == expected
    _profile(ann)  # what still fits is served
    if "user_units_per_minute" in limits:
        bob.find()
    sandbox.advance(window)
    gmail("ann@example.com").find()


def test_units_are_counted_by_method_and_can_be_left_unenforced(sandbox: SandboxClient, gmail: Mailboxes) -> None:
    sandbox.set(units=False, user_units_per_minute=1)
    ann = gmail("ann@example.com")
    ann.drafts.send(userId="me", body={"id": ann.draft("ann@example.com")["id"]}).execute()
    ann.get(ann.find()[0])
    stats = sandbox.stats().mailboxes["ann@example.com"]
    assert stats.units == 10 + 100 + 5 + 20
    assert stats.calls == {"drafts.create": 1, "drafts.send": 1, "messages.list": 1, "messages.get": 1}


def _together(sandbox: SandboxClient, token: str, count: int) -> list[httpx.Response]:
    """Make calls that are all in flight at the same time."""
    url, headers = f"{sandbox.base_url}/gmail/v1/users/me/profile", {"authorization": f"Bearer {token}"}
    with ThreadPoolExecutor(count) as pool:
        with holding(sandbox, "gmail"):
            running = [pool.submit(httpx.get, url, headers=headers, trust_env=False, timeout=60) for _ in range(count)]
            until(lambda: sandbox.stats().totals.in_flight == count)
        return [future.result() for future in running]


def test_calls_in_flight_are_counted_per_mailbox(sandbox: SandboxClient) -> None:
    sandbox.put_mailboxes([ANN, BOB])
    tokens = [sandbox.grant(address, "client-1.apps.example").access_token for address in (ANN, BOB)]
    for token in tokens:  # one after the other
        assert _together(sandbox, token, 1)[0].status_code == 200
    assert sandbox.stats().totals.max_in_flight == 1
    _together(sandbox, tokens[0], 3)
    stats = sandbox.stats()
    assert (stats.mailboxes[ANN].max_in_flight, stats.mailboxes[ANN].in_flight) == (3, 0)
    assert stats.mailboxes[BOB].max_in_flight == 1


def test_too_many_calls_at_once_can_be_refused(sandbox: SandboxClient) -> None:
    sandbox.put_mailbox(ANN)
    token = sandbox.grant(ANN, "client-1.apps.example").access_token
    sandbox.set(max_concurrent_per_mailbox=1)
    answers = _together(sandbox, token, 2)
    refused = [answer.json()["error"] for answer in answers if answer.status_code == 429]
    assert refused[0]["message"] == "Too many concurrent requests for user."
    assert _together(sandbox, token, 1)[0].status_code == 200
