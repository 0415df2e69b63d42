"""Who may do what: Airflow's own rights on Connections, since a grant is one more credential of the installation.

Imported in the api-server alone: Airflow's security module is slow to import.
"""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user, requires_access_connection
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials

MAY_READ = Depends(requires_access_connection("GET"))
MAY_CHANGE = Depends(requires_access_connection("PUT"))

User = Annotated[BaseUser, Depends(get_user)]


def get_user_name(user: User) -> str:
    """Return the name under which a user's changes are recorded."""
    return str(user.get_name())


UserName = Annotated[str, Depends(get_user_name)]


def may_change(user: User) -> bool:
    """Tell whether a user may change things, so that a page shows only what will work."""
    return bool(get_auth_manager().is_authorized_connection(method="PUT", user=user))


MayChange = Annotated[bool, Depends(may_change)]


BearerToken = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)]


async def require_change(request: Request, bearer: BearerToken) -> BaseUser:
    """Return the user, who may change things; for a route that asks for this only in some cases.

    Raises:
        HTTPException: 401 for nobody, 403 for somebody without the right.
    """
    user = await get_user(request, None, bearer)
    for method in ("GET", "PUT"):
        await requires_access_connection(method)(request, user)
    return user
