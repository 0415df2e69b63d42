"""Reading the directory: what is tried again, after which wait, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gmail_sandbox.client import SandboxClient
from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.gmail.workspace.directory import (
    Directory,
    DirectoryError,
    DirectoryTimeoutError,
    DirectoryUnavailableError,
    build_error,
)
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import TokenResult

ADMIN = "admin@work.example"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def directory(sandbox_server: SandboxClient, waits: list[float]) -> Iterator[Directory]:
    sandbox_server.reset()
    token = TokenResult(reason=REASONS["ok"], access_token="ya29.admin", expires_in=3599)
    with Directory(ADMIN, lambda _: token, endpoint=sandbox_server.base_url, sleep=waits.append) as found:
        yield found


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("directory.cut", "unreachable"),
        ("directory.quota_403", "throttled"),
        ("directory.user_rate_403", "throttled"),
        ("directory.backend_503", "server_error"),
        ("directory.html_403", "not_json"),
        ("directory.200_foreign_json", "not_json"),
        ("directory.200_not_json", "not_json"),
    ],
)
def test_a_disturbance_is_tried_four_times_with_growing_waits(
    sandbox_server: SandboxClient, directory: Directory, waits: list[float], fault: str, code: str
):
    sandbox_server.add_fault(name=fault)
    with pytest.raises(DirectoryError) as caught:
        directory.list_users()
    assert caught.value.reason.code == code
    assert waits == [1, 2, 4]


def test_the_wait_that_google_requests_is_kept_up_to_a_minute(
    sandbox_server: SandboxClient, directory: Directory, waits: list[float]
):
    answer = {"status": 429, "body": {"error": {"code": 429, "message": "x"}}, "headers": {"retry-after": "600"}}
    sandbox_server.add_fault("directory", answer=answer)
    with pytest.raises(DirectoryError):
        directory.list_members("warmup@work.example")
    assert waits == [60, 60, 60]


@pytest.mark.parametrize("code", ["delegation_missing", "not_a_workspace_user", "signing_denied", "proxy_failed"])
def test_a_token_that_is_refused_ends_it_with_its_remedy(sandbox_server: SandboxClient, code: str):
    result = TokenResult(reason=REASONS[code])
    with (
        Directory(ADMIN, lambda _: result, endpoint=sandbox_server.base_url) as found,
        pytest.raises(DirectoryError, match=ADMIN) as caught,
    ):
        found.list_users()
    assert REASONS[code].remedy in str(caught.value)


@pytest.mark.parametrize("group", ["../users", "a/b@work.example", "x?y=z", "%2e%2e"])
def test_a_group_cannot_lead_to_another_path(sandbox_server: SandboxClient, directory: Directory, group: str):
    with pytest.raises(DirectoryError) as caught:
        directory.list_members(group)
    assert caught.value.reason.code in ("directory_denied", "directory_not_found", "not_json")


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code)
def test_no_error_promises_that_the_request_is_repeated(reason: Reason):
    """A task is repeated automatically; nobody but a person repeats a synchronisation."""
    error = build_error("The users of the Workspace", reason)
    assert "No action needed" not in str(error)
    assert reason.message in str(error)
    passes = reason.category in (ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED)
    assert isinstance(error, DirectoryUnavailableError) == passes


@pytest.fixture
def hurried(sandbox_server: SandboxClient, waits: list[float]) -> Iterator[Directory]:
    """A directory that has to be read within a second."""
    sandbox_server.reset()
    token = TokenResult(reason=REASONS["ok"], access_token="ya29.admin", expires_in=3599)
    endpoint = sandbox_server.base_url
    with Directory(ADMIN, lambda _: token, endpoint=endpoint, time_limit=1, sleep=waits.append) as found:
        yield found


def test_a_wait_that_ends_after_the_time_limit_is_not_begun(
    sandbox_server: SandboxClient, hurried: Directory, waits: list[float]
):
    answer = {"status": 429, "body": {"error": {"code": 429, "message": "x"}}, "headers": {"retry-after": "30"}}
    sandbox_server.add_fault("directory", answer=answer)
    with pytest.raises(DirectoryUnavailableError) as caught:
        hurried.list_users()
    assert (caught.value.reason.code, waits) == ("throttled", [])


def test_a_slow_directory_ends_at_the_time_limit(sandbox_server: SandboxClient, hurried: Directory):
    page = {"kind": "admin#directory#users", "users": [], "nextPageToken": "1"}
    sandbox_server.add_fault("directory", answer={"body": page}, delay_ms=1100)
    with pytest.raises(DirectoryTimeoutError, match=r"within 1 seconds\. Use the command"):
        hurried.list_users()
