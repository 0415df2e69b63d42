"""Permissions of the routes: Airflow's permissions on Connections, because a grant is a credential like a Connection.

Imported only in the api-server, because Airflow's security module is slow to import.
"""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user, requires_access_connection
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials

from gmail_warmup.core.enums import DagId

MAY_READ = Depends(requires_access_connection("GET"))
MAY_CHANGE = Depends(requires_access_connection("PUT"))

User = Annotated[BaseUser, Depends(get_user)]


def get_user_name(user: User) -> str:
    """Return the name under which a user's changes are recorded."""
    return str(user.get_name())


UserName = Annotated[str, Depends(get_user_name)]


def may_change(user: User) -> bool:
    """Return whether a user may change mailboxes, so that a page shows only permitted actions."""
    return bool(get_auth_manager().is_authorized_connection(method="PUT", user=user))


MayChange = Annotated[bool, Depends(may_change)]


def may_read_dags(user: User) -> bool:
    """Return whether a user may see the runs of the package's DAGs."""
    return all(
        get_auth_manager().is_authorized_dag(
            method="GET", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
        )
        for dag_id in DagId
    )


MayReadDags = Annotated[bool, Depends(may_read_dags)]


BearerToken = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)]


async def require_change(request: Request, bearer: BearerToken) -> BaseUser:
    """Return the user if they may change mailboxes; for a route that requires this only in some cases.

    Raises:
        HTTPException: 401 without a login, 403 without the permission.
    """
    user = await get_user(request, None, bearer)
    for method in ("GET", "PUT"):
        await requires_access_connection(method)(request, user)
    return user
