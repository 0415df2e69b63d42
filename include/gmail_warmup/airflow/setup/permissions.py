"""The package's own permissions in auth managers that can store them.

That is Airflow's FAB auth manager. Others have no place for permissions of plugins: the simple auth manager, for
example, allows a resource that it does not know to every viewer.
"""

from __future__ import annotations

from gmail_warmup.core.enums import Permission
from gmail_warmup.core.errors import ConfigurationError

RESOURCE = "Gmail Warmup"
"""The name under which a role is granted the permissions."""

_FAB_AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


def stores_permissions(auth_manager: type) -> bool:
    """Return whether an auth manager can store permissions of plugins: it is FAB's, or a subclass of it."""
    return any(f"{base.__module__}.{base.__qualname__}" == _FAB_AUTH_MANAGER for base in auth_manager.__mro__)


def create_permissions() -> bool:
    """Create the permissions, so that roles can be granted them; return False if the auth manager cannot store them.

    Raises:
        ConfigurationError: if the auth manager does not create one.
    """
    from airflow.configuration import conf
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded

    if not stores_permissions(conf.getimport("core", "auth_manager")):
        return False
    providers_configuration_loaded(_create_in_fab)()
    return True


def _create_in_fab() -> None:
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        for permission in Permission:
            if builder.sm.create_permission(permission.value, RESOURCE) is None:
                raise ConfigurationError(
                    f"Airflow's FAB auth manager did not create the permission {permission.value} on {RESOURCE}. "
                    "Run 'airflow db migrate', then 'gmail-warmup init' again."
                )
