"""Delegation without a key: the machine's own credentials let Google sign, from the Connection to Google's side."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gmail_sandbox.cloud.managed_key import managed_key_pair
from gmail_sandbox.cloud.signing import MACHINE_TOKEN
from gmail_warmup.airflow.connections import load_google_credentials
from gmail_warmup.core.enums import GrantState, ResponseCategory
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.gmail.workspace.service_account import ServiceAccount
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.oauth import errors
from gmail_warmup.oauth.reasons import REASONS
from support.workers import hook
from support.world import World

CONNECTION = "google_cloud_default"
ADA = "ada@work.example"
ROBOT, OTHER = "robot@project-1.example", "other@project-1.example"


@dataclass
class Machine:
    """A machine with a workload identity, and the Connection that names the service account."""

    world: World
    set_connection: Callable[..., None]
    credentials_file: Path

    def request_token(self, address: str = ADA) -> Any:
        with ServiceAccount(CONNECTION, load_google_credentials, connect_timeout=60, read_timeout=60) as account:
            return account.request_token(address)


@pytest.fixture
def machine(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    sandbox = world.sandbox
    sandbox.put_service_account(ROBOT, public_key=managed_key_pair()[1])
    sandbox.let_machine_sign(ROBOT)
    sandbox.delegate(ROBOT, "work.example")
    sandbox.put_mailbox(ADA)
    token, file = tmp_path / "token", tmp_path / "workload.json"
    token.write_text("a token of the machine")
    source = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/machines",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{sandbox.base_url}/v1/token",
        "credential_source": {"file": str(token)},
    }
    file.write_text(json.dumps(source))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    def set_connection(**extra: Any) -> None:
        extra = {"impersonation_chain": ROBOT, "token_uri": sandbox.token_uri, "iam_endpoint": sandbox.base_url} | extra
        value = json.dumps({"conn_type": "google_cloud_platform", "extra": extra})
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", value)

    set_connection()
    with world.store.engine.begin() as connection:
        settings = MailboxSettings(kind="pool", auth="delegated")
        repository.add_or_update(connection, ADA, settings, actor="test")
    return Machine(world, set_connection, file)


def test_the_hook_reads_a_delegated_mailbox_without_a_key(machine: Machine):
    assert hook(machine.world, ADA).get_profile().address == ADA
    requests = machine.world.sandbox.token_requests(ADA)
    assert [(row.grant_type, row.status) for row in requests] == [("urn:ietf:params:oauth:grant-type:jwt-bearer", 200)]
    grant = machine.world.grant(ADA)
    assert (grant.state, grant.access_token, grant.refresh_token) == (GrantState.ACTIVE, None, None)


def test_a_chain_of_service_accounts_is_sent(machine: Machine):
    for chain in (f"{OTHER}, {ROBOT}", [OTHER, ROBOT]):
        machine.set_connection(impersonation_chain=chain)
        account = load_google_credentials(CONNECTION)
        assert (account.delegates, account.email) == ((OTHER,), ROBOT)
        assert machine.request_token().reason.code == "ok"


def test_the_token_of_the_machine_is_requested_once(machine: Machine):
    sandbox = machine.world.sandbox
    with ServiceAccount(CONNECTION, load_google_credentials) as account:
        assert account.request_token(ADA).reason.code == "ok"
        sandbox.add_fault("sts", answer={"status": 503, "body": "x"})
        assert account.request_token(ADA).reason.code == "ok"
    assert [fault.hits for fault in sandbox.faults()] == [0]


REFUSALS = {
    "iam.permission_denied": "signing_denied",
    "iam.not_found": "service_account_missing",
    "iam.disabled": "service_account_missing",
    "iam.api_disabled": "signing_api_disabled",
    "iam.unauthenticated": "source_credentials",
    "iam.scope": "source_credentials",
    "iam.invalid_argument": "bad_request",
    "iam.rate_limit_429": "throttled",
    "iam.unavailable_503": "server_error",
    "iam.cut": "unreachable",
    "iam.html_403": "not_json",
    "iam.200_no_jwt": "unusable_answer",
    "iam.200_not_json": "unusable_answer",
}


@pytest.mark.parametrize(("fault", "code"), REFUSALS.items())
def test_a_refusal_to_sign_has_its_reason_and_flags_no_mailbox(machine: Machine, fault: str, code: str):
    machine.world.sandbox.add_fault(name=fault)
    with pytest.raises(errors.GrantError) as caught:
        hook(machine.world, ADA).get_profile()
    reason = REASONS[code]
    assert caught.value.reason == reason
    assert reason.remedy in str(caught.value)
    assert reason.category in (ResponseCategory.APP, ResponseCategory.TRANSIENT, ResponseCategory.THROTTLED)
    assert machine.world.grant(ADA).state is GrantState.ACTIVE
    assert machine.world.token_requests(ADA) == 0


def test_every_fault_of_the_api_has_a_decided_reason(machine: Machine):
    catalogue = {row.name for row in machine.world.sandbox.catalogue() if row.edge == "iam"}
    assert catalogue == set(REFUSALS)


def test_what_the_sandbox_itself_refuses_is_understood(machine: Machine):
    sandbox = machine.world.sandbox
    machine.set_connection(impersonation_chain="nobody@project-1.example")
    assert machine.request_token().reason.code == "service_account_missing"
    machine.set_connection()
    sandbox.let_machine_sign(ROBOT, disabled=True)
    assert machine.request_token().reason.code == "service_account_missing"
    sandbox.disable_service_account(ROBOT, disabled=False)  # takes the role away as well
    assert machine.request_token().reason.code == "signing_denied"
    sandbox.let_machine_sign(ROBOT)
    sandbox.revoke_delegation(ROBOT, "work.example")
    assert machine.request_token().reason.code == "delegation_missing"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": 400, "body": {"error": "invalid_grant", "error_description": "expired"}}, "source_credentials"),
        ({"status": 403, "body": {"error": "access_denied"}}, "source_credentials"),
        ({"status": 404, "body": "no account", "headers": {"Metadata-Flavor": "Google"}}, "source_credentials"),
        ({"status": 429, "body": {"error": "x"}}, "throttled"),
        ({"status": 503, "body": "x"}, "server_error"),
        ({"status": 200, "body": {"expires_in": 1}}, "unusable_answer"),
        ({"status": 200, "body": []}, "not_json"),
        ({"status": 200, "body": "<html>", "content_type": "text/html"}, "not_json"),
        ({"status": 403, "body": "<html>", "content_type": "text/html"}, "not_json"),
    ],
)
def test_credentials_of_the_machine_that_google_refuses_are_named(machine: Machine, answer: dict[str, Any], code: str):
    machine.world.sandbox.add_fault("sts", answer=answer)
    assert machine.request_token().reason.code == code


def test_a_security_token_service_that_is_gone_is_a_network_error(machine: Machine):
    source = json.loads(machine.credentials_file.read_text()) | {"token_url": "http://127.0.0.1:9/v1/token"}
    machine.credentials_file.write_text(json.dumps(source))
    assert machine.request_token().reason.code == "unreachable"


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ({"impersonation_chain": "no address"}, "must hold addresses of service accounts"),
        ({"impersonation_chain": {"a": 1}}, "must hold addresses of service accounts"),
        ({"impersonation_chain": f"{ROBOT},"}, "must hold addresses of service accounts"),
        ({"impersonation_chain": "a@b/../c"}, "must hold addresses of service accounts"),
        ({"keyfile_dict": '{"private_key": "s3cret"}'}, "also keyfile_dict; remove one of them"),
        ({"key_path": "/key.json"}, "also key_path; remove one of them"),
        ({"iam_endpoint": "iam"}, "The iam_endpoint of the Airflow Connection .* must be an http"),
    ],
)
def test_a_connection_that_cannot_be_used_says_why(machine: Machine, extra: dict[str, Any], text: str):
    machine.set_connection(**extra)
    with pytest.raises(ConfigurationError, match=text) as caught:
        hook(machine.world, ADA).get_profile()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "{}", '{"type": "unknown"}', "[]"])
def test_a_machine_without_credentials_is_told_what_to_set_up(
    machine: Machine, content: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    for name in ("HOME", "CLOUDSDK_CONFIG"):  # nobody's own credentials count
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    if content is None:
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    else:
        machine.credentials_file.write_text(content)
    with pytest.raises(ConfigurationError, match=f"no credentials to sign for {ROBOT}.*workload identity"):
        machine.request_token()


def test_neither_token_nor_assertion_is_logged(machine: Machine, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    credentials = hook(machine.world, ADA)._load_credentials()
    for fault in ("iam.permission_denied", "token.bad_request"):
        machine.world.sandbox.add_fault(name=fault)
        with pytest.raises(errors.GrantError):
            hook(machine.world, ADA).get_profile()
        machine.world.sandbox.clear_faults()
    for secret in (credentials.token, MACHINE_TOKEN, "eyJ", "a token of the machine"):
        assert secret not in caplog.text
