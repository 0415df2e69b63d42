"""Read Airflow's configuration: the section [gmail_warmup], and the options of Airflow that the package depends on.

DAG files import this module whenever they are parsed, and the plugin in every process, so it imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.urls import SiteUrls, mailbox_view_path

if TYPE_CHECKING:
    from gmail_warmup.core.settings import Settings

SECTION = "gmail_warmup"


def load_settings() -> Settings:
    """Read and validate the settings.

    Raises:
        ConfigurationError: if an option is unknown or violates its rule.
    """
    from airflow.sdk.configuration import conf

    from gmail_warmup.core.options import validate_settings

    section = conf.getsection(SECTION) or {}
    return validate_settings({key: value for key, value in section.items() if value not in (None, "")})


def is_enabled(option: str) -> bool:
    """Return a boolean option of the section [gmail_warmup] that is on by default."""
    from airflow.configuration import conf

    value = str(conf.get("gmail_warmup", option, fallback="True"))
    return value.strip().lower() not in ("false", "0", "no", "off")


def get_max_map_length() -> int:
    """Return Airflow's limit for the length of a mapped task, ``[core] max_map_length``."""
    from airflow.sdk.configuration import conf

    return int(conf.getint("core", "max_map_length", fallback=1024))


def load_urls() -> SiteUrls:
    """Return the addresses of the page.

    Raises:
        ConfigurationError: if ``[api] base_url`` is not set, or is not an http(s) address.
    """
    base_url = _read_base_url()
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"[api] base_url is {base_url!r}, but the consent needs the address under which browsers reach Airflow. "
            "Set AIRFLOW__API__BASE_URL, for example to https://airflow.example.com, and restart the api-server."
        )
    return SiteUrls(base_url=base_url)


def get_task_view_url(address: str) -> str:
    """Return the address of a mailbox on the page, for the link and the log of a task.

    A worker may not have Airflow's base URL. The task must not fail because of that, so it gets the path alone.
    """
    try:
        return load_urls().view_url(address)
    except ConfigurationError:
        return mailbox_view_path(address)


def find_page_url() -> str | None:
    """Return the address of the page, or None if Airflow's base URL is not set."""
    return SiteUrls(base_url=base_url).view_url() if (base_url := _read_base_url()) else None


def _read_base_url() -> str:
    from airflow.sdk.configuration import conf

    return str(conf.get("api", "base_url", fallback="")).strip().rstrip("/")
