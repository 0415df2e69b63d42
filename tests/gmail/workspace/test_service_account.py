"""Mailboxes reached by a service account: from Airflow's Connection over real HTTP to Google's side and the row."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gmail_sandbox.client import SandboxClient
from gmail_sandbox.control.service_account_models import ServiceAccountMade
from gmail_sandbox.fault_catalog import CATALOGUE
from gmail_warmup.airflow.connections import load_google_credentials
from gmail_warmup.audit.pipeline import Audit
from gmail_warmup.cli import app
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.db import clock
from gmail_warmup.db.models import GrantState
from gmail_warmup.gmail import errors as gmail_errors
from gmail_warmup.gmail.workspace.service_account import ServiceAccount
from gmail_warmup.gmail.workspace.service_account_tokens import ServiceAccountTokens
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.oauth import errors
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import SCOPE
from gmail_warmup.web.views.mailbox import MailboxView, build_views
from support.workers import hook, services
from support.world import FERNET_KEY, World

CONNECTION = "google_cloud_default"
ADA, BEN, DORA = "ada@work.example", "ben@work.example", "dora@work.example"
ROBOT = "robot@project-1.example"
RAW = "VG86IGJlbkB3b3JrLmV4YW1wbGUNClN1YmplY3Q6IEhlbGxvDQoNCmhp"
ACTIVE, SUSPECT, BLOCKED, DISABLED = (
    GrantState.ACTIVE, GrantState.SUSPECT, GrantState.BLOCKED_BY_ADMIN, GrantState.DISABLED,
)  # fmt: skip


@dataclass
class Workspace:
    """A domain whose mailboxes are delegated to a service account, and the Connection that holds its key."""

    world: World
    keyfile: dict[str, str]
    set_connection: Callable[[Any], None]

    def add(self, *addresses: str) -> None:
        self.world.sandbox.put_mailboxes(addresses)
        for address in addresses:
            put(self.world, address, "delegated")

    def tokens(self, **options: Any) -> ServiceAccountTokens:
        delegation = ServiceAccount(CONNECTION, load_google_credentials, connect_timeout=60, read_timeout=60, **options)
        return ServiceAccountTokens(self.world.store, delegation, actor=self.world.actor)

    def refuse(self, error: str, text: str, *, status: int = 400) -> None:
        self.world.sandbox.clear_faults()
        body = {"error": error, "error_description": text}
        self.world.sandbox.add_fault("token", answer={"status": status, "body": body})

    def works_again(self) -> None:
        self.world.sandbox.clear_faults()

    def let_time_pass(self) -> None:
        """Let the second probe be due."""
        self.world.sql(
            "UPDATE gmail_warmup.oauth_grant SET state_since = now() - interval '1 day', next_probe_at = now()"
        )


def put(world: World, address: str, auth: str) -> None:
    with world.store.engine.begin() as connection:
        repository.add_or_update(connection, address, MailboxSettings(kind="pool", auth=auth), actor="test")


@pytest.fixture(scope="module")
def robot(sandbox_server: SandboxClient) -> ServiceAccountMade:
    """One key for all tests: Airflow masks every secret that a process ever read, and gets slow with hundreds."""
    return sandbox_server.put_service_account(ROBOT)


@pytest.fixture
def workspace(world: World, robot: ServiceAccountMade, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    assert robot.keyfile
    world.sandbox.put_service_account(ROBOT, public_key=robot.public_key)
    world.sandbox.delegate(ROBOT, "work.example")

    def set_connection(extra: Any) -> None:
        value = json.dumps({"conn_type": "google_cloud_platform", "extra": extra})
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", value)

    found = Workspace(world, robot.keyfile, set_connection)
    set_connection({"keyfile_dict": json.dumps(robot.keyfile)})
    found.add(ADA)
    return found


# The whole path


def test_the_hook_reads_and_sends_for_a_delegated_mailbox(workspace: Workspace):
    world = workspace.world
    workspace.add(BEN)
    gmail = hook(world, ADA)
    assert gmail.get_profile().address == ADA
    gmail.send_draft(gmail.create_draft(RAW).id)
    assert [(mail.sender, mail.to) for mail in world.sandbox.mails()] == [(ADA, [BEN])]
    assert world.token_requests(ADA) == 1


def test_no_token_is_stored_and_the_row_is_left_alone(workspace: Workspace):
    before = workspace.world.grant(ADA)
    credentials = hook(workspace.world, ADA)._load_credentials()
    after = workspace.world.grant(ADA)
    assert credentials.refresh_token is None
    assert (after.access_token, after.refresh_token, after.version) == (None, None, before.version)


def test_the_key_may_be_stored_as_the_provider_allows(workspace: Workspace, tmp_path: Path):
    file = tmp_path / "key.json"
    file.write_text(json.dumps(workspace.keyfile))
    for extra in ({"keyfile_dict": workspace.keyfile}, {"key_path": str(file)}):
        workspace.set_connection(extra)
        assert hook(workspace.world, ADA).get_profile().address == ADA


def test_a_token_that_gmail_rejects_is_asked_for_anew(workspace: Workspace):
    gmail, sandbox = hook(workspace.world, ADA), workspace.world.sandbox
    gmail.get_profile()
    sandbox.revoke_delegation(ROBOT, "work.example")  # takes the token along
    sandbox.delegate(ROBOT, "work.example")
    assert gmail.get_profile().address == ADA
    assert workspace.world.token_requests(ADA) == 2


# What Google refuses


REFUSALS = [
    # what Google's table of JWT error codes says, and what it gave to others
    ("unauthorized_client", "Unauthorized client or scope in request.", "delegation_missing", BLOCKED),
    ("unauthorized_client", "Client is unauthorized to retrieve access tokens", "delegation_missing", BLOCKED),
    ("access_denied", "Requested client not authorized.", "delegation_missing", BLOCKED),
    ("admin_policy_enforced", "Access is restricted by policies", "blocked_by_admin", BLOCKED),
    ("org_internal", "This client is restricted to users within its organization.", "blocked_by_admin", BLOCKED),
    ("invalid_grant", "Not a valid email.", "not_a_workspace_user", DISABLED),
    ("invalid_grant", "Invalid email or User ID", "not_a_workspace_user", DISABLED),
    ("invalid_grant", "The account has been deleted", "not_a_workspace_user", DISABLED),
    ("invalid_request", "Invalid impersonation &quot;sub&quot; field", "not_a_workspace_user", DISABLED),
    ("invalid_grant", "Bad Request", "grant_refused", SUSPECT),
    ("invalid_grant", "Token has been expired or revoked.", "grant_refused", SUSPECT),
    ("invalid_grant", "Invalid grant: account not found", "service_account_missing", ACTIVE),
    ("invalid_grant", "Robot is disabled.", "service_account_missing", ACTIVE),
    ("deleted_client", "The OAuth client was deleted.", "service_account_missing", ACTIVE),
    ("invalid_grant", "Invalid JWT Signature.", "service_account_key", ACTIVE),
    ("invalid_grant", "Invalid JWT: No valid verifier found for issuer", "service_account_key", ACTIVE),
    ("disabled_client", "The OAuth client was disabled.", "service_account_key", ACTIVE),
    ("invalid_client", "The OAuth client was not found.", "service_account_key", ACTIVE),
    ("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes)", "clock_wrong", ACTIVE),
    ("invalid_grant", "Invalid JWT: Failed audience check.", "bad_request", ACTIVE),
    ("invalid_scope", "Invalid OAuth scope or ID token audience provided.", "bad_request", ACTIVE),
    ("internal_failure", "Backend Error", "server_error", ACTIVE),
]


@pytest.mark.parametrize(("error", "text", "code", "state"), REFUSALS)
def test_an_answer_has_its_meaning_and_flags_only_what_it_must(
    workspace: Workspace, error: str, text: str, code: str, state: GrantState
):
    workspace.refuse(error, text)
    with pytest.raises(errors.GrantError) as caught:
        hook(workspace.world, ADA).get_profile()
    reason = REASONS[code]
    assert (caught.value.reason, type(caught.value)) == (reason, type(errors.build_grant_error(ADA, reason)))
    assert reason.remedy in str(caught.value)
    grant = workspace.world.grant(ADA)
    assert (grant.state, grant.reason) == (state, None if state is ACTIVE else code)


def test_what_the_sandbox_itself_refuses_is_understood(workspace: Workspace):
    world, sandbox = workspace.world, workspace.world.sandbox
    put(world, DORA, "delegated")  # no such user
    foreign = "eve@elsewhere.example"  # a domain that delegated nothing
    sandbox.put_mailbox(foreign)
    delegation = ServiceAccount(CONNECTION, load_google_credentials)
    assert delegation.request_token(ADA).reason.code == "ok"
    assert delegation.request_token(DORA).reason.code == "not_a_workspace_user"
    assert delegation.request_token(foreign).reason.code == "delegation_missing"
    sandbox.advance(86_400)
    assert delegation.request_token(ADA).reason.code == "clock_wrong"
    sandbox.advance(-86_400)
    sandbox.disable_service_account(ROBOT)
    assert delegation.request_token(ADA).reason.code == "service_account_missing"
    sandbox.put_service_account(ROBOT)  # with another key
    assert delegation.request_token(ADA).reason.code == "service_account_key"


@pytest.mark.parametrize("name", sorted(name for name in CATALOGUE if name.startswith("token.") and "hang" not in name))
def test_nothing_leaves_a_mailbox_to_a_consent_that_cannot_be(workspace: Workspace, name: str):
    """Twice, because the second refusal of a suspect is a verdict."""
    workspace.world.sandbox.add_fault("token", name=name)
    for _ in range(2):
        with pytest.raises(errors.GrantError):
            hook(workspace.world, ADA).get_profile()
        workspace.let_time_pass()
    assert workspace.world.grant(ADA).state in (ACTIVE, BLOCKED, DISABLED)
    assert view_of(workspace.world, ADA).needs_person is False


@pytest.mark.parametrize(
    ("fault", "requests"), [("token.cut", 2), ("token.html_503", 2), ("token.too_many_429", 1), ("token.200_empty", 1)]
)
def test_a_disturbance_is_tried_twice_at_most_and_changes_nothing(workspace: Workspace, fault: str, requests: int):
    workspace.world.sandbox.add_fault("token", name=fault)
    with pytest.raises(errors.TransientGrantError):
        hook(workspace.world, ADA).get_profile()
    assert workspace.world.token_requests(ADA) == requests
    assert workspace.world.grant(ADA).state is ACTIVE


def test_a_hanging_endpoint_is_left_in_time(workspace: Workspace):
    workspace.world.sandbox.add_fault("token", name="token.hang")
    delegation = ServiceAccount(CONNECTION, load_google_credentials, read_timeout=0.3, tries=1)
    assert delegation.request_token(ADA).reason.code == "unreachable"


# What becomes of the row


def test_a_flagged_mailbox_costs_no_request(workspace: Workspace):
    workspace.world.sandbox.revoke_delegation(ROBOT, "work.example")
    for _ in range(3):
        with pytest.raises(errors.FlaggedGrantError, match="Domain-wide delegation"):
            hook(workspace.world, ADA).get_profile()
    assert workspace.world.token_requests(ADA) == 1
    grant = workspace.world.grant(ADA)
    assert grant.next_probe_at is not None
    assert 72_000 < (grant.next_probe_at - grant.now).total_seconds() <= 82_800


def test_a_suspect_that_works_at_its_second_probe_is_active_again(workspace: Workspace):
    workspace.refuse("invalid_grant", "")
    for _ in range(2):  # the second time nobody asks: the probe is not due
        with pytest.raises(errors.SuspectGrantError):
            hook(workspace.world, ADA).get_profile()
    assert workspace.world.token_requests(ADA) == 1
    workspace.works_again()
    workspace.let_time_pass()
    assert hook(workspace.world, ADA).get_profile().address == ADA
    grant = workspace.world.grant(ADA)
    assert (grant.state, grant.reason, grant.next_probe_at) == (ACTIVE, None, None)
    assert workspace.world.events(ADA) == [
        (None, "active", None),
        ("active", "suspect", "grant_refused"),
        ("suspect", "active", None),
    ]


def test_a_suspect_that_is_refused_again_waits_for_its_administrator_and_no_consent(workspace: Workspace):
    workspace.refuse("invalid_grant", "Bad Request")
    with pytest.raises(errors.SuspectGrantError):
        hook(workspace.world, ADA).get_profile()
    workspace.let_time_pass()
    with pytest.raises(errors.FlaggedGrantError, match="twice without a reason"):
        hook(workspace.world, ADA).get_profile()
    grant = workspace.world.grant(ADA)
    assert (grant.state, grant.reason) == (BLOCKED, "delegation_refused")
    assert grant.next_probe_at is not None


@pytest.mark.parametrize(
    ("fault", "kind", "code", "state"),
    [
        ("gmail.insufficient_scope", gmail_errors.ScopeMissingError, "delegation_missing", BLOCKED),
        ("gmail.auth_error", gmail_errors.AccessRejectedError, "token_rejected", SUSPECT),
        ("gmail.mail_service_not_enabled", gmail_errors.MailboxUnusableError, "gmail_disabled", DISABLED),
    ],
)
def test_gmails_refusals_are_read_for_a_delegated_mailbox(
    workspace: Workspace, fault: str, kind: type[Exception], code: str, state: GrantState
):
    workspace.world.sandbox.add_fault("gmail", name=fault)
    with pytest.raises(kind):
        hook(workspace.world, ADA).get_profile()
    grant = workspace.world.grant(ADA)
    assert (grant.state, grant.reason) == (state, code)


@pytest.mark.parametrize("fault", ["gmail.mail_service_not_enabled", "gmail.domain_policy", "gmail.insufficient_scope"])
def test_what_gmail_refused_is_not_ended_by_a_token_of_the_service_account(workspace: Workspace, fault: str):
    world = workspace.world
    world.sandbox.add_fault("gmail", name=fault)
    with pytest.raises(gmail_errors.GmailError):
        hook(world, ADA).get_profile()
    flagged = world.grant(ADA)
    for accepted in (False, True):
        if accepted:
            world.sandbox.clear_faults()
        workspace.let_time_pass()
        world.sql("UPDATE gmail_warmup.oauth_grant SET next_probe_at = now()")
        with ServiceAccount(CONNECTION, load_google_credentials, tries=1) as delegation:
            audit = Audit(world.store, world.client, world.settings, actor=world.actor, delegated=delegation)
            audit.run([flagged.mailbox_id])
        grant = world.grant(ADA)
        assert (grant.state, grant.reason) == ((ACTIVE, None) if accepted else (flagged.state, flagged.reason))
    assert len(world.events(ADA)) == 3


def test_a_valid_token_is_served_while_asking_fails(workspace: Workspace):
    tokens = workspace.tokens()
    first = tokens.get_token(ADA)
    workspace.world.sandbox.add_fault("token", name="token.html_503")
    again = tokens.get_token(ADA)
    assert again.token == first.token
    assert 0 < again.seconds <= first.seconds
    with pytest.raises(errors.TransientGrantError):
        tokens.get_token(ADA, rejected=first.token)


def test_a_dead_key_is_asked_about_for_few_mailboxes_and_then_for_none(workspace: Workspace):
    """Each task makes its own source of tokens; what stops them is in the database."""
    world = workspace.world
    others = [f"user{number}@work.example" for number in range(8)]
    workspace.add(*others)
    world.sandbox.put_service_account(ROBOT)
    seen = []
    for address in others:
        with pytest.raises(errors.GrantError) as caught:
            workspace.tokens().get_token(address)
        seen.append(type(caught.value))
        assert caught.value.reason.code == "service_account_key"
        assert world.grant(address).state is ACTIVE
    assert seen[0] is errors.OAuthClientError
    assert seen[-1] is errors.CircuitOpenError
    assert world.token_requests() <= 3


def test_the_grants_are_refreshed_while_the_service_account_is_refused(workspace: Workspace):
    world = workspace.world
    world.add("greta@pool.example")
    world.sandbox.disable_service_account(ROBOT)
    workspace.add(BEN, DORA)
    for address in (ADA, BEN, DORA, ADA):
        with pytest.raises(errors.GrantError):
            workspace.tokens().get_token(address)
    assert hook(world, "greta@pool.example").get_profile().address == "greta@pool.example"


# The Connection


BROKEN: list[dict[str, Any]] = [
    {"keyfile_dict": "{not json"},
    {"keyfile_dict": {"type": "service_account", "client_email": ROBOT, "private_key": "s3cret no key"}},
    {"keyfile_dict": {"client_email": ROBOT}},
    {"key_path": "no-such-key.json"},
    {},
    {"is_anonymous": True},
]


@pytest.mark.parametrize("extra", BROKEN)
def test_a_connection_without_a_key_is_named_with_its_remedy(
    workspace: Workspace, extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    for name in ("HOME", "CLOUDSDK_CONFIG"):  # nobody's own credentials count
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    workspace.set_connection(extra)
    with pytest.raises(
        ConfigurationError, match=r"'google_cloud_default' holds no usable service account .*Keyfile JSON"
    ) as caught:
        hook(workspace.world, ADA).get_profile()
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert workspace.world.grant(ADA).state is ACTIVE


def test_a_missing_connection_is_named_with_its_remedy(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(f"AIRFLOW_CONN_{CONNECTION.upper()}")
    with pytest.raises(ConfigurationError, match=r"'google_cloud_default' .* is missing\. Make it .*Keyfile JSON"):
        hook(workspace.world, ADA).get_profile()


# For the audit


def test_one_delegation_serves_many_threads_and_reads_its_connection_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    addresses = [f"user{number}@work.example" for number in range(24)]
    workspace.add(*addresses)
    with ServiceAccount(CONNECTION, load_google_credentials, tries=1) as delegation:
        delegation.request_token(ADA)
        monkeypatch.delenv(f"AIRFLOW_CONN_{CONNECTION.upper()}")
        with ThreadPoolExecutor(8) as pool:
            verdicts = list(pool.map(delegation.request_token, addresses))
    assert {verdict.reason.code for verdict in verdicts} == {"ok"}
    assert len({verdict.access_token for verdict in verdicts}) == len(addresses)
    assert {row.address for row in workspace.world.sandbox.token_requests()} == {ADA, *addresses}


def test_a_verdict_sends_one_request_where_one_is_asked_for(workspace: Workspace):
    workspace.world.sandbox.add_fault("token", name="token.html_503_retry_after")
    verdict = ServiceAccount(CONNECTION, load_google_credentials, tries=1).request_token(ADA)
    assert (verdict.reason.code, verdict.retry_after) == ("server_error", 2)
    assert workspace.world.token_requests(ADA) == 1


def test_the_providers_hook_is_not_imported_before_a_delegated_mailbox_is_used():
    program = (
        "import sys\n"
        "from gmail_warmup.airflow import connections, gmail_hook\n"
        "from gmail_warmup.gmail.workspace import service_account\n"
        "service_account.ServiceAccount('google_cloud_default', connections.load_google_credentials).breaker_key\n"
        "print([name for name in sys.modules if name.startswith('airflow.providers.google.common')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# Secrets


def test_neither_key_nor_token_nor_assertion_is_logged(workspace: Workspace, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    credentials = hook(workspace.world, ADA)._load_credentials()
    workspace.refuse("invalid_grant", "Bad Request")
    with pytest.raises(errors.GrantError):
        hook(workspace.world, ADA).get_profile()
    said = caplog.text
    assert ADA in said
    assert credentials.token not in said
    assert "eyJ" not in said  # how every JWT begins
    assert workspace.keyfile["private_key"].splitlines()[1] not in said


# A mailbox that is reached in another way from now on


def test_from_a_grant_to_the_service_account(workspace: Workspace):
    world = workspace.world
    world.add("tom@work.example")
    refresh_token = world.grant("tom@work.example").refresh_token
    before = world.grant("tom@work.example")
    world.store.record_refusal(before, REASONS["expired_or_revoked"], actor=world.actor)
    stale = world.grant("tom@work.example")
    put(world, "tom@work.example", "delegated")
    grant = world.grant("tom@work.example")
    assert (grant.state, grant.reason, grant.refresh_token) == (ACTIVE, None, refresh_token)
    assert world.events("tom@work.example")[-1] == ("needs_reauth", "active", "auth_delegated")
    assert hook(world, "tom@work.example").get_profile().address == "tom@work.example"
    # A refusal of before, still on its way, changes nothing any more.
    assert world.store.record_refusal(stale, REASONS["expired_or_revoked"], actor=world.actor) is None
    assert world.grant("tom@work.example").state is ACTIVE


def test_from_the_service_account_to_a_grant_that_nobody_gave(workspace: Workspace):
    world = workspace.world
    put(world, ADA, "grant")
    grant = world.grant(ADA)
    assert (grant.state, grant.reason) == (GrantState.NEEDS_REAUTH, "never_granted")
    assert world.events(ADA)[-1] == ("active", "needs_reauth", "never_granted")
    with pytest.raises(errors.FlaggedGrantError, match="No one has signed in"):
        hook(world, ADA).get_profile()
    assert world.token_requests(ADA) == 0


def test_back_to_the_grant_that_was_stored(workspace: Workspace):
    world = workspace.world
    world.add("tom@work.example", expired=False)
    for auth in ("delegated", "grant"):
        put(world, "tom@work.example", auth)
    assert hook(world, "tom@work.example").get_profile().address == "tom@work.example"
    assert [row.grant_type for row in world.sandbox.token_requests("tom@work.example")] == ["refresh_token"]
    assert world.events("tom@work.example")[-1] == ("active", "active", "auth_grant")


def test_other_changes_of_a_mailbox_leave_its_row_alone(workspace: Workspace):
    world = workspace.world
    world.sandbox.revoke_delegation(ROBOT, "work.example")
    with pytest.raises(errors.FlaggedGrantError):
        hook(world, ADA).get_profile()
    before = world.grant(ADA)
    put(world, ADA, "delegated")
    after = world.grant(ADA)
    assert (after.state, after.version, after.state_since) == (before.state, before.version, before.state_since)
    assert len(world.events(ADA)) == 2


def test_an_import_changes_how_a_mailbox_is_reached(workspace: Workspace, tmp_path: Path):
    world = workspace.world
    world.add("tom@work.example")
    file = tmp_path / "mailboxes.csv"
    file.write_text(f"address,kind,auth\ntom@work.example,pool,delegated\n{BEN},pool,delegated\n{ADA},pool,grant\n")
    assert shell(world, "mailboxes", "import", str(file)).exit_code == 0
    states = {address: world.grant(address).state for address in ("tom@work.example", BEN, ADA)}
    assert states == {"tom@work.example": ACTIVE, BEN: ACTIVE, ADA: GrantState.NEEDS_REAUTH}


# What a person sees


def shell(world: World, *words: str) -> Any:
    environment = {"COLUMNS": "200", "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY}
    return CliRunner().invoke(app, words, obj=services(world), env=environment)


def view_of(world: World, address: str) -> MailboxView:
    with world.store.engine.begin() as connection:
        record = repository.get_mailbox(connection, address)
        return build_views(connection, [record], now=clock.get_current_time(connection), settings=world.settings)[0]


def test_the_page_says_what_an_administrator_does_and_offers_no_consent(workspace: Workspace):
    world = workspace.world
    shown = view_of(world, ADA)
    assert (shown.state_label, shown.sentence, shown.can_reauthenticate, shown.needs_person) == (
        "Valid",
        "",
        False,
        False,
    )
    world.sandbox.revoke_delegation(ROBOT, "work.example")
    with pytest.raises(errors.FlaggedGrantError):
        hook(world, ADA).get_profile()
    shown = view_of(world, ADA)
    assert (shown.state_label, shown.can_reauthenticate, shown.needs_person) == ("Blocked by admin", False, False)
    assert "service account" in shown.sentence
    assert "Admin console" in shown.step
    assert SCOPE in shown.step


def test_no_end_is_foretold_for_a_grant_that_is_not_used(workspace: Workspace):
    world = workspace.world
    world.add("tom@work.example")
    world.sql("UPDATE gmail_warmup.oauth_grant SET refresh_expires_at = now() + interval '1 day'")
    assert view_of(world, "tom@work.example").expires_soon
    put(world, "tom@work.example", "delegated")
    assert view_of(world, "tom@work.example").expires_at is None


def test_the_command_that_refreshes_a_grant_says_that_there_is_none(workspace: Workspace):
    done = shell(workspace.world, "grants", "refresh", ADA)
    assert done.exit_code == 2
    assert f"{ADA} uses a service account and has no grant." in done.stderr
