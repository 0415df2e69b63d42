"""Permissions in Airflow's multi-team mode: the Connections without a team count, for users of every team."""

from __future__ import annotations

import asyncio

import pytest
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi import HTTPException, Request

from gmail_warmup.core.enums import Permission
from gmail_warmup.web import permissions


@pytest.fixture(autouse=True)
def _multi_team(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    create_auth_manager()


@pytest.mark.parametrize(
    ("role", "held"),
    [("viewer", set()), ("user", set()), ("op", set(Permission)), ("admin", set(Permission)), (None, set())],
)
@pytest.mark.parametrize("teams", [[], ["sales"]])
def test_the_role_decides_and_not_the_team(role: str | None, held: set[Permission], teams: list[str]):
    user = SimpleAuthManagerUser(username="kim", role=role, teams=teams)
    assert permissions.find_permissions(user) == held


@pytest.mark.parametrize(("role", "is_allowed"), [("op", True), ("viewer", False)])
def test_the_callback_needs_no_body_that_names_a_team(role: str, is_allowed: bool, monkeypatch: pytest.MonkeyPatch):
    async def get_user(*_: object) -> SimpleAuthManagerUser:
        return SimpleAuthManagerUser(username="kim", role=role, teams=["sales"])

    monkeypatch.setattr(permissions, "get_user", get_user)
    request = Request({"type": "http", "method": "GET", "path": "/oauth/callback", "headers": []})
    check = permissions.require_permission(Permission.OPERATE, request, None)
    if is_allowed:
        assert asyncio.run(check).get_name() == "kim"
    else:
        with pytest.raises(HTTPException, match="permission to edit Airflow's Connections"):
            asyncio.run(check)
