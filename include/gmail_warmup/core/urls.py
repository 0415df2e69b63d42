"""Where the page lives, from ``[api] base_url`` alone: what a request says about its host is never believed."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from gmail_warmup.core.errors import ConfigurationError

MOUNT_PATH = "/gmail-warmup"
"""Where the application hangs below Airflow's api-server."""

VIEW_PATH = "/plugin/gmail-accounts"
"""Where Airflow's shell shows it in a frame."""

CALLBACK_PATH = "/oauth/callback"

INVITE_PATH = "/invite"
"""Where the owner of a mailbox follows an invite; open to everybody, with what lies below it."""


def base_url() -> str:
    """Return Airflow's address as browsers know it, without a slash at its end.

    Raises:
        ConfigurationError: if it is not set, or is not an http(s) address.
    """
    from airflow.configuration import conf

    value = conf.get("api", "base_url", fallback="").strip().rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"[api] base_url is {value!r}, but the consent needs the address under which browsers reach Airflow. Set "
            "AIRFLOW__API__BASE_URL, for example to https://airflow.example.com, and restart the api-server."
        )
    return value


def airflow_origin() -> str:
    """Return the origin of Airflow's address, as browsers write it into the header ``Origin``."""
    parts = urlsplit(base_url())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")


def is_https() -> bool:
    """Tell whether browsers reach Airflow by https."""
    return base_url().startswith("https://")


def cookie_path() -> str:
    """Return the path below which the application's cookies are sent; it holds Airflow's sub-path."""
    return urlsplit(base_url()).path + MOUNT_PATH


def redirect_uri() -> str:
    """Return the callback's address, as the OAuth client in the Google Cloud console must know it."""
    return base_url() + MOUNT_PATH + CALLBACK_PATH


def is_public_path(inside: str) -> bool:
    """Tell whether a path below the mount belongs to the pages of an invite, which need no login."""
    return inside == INVITE_PATH or inside.startswith(f"{INVITE_PATH}/")


def invite_url(token: str) -> str:
    """Return the link of an invite.

    The token is the fragment: browsers send that to no server, so it is in no access log, no proxy and no Referer.
    """
    return f"{base_url()}{MOUNT_PATH}{INVITE_PATH}#{token}"


def thanks_url() -> str:
    """Return the address of the page that ends an invite."""
    return f"{base_url()}{MOUNT_PATH}{INVITE_PATH}/thanks"


def view_url(address: str = "") -> str:
    """Return the address of the page inside Airflow's shell; with a mailbox on top, if one is named.

    The shell shows what follows its own route in the frame.
    """
    inside = f"{cookie_path()}/?reauth={quote(address)}" if address else ""
    return base_url() + VIEW_PATH + inside


def task_view_url(address: str) -> str:
    """Return a mailbox's ``view_url`` for a task; its path alone where Airflow's own address is not set.

    That may be so on a worker; a task must not fail for it.
    """
    try:
        return view_url(address)
    except ConfigurationError:
        return f"{VIEW_PATH}{MOUNT_PATH}/?reauth={quote(address)}"
