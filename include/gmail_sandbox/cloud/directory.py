"""The Directory API of a Workspace: users.list and members.list. Source: Google, "Directory API" reference."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gmail_sandbox.cloud import errors
from gmail_sandbox.dispatch import Caller, respond
from gmail_sandbox.gmail.errors import INVALID_CREDENTIALS
from gmail_sandbox.gmail.routes import bearer
from gmail_sandbox.oauth.grants import AccessToken
from gmail_sandbox.records import DirectoryGroup, DirectoryUser
from gmail_sandbox.responses import Answer, Json
from gmail_sandbox.state import World

_SCOPES = "https://www.googleapis.com/auth/admin.directory."
USER_SCOPES = frozenset({f"{_SCOPES}user.readonly", f"{_SCOPES}user"})
MEMBER_SCOPES = frozenset({f"{_SCOPES}group.member.readonly", f"{_SCOPES}group.member", f"{_SCOPES}group"})


class DirectoryEndpoint:
    """ASGI application for one method of the Directory API."""

    def __init__(self, world: World, method: str, scopes: frozenset[str]) -> None:
        self._world, self._method, self._scopes = world, method, scopes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        shown, token = bearer(self._world, scope)
        caller = Caller("directory", f"directory.{self._method}", token.address if token else None)
        await respond(self._world, caller, lambda: self._work(scope, shown, token), 0, (scope, receive, send))

    def _work(self, scope: Scope, shown: str, token: AccessToken | None) -> Answer:
        world = self._world
        if token is None or not token.valid(world.clock.now()):
            return Answer.of_json(401, INVALID_CREDENTIALS)
        if not token.scopes & self._scopes:
            return errors.DIRECTORY_SCOPE
        admin = next((user for user in world.directory_users.values() if user.address == token.address), None)
        if admin is None or not admin.is_admin:
            return errors.DIRECTORY_DENIED
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        if self._method == "users":
            return self._list_users(query)
        return self._list_members(scope["path_params"]["group"].lower(), query)

    def _list_users(self, query: dict[str, str]) -> Answer:
        if query.get("customer") != "my_customer":
            return errors.DIRECTORY_BAD_REQUEST
        users = list(self._world.directory_users.values())
        page, following = self._page({user.id: user.body for user in users}, query, 500)
        body: dict[str, Json] = {"kind": "admin#directory#users"}
        if page:
            body["users"] = page
        if following:
            body["nextPageToken"] = following
        if "kind" not in query.get("fields", "kind").partition("(")[0].split(","):
            del body["kind"]
        for user in users:
            if user.is_deleted_after_page:
                self._world.directory_users.pop(user.id, None)
        return Answer.of_json(200, body)

    def _list_members(self, name: str, query: dict[str, str]) -> Answer:
        if name not in self._world.directory_groups:
            return errors.DIRECTORY_NOT_FOUND
        nested = query.get("includeDerivedMembership") == "true"
        members = self._members(self._world.directory_groups[name], nested, set())
        page, following = self._page(members, query, 200)
        body: dict[str, Json] = {"kind": "admin#directory#members"}
        if page:
            body["members"] = page
        if following:
            body["nextPageToken"] = following
        return Answer.of_json(200, body)

    def _members(self, group: DirectoryGroup, nested: bool, seen: set[str]) -> dict[str, dict[str, Json]]:
        """Return the members of a group by id; with ``nested`` also those of the groups in it."""
        seen.add(group.address)
        found: dict[str, dict[str, Json]] = {}
        for member in group.members:
            user = next((user for user in self._world.directory_users.values() if user.address == member), None)
            inner = self._world.directory_groups.get(member)
            if member == "*":
                found["customer"] = {"id": "customer", "type": "CUSTOMER", "role": "MEMBER"}
            elif inner is not None:
                found[inner.address] = {"id": inner.address, "email": member, "type": "GROUP", "role": "MEMBER"}
                if nested and inner.address not in seen:
                    found |= self._members(inner, nested, seen)
            else:
                key = user.id if user else f"external {member}"
                found[key] = {"id": key, "email": member, "type": "USER", "role": "MEMBER", "status": "ACTIVE"}
        return found

    def _page(self, rows: dict[str, Json], query: dict[str, str], most: int) -> tuple[list[Json], str]:
        """Return one page of the rows by id, and the token of the next one: the id that this page ends with."""
        size = min(int(query.get("maxResults", "100")), self._world.settings.directory_page_size or most)
        left = sorted(key for key in rows if key > query.get("pageToken", ""))
        page = left[:size]
        return [rows[key] for key in page], page[-1] if len(left) > size else ""


def routes(world: World) -> list[BaseRoute]:
    """Return the routes of the Directory API."""
    prefix = "/admin/directory/v1"
    return [
        Route(f"{prefix}/users", DirectoryEndpoint(world, "users", USER_SCOPES), methods=["GET"]),
        Route(
            f"{prefix}/groups/{{group}}/members", DirectoryEndpoint(world, "members", MEMBER_SCOPES), methods=["GET"]
        ),
    ]


def make_user(user_id: str, fields: dict[str, Any]) -> DirectoryUser:
    """Return a user with the body that the API returns for it."""
    body = {
        "kind": "admin#directory#user",
        "id": user_id,
        "primaryEmail": fields["address"],
        "name": {"fullName": fields["name"]},
        "aliases": fields["aliases"],
        "suspended": fields["suspended"],
        "archived": fields["archived"],
        "orgUnitPath": fields["org_unit"],
        "isMailboxSetup": fields["has_mailbox"],
        "isAdmin": fields["is_admin"],
    }
    changed = body | fields["body"]
    return DirectoryUser(
        id=user_id,
        address=str(fields["address"]).lower(),
        is_admin=fields["is_admin"],
        is_deleted_after_page=fields["is_deleted_after_page"],
        body={name: value for name, value in changed.items() if value is not None and value != []},
    )
