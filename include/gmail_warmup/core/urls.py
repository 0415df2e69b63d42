"""Addresses of the page "Gmail accounts", derived from Airflow's base URL alone: request headers are not trusted."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

MOUNT_PATH = "/gmail-warmup"
"""Path of the application below Airflow's api-server."""

VIEW_PATH = "/plugin/gmail-accounts"
"""Path at which Airflow's UI shows the application in a frame."""

API_PATH = "/api/v1"

CALLBACK_PATH = "/oauth/callback"

LIST_PATH = "/mailboxes"
"""Path of the list of mailboxes; the start page is the overview."""

REPAIRS_PATH = "/repairs"
"""Path of the page of a user's repair queue."""

INVITE_PATH = "/invite"
"""Path of the pages for the owner of a mailbox; public, with everything below it."""

SHARED_REPORT_PATH = "/shared-report"
"""Path of the page that shows one weekly report to whoever has its link; public, with everything below it."""

_PUBLIC_PATHS = (INVITE_PATH, SHARED_REPORT_PATH)


def is_public_path(inside: str) -> bool:
    """Return whether a path below the mount belongs to the pages of a link, which need no login."""
    return any(inside == path or inside.startswith(f"{path}/") for path in _PUBLIC_PATHS)


def mailbox_view_path(address: str, *, airflow_path: str = "") -> str:
    """Return the path at which Airflow's UI shows a mailbox.

    Args:
        airflow_path: the path of Airflow's base URL. The UI forwards what follows its own route to the frame.
    """
    return f"{VIEW_PATH}{airflow_path}{MOUNT_PATH}{LIST_PATH}?reauth={quote(address)}"


@dataclass(frozen=True, kw_only=True)
class SiteUrls:
    """Build absolute addresses.

    Args:
        base_url: Airflow's address as browsers know it, without a slash at its end.
    """

    base_url: str

    @property
    def airflow_origin(self) -> str:
        """Return the origin of Airflow's address, in the form of the header ``Origin``."""
        parts = urlsplit(self.base_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        default = {"http": 80, "https": 443}[parts.scheme]
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")

    @property
    def is_https(self) -> bool:
        """Return whether browsers reach Airflow by https."""
        return self.base_url.startswith("https://")

    @property
    def cookie_path(self) -> str:
        """Return the path of the application's cookies; it includes the path of Airflow's base URL."""
        return urlsplit(self.base_url).path + MOUNT_PATH

    @property
    def list_url(self) -> str:
        """Return the address of the list of mailboxes inside Airflow's UI."""
        return f"{self.view_url()}{self.cookie_path}{LIST_PATH}"

    @property
    def repairs_url(self) -> str:
        """Return the address of the page of the repair queue inside Airflow's UI."""
        return f"{self.view_url()}{self.cookie_path}{REPAIRS_PATH}"

    @property
    def redirect_uri(self) -> str:
        """Return the address of the OAuth callback, as registered in the Google Cloud console."""
        return self.base_url + MOUNT_PATH + CALLBACK_PATH

    @property
    def thanks_url(self) -> str:
        """Return the address of the page that ends an invite."""
        return f"{self.base_url}{MOUNT_PATH}{INVITE_PATH}/thanks"

    def invite_url(self, token: str) -> str:
        """Return the link of an invite.

        The token is the fragment: browsers send it to no server, so no access log, proxy or Referer contains it.
        """
        return f"{self.base_url}{MOUNT_PATH}{INVITE_PATH}#{token}"

    def shared_report_url(self, token: str) -> str:
        """Return the link to a weekly report, with the token as its fragment; see ``invite_url``."""
        return f"{self.base_url}{MOUNT_PATH}{SHARED_REPORT_PATH}#{token}"

    def view_url(self, address: str = "") -> str:
        """Return the address of the page inside Airflow's UI; with the dialog of a mailbox, if one is given."""
        if not address:
            return self.base_url + VIEW_PATH
        return self.base_url + mailbox_view_path(address, airflow_path=urlsplit(self.base_url).path)
