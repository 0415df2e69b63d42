"""Making the plan: no connection to the database is held while Google is requested."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from gmail_sandbox.client import SandboxClient
from gmail_warmup.gmail.workspace.directory import MEMBER_SCOPE, USER_SCOPE, Directory
from gmail_warmup.oauth.answers import Party
from gmail_warmup.oauth.token_endpoint import TokenResult
from gmail_warmup.transfer.directory.plan import SyncEffect, make_plan
from gmail_warmup.transfer.directory.request import parse_request
from support.workers import services
from support.workspace import ADMIN, ROBOT, connect_directory
from support.world import World

ADA, GROUP = "ada@work.example", "sales@work.example"


@pytest.fixture
def pooled(world: World) -> Iterator[sa.Engine]:
    """An engine that keeps one connection, like that of the api-server."""
    engine = sa.create_engine(world.store.engine.url, pool_size=1, max_overflow=0)
    yield engine
    engine.dispose()


def test_no_connection_is_held_while_google_is_requested(
    world: World, sandbox_server: SandboxClient, pooled: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    connect_directory(world, sandbox_server.put_service_account(ROBOT), monkeypatch)
    account = services(world).build_service_account(scopes=(USER_SCOPE, MEMBER_SCOPE), party=Party.DIRECTORY_TOKEN)
    held: list[int] = []

    def request_token(address: str) -> TokenResult:
        held.append(pooled.pool.checkedout())  # type: ignore[attr-defined]
        return account.request_token(address)

    def sleep(_: float) -> None:
        held.append(pooled.pool.checkedout())  # type: ignore[attr-defined]

    world.sandbox.put_directory([{"address": ADMIN, "is_admin": True}, {"address": ADA}], {GROUP: [ADA]})
    world.sandbox.add_fault(name="directory.backend_503", times=1)
    request = parse_request({"admin": ADMIN, "kind": "pool", "groups": [GROUP]})
    with account, Directory(ADMIN, request_token, endpoint=world.sandbox.base_url, sleep=sleep) as directory:
        entries = make_plan(pooled, directory, request)
    assert [(entry.address, entry.effect) for entry in entries] == [(ADA, SyncEffect.ADD)]
    assert held == [0, 0]
