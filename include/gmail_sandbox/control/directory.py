"""Control routes of the directory of a Workspace: users and groups."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from gmail_sandbox.cloud.directory import make_user
from gmail_sandbox.control.common import WorldNow
from gmail_sandbox.control.models import Count, Lower, Model
from gmail_sandbox.records import DirectoryGroup

router = APIRouter(prefix="/directory")


class DirectoryUserIn(Model):
    """A user of the directory; `body` replaces fields of the API's answer, null removes them."""

    address: Lower
    name: str = "Ada Example"
    aliases: list[str] = Field(default_factory=list)
    suspended: bool = False
    archived: bool = False
    org_unit: str = "/"
    has_mailbox: bool = True
    is_admin: bool = False
    is_deleted_after_page: bool = Field(default=False, description="Deleted as soon as a page of users was returned.")
    body: dict[str, Any] = Field(default_factory=dict)


class DirectoryGroupIn(Model):
    """A group; a member is a user, another group, an external address, or `*` for all users."""

    address: Lower
    members: list[Lower] = Field(default_factory=list)


@router.put("/users")
async def put_users(world: WorldNow, users: list[DirectoryUserIn]) -> Count:
    """Replace all users of the directory."""
    made = [make_user(f"{100 + number}", user.model_dump()) for number, user in enumerate(users)]
    world.directory_users = {user.id: user for user in made}
    return Count(count=len(made))


@router.put("/groups")
async def put_groups(world: WorldNow, groups: list[DirectoryGroupIn]) -> Count:
    """Replace all groups of the directory."""
    world.directory_groups = {group.address: DirectoryGroup(group.address, group.members) for group in groups}
    return Count(count=len(groups))
