"""Permissions of the routes: ``dependencies=READ``, ``OPERATE`` or ``ADMINISTER`` at each router or route.

A user has a permission if one of their roles has it on the resource "Gmail Warmup", in an auth manager that can store
it. In every auth manager, reading Connections includes reading here, and editing Connections includes everything,
because a grant is a credential like a Connection.

Mailboxes belong to no team: in Airflow's multi-team mode, the Connections that count are those without a team.

Imported only in the api-server, because Airflow's security module is slow to import.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials

from gmail_warmup.airflow.setup.permissions import RESOURCE, stores_permissions
from gmail_warmup.core.enums import DagId, Permission
from gmail_warmup.web.security import SAME_SITE_JSON

User = Annotated[BaseUser, Depends(get_user)]
BearerToken = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)]


def find_permissions(user: User) -> frozenset[Permission]:
    """Return the permissions of a user, with those that they include."""
    ranked = list(Permission)
    highest = _find_highest(user)
    return frozenset(ranked[: ranked.index(highest) + 1] if highest else ())


def _find_highest(user: User) -> Permission | None:
    manager = get_auth_manager()
    may_read = manager.is_authorized_connection(method="GET", user=user)
    if may_read and manager.is_authorized_connection(method="PUT", user=user):
        return Permission.ADMINISTER
    if stores_permissions(type(manager)):
        for permission in reversed(Permission):
            method: Any = permission.value  # the name of an action is allowed too
            if manager.is_authorized_custom_view(method=method, resource_name=RESOURCE, user=user):
                return permission
    return Permission.READ if may_read else None


def check_permission(permission: Permission, request: Request, user: User) -> None:
    """Check that the user of a request has a permission.

    All permissions are found once for each request and kept in its state, also for the page that is shown.

    Raises:
        HTTPException: 403 without it.
    """
    if not hasattr(request.state, "permissions"):
        request.state.permissions = find_permissions(user)
    if permission not in request.state.permissions:
        raise HTTPException(403, _describe_refusal(permission))


def _describe_refusal(permission: Permission) -> str:
    connections = f"permission to {'read' if permission is Permission.READ else 'edit'} Airflow's Connections"
    own = f"the permission {permission.value} on {RESOURCE}, or "
    required = f"{own if stores_permissions(type(get_auth_manager())) else ''}{connections}"
    return f"Your Airflow account does not have the required permission. This requires {required}."


def _require(permission: Permission) -> Callable[[Request, BaseUser], Awaitable[None]]:
    async def require(request: Request, user: User) -> None:
        check_permission(permission, request, user)

    require.permission = permission  # type: ignore[attr-defined]  # read by documentation and tests
    return require


READ = [Depends(_require(Permission.READ))]
"""Dependencies of every router with pages or data. Its routes need no more if they only read."""
OPERATE = [Depends(_require(Permission.OPERATE)), *SAME_SITE_JSON]
"""Dependencies of a route that changes the daily work of mailboxes; see ``Permission``."""
ADMINISTER = [Depends(_require(Permission.ADMINISTER)), *SAME_SITE_JSON]
"""Dependencies of a route that changes which mailboxes there are, or settings; see ``Permission``."""


async def require_permission(permission: Permission, request: Request, bearer: BearerToken) -> BaseUser:
    """Return the user if they have a permission; for a route that requires it only in some cases.

    Raises:
        HTTPException: 401 without a login, 403 without the permission.
    """
    user = await get_user(request, None, bearer)
    check_permission(permission, request, user)
    return user


def get_user_name(user: User) -> str:
    """Return the name under which a user's changes are recorded."""
    return str(user.get_name())


async def _find_user_name(user: User) -> str:
    return get_user_name(user)


UserName = Annotated[str, Depends(_find_user_name)]


def may_read_dags(user: User) -> bool:
    """Return whether a user may see the runs of the package's DAGs."""
    return all(
        get_auth_manager().is_authorized_dag(
            method="GET", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
        )
        for dag_id in DagId
    )


MayReadDags = Annotated[bool, Depends(may_read_dags)]
