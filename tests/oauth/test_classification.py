"""Every row of the error table, through the real HTTP path to what an operator sees."""

from __future__ import annotations

import pytest

from gmail_sandbox.fault_catalog import CATALOGUE
from gmail_warmup.audit.pipeline import Audit
from gmail_warmup.db.models import GrantState
from gmail_warmup.oauth.errors import GrantError
from gmail_warmup.oauth.reasons import REASONS
from support.world import World

ADDRESS = "ada@pool.example"

TRANSIENT = {
    "token.cut": "unreachable",
    "token.html_500": "server_error",
    "token.html_502": "server_error",
    "token.html_503": "server_error",
    "token.html_503_retry_after": "server_error",
    "token.json_500": "server_error",
    "token.json_503": "server_error",
    "token.json_list_503": "server_error",
    "token.request_timeout_408": "server_error",
    "token.internal_failure": "server_error",
    "token.server_error": "server_error",
    "token.temporarily_unavailable": "server_error",
    "token.too_many_429": "throttled",
    "token.html_429": "throttled",
    "token.rate_limit_html_403": "throttled",
    "token.rate_limit_json_403": "throttled",
    "token.200_not_json": "not_json",
    "token.200_empty": "not_json",
    "token.200_no_access_token": "no_access_token",
    "token.200_truncated": "unreachable",
    "token.redirect_302": "not_json",
    "token.html_400": "not_json",
    "token.html_404": "not_json",
    "token.hang": "unreachable",
    "token.html_407": "proxy_failed",
    "token.html_499": "server_error",
    "token.empty_400": "not_json",
    "token.scope_with_nul": "unusable_answer",
    "token.token_with_nul": "unusable_answer",
    "token.token_not_ascii": "unusable_answer",
    "token.token_with_line_break": "unusable_answer",
    "token.refresh_token_not_ascii": "unusable_answer",
    "token.scope_no_text": "unusable_answer",
    "token.negative_lifetime": "unusable_answer",
    "token.absurd_lifetime": "unusable_answer",
    "token.lifetime_no_number": "unusable_answer",
    "token.redirect_uri_mismatch": "unknown_answer",
}
ACCOUNT = {
    "token.revoked": ("expired_or_revoked", GrantState.NEEDS_REAUTH),
    "token.bad_request": ("grant_refused", GrantState.SUSPECT),
    "token.empty_description": ("grant_refused", GrantState.SUSPECT),
    "token.no_description": ("grant_refused", GrantState.SUSPECT),
    "token.account_deleted": ("account_deleted", GrantState.ACCOUNT_DELETED),
    "token.invalid_rapt": ("session_control", GrantState.NEEDS_REAUTH),
    "token.rapt_required": ("session_control", GrantState.NEEDS_REAUTH),
    "token.admin_policy": ("blocked_by_admin", GrantState.BLOCKED_BY_ADMIN),
    "token.access_denied": ("blocked_by_admin", GrantState.BLOCKED_BY_ADMIN),
    "token.scope_lost": ("scope_missing", GrantState.NEEDS_REAUTH),
}
APP = {
    "token.invalid_client": "invalid_client",
    "token.client_not_found": "invalid_client",
    "token.deleted_client": "deleted_client",
    "token.disabled_client": "disabled_client",
    "token.unauthorized_client": "unauthorized_client",
    "token.invalid_scope": "bad_request",
    "token.invalid_request": "bad_request",
    "token.unsupported_grant_type": "bad_request",
}


def test_every_row_of_the_table_is_a_case_here():
    rows = {name for name in CATALOGUE if name.startswith("token.")}
    assert rows == TRANSIENT.keys() | ACCOUNT.keys() | APP.keys()


def refused(world: World, fault: str) -> GrantError:
    # A request that hangs is cut off by our own read timeout.
    world.add(ADDRESS)
    world.sandbox.add_fault("token", name=fault)
    with pytest.raises(GrantError) as caught:
        world.tokens(read_timeout=0.3 if fault == "token.hang" else 60).get_token(ADDRESS)
    return caught.value


@pytest.mark.parametrize(("fault", "code"), [*TRANSIENT.items(), *APP.items()])
def test_what_is_nobodys_fault_changes_no_grant(world: World, fault: str, code: str):
    error = refused(world, fault)
    assert error.reason.code == code
    grant = world.grant(ADDRESS)
    assert (grant.state, grant.reason, grant.is_leased) == (GrantState.ACTIVE, None, False)
    assert world.events(ADDRESS)[1:] == [("needs_reauth", "active", "imported")]


@pytest.mark.parametrize(("fault", "code", "state"), [(name, *expected) for name, expected in ACCOUNT.items()])
def test_what_is_the_accounts_fault_flags_it(world: World, fault: str, code: str, state: GrantState):
    error = refused(world, fault)
    assert error.reason.code == code
    grant = world.grant(ADDRESS)
    assert (grant.state, grant.reason, grant.is_leased) == (state, code, False)
    assert world.events(ADDRESS)[-1] == ("active", state.value, code)


@pytest.mark.parametrize(("fault", "code", "state"), [(name, *expected) for name, expected in ACCOUNT.items()])
def test_the_audit_judges_as_a_task_does(world: World, fault: str, code: str, state: GrantState):
    mailbox_id = world.add(ADDRESS)
    world.sandbox.add_fault("token", name=fault)
    Audit(world.store, world.client, world.settings, actor=world.actor).run([mailbox_id])
    grant = world.grant(ADDRESS)
    assert (grant.state, grant.reason, grant.is_leased) == (state, code, False)


def test_every_reason_says_what_to_do():
    for reason in REASONS.values():
        assert reason.message.endswith(".")
        assert reason.code == "ok" or reason.remedy.endswith(".")
